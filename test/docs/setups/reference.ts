/** Names that the examples in doc comments use without declaring them. */
import { Server as HttpServer } from 'node:http'
import type { Server, Socket } from 'socket.io'
import type { EmailToken } from 'express-custom-user-data/app-services'
import type { options } from './common.js'

export { default as diagnostics_channel } from 'node:diagnostics_channel'
export { default as bcrypt } from 'bcryptjs'
export { default as passport } from 'passport'
export { z } from 'zod'
export { refusalReason } from 'express-custom-user-data'
export const server = new HttpServer()
export declare const io: Server
export declare const socket: Socket
export declare const others: Omit<typeof options, 'collection'>
export declare const user: { _id: import('mongodb').ObjectId; id: string; email: string }
export declare const id: string
export declare const email: string
export declare const password: string
export declare const newPassword: string
export declare const refreshToken: string
export declare const formerSecret: string
export declare const startedAt: number
export declare const accounts: string[]
export declare const error: unknown
export declare const order: { _id: string }
export declare const orders: {
  insertOne: (order: object) => Promise<void>
  find: (filter: object) => { limit: (most: number) => { toArray: () => Promise<object[]> } }
}
export declare const addTodo: (userId: string, text: string) => Promise<void>
export declare const removeAll: () => Promise<void>
export declare const findAccount: (email: string, pin: string) => Promise<{ id: string; name: string } | null>
export declare const sendConfirmationMail: (message: EmailToken) => Promise<void>
export declare const sendResetMail: (message: EmailToken) => Promise<void>
export declare const isPassword: (user: object, password: unknown) => Promise<boolean>
export { AppServicesError, appServices, createAppServices } from './app-services.js'
export declare const mongoose: { readonly connection: { readonly db: import('mongodb').Db } }
export declare const audit: import('mongodb').Collection
export declare const logError: (error: unknown) => void
