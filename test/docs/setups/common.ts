/** Names that the blocks of every page may use without declaring them. */
import express from 'express'
import { MongoClient } from 'mongodb'
import type { Collection, Db, ObjectId } from 'mongodb'
import { createCustomUserData } from 'express-custom-user-data'
import type { AuthenticatedUser, CustomDataOf, Scalar } from 'express-custom-user-data'

export { express, MongoClient, createCustomUserData }
export {
  compileRule,
  CustomUserDataError,
  errorResponse,
  hashPassword,
  OptionError,
  isPassingDatabaseError,
  refusalReason,
} from 'express-custom-user-data'
export type {
  AuthenticatedUser,
  Clock,
  CustomUserData,
  CustomUserDataOptions,
  TokenAnswer,
} from 'express-custom-user-data'
export type { NextFunction, Request, Response } from 'express'

/** The custom data of a user. */
export interface Profile {
  userId: string
  language: 'en' | 'de' | 'fr'
  theme: 'light' | 'dark'
  timezone: string
  birthday: Date
  role: 'user' | 'admin'
  plan: 'free' | 'paid'
  age: number
  teams: string[]
  trial: boolean
}

/** A document of the team's collection of accounts. */
export interface Account {
  _id: ObjectId
  email: string
  username: string
  passwordHash: string
}

export const MONGODB_URI = process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1:27017/app'
export const ACCESS_TOKEN_SECRET = process.env['ACCESS_TOKEN_SECRET'] ?? ''

export const client = new MongoClient(MONGODB_URI)
export const db: Db = client.db()
export const collection: Collection<Profile> = db.collection<Profile>('custom_user_data')
export const users: Collection<Account> = db.collection<Account>('users')

/** Options of an instance that a block spreads into its own. */
export const options = {
  collection,
  secret: ACCESS_TOKEN_SECRET,
  issuer: 'https://auth.example.com',
  audience: 'https://api.example.com',
}

export const userData = createCustomUserData(options)
export const app = express()
export const router = express.Router()

/** A user about whom server code decides. */
export const userId = String('alice')

/** Functions and values of the team's own app. */
export declare const verifyCredentials: (
  credentials: Readonly<Record<string, Scalar>>,
) => Promise<{ id: string } | null>
export declare const changePassword: (id: string, body: unknown) => Promise<void>
export declare const checkOneTimeCode: (code: unknown) => Promise<{ id: string }>
/** Authenticates by other means than this package. */
export declare const theirGuard: express.RequestHandler
export const log = console
export declare const requireTenant: (user: AuthenticatedUser<CustomDataOf<Profile>>) => Promise<void>
export declare const tenant: { issuer: string }
export declare const showTeam: express.RequestHandler
export declare const showOrders: express.RequestHandler
export declare const GREETINGS: Record<string, string>
export declare const TESTERS: string[]
