/** Functions and collections of an app that guides mention without their code. */
import type { RequestHandler } from 'express'
import type { Collection, ObjectId } from 'mongodb'

export declare const users: Collection<{
  _id?: ObjectId
  email: string
  passwordHash?: string
  resets?: { hash: string; expiresAt: Date }[]
  resetAskedAt?: Date
}>
export declare const email: string
export declare const sid: string
export declare const oldUserId: string
export declare const oldPassword: string
export declare const user: { email: string }
export declare const accessToken: string
export declare const requireLogin: RequestHandler
export declare const loadOwnUser: RequestHandler
export declare const showBalance: RequestHandler
export declare const placeOrder: (order: unknown) => Promise<void>
export declare const isBanned: (userId: string, address: string | null) => boolean
export declare const isPassword: (user: unknown, password: unknown) => Promise<boolean>
export declare const isOldHashOf: (hash: string, password: string) => boolean
export declare const OLD_HASH_OF_A_RANDOM_TEXT: string
export declare const sendMail: (address: string, link: string) => Promise<void>
export declare const logError: (error: unknown) => void
export declare const takeOldRefreshToken: (refreshToken: unknown) => Promise<{ _id: ObjectId } | null>
export { ObjectId } from 'mongodb'
