/** An app that logs its users in with express-session. */
import session from 'express-session'
import type { RequestHandler } from 'express'
import passport from 'passport'

export { passport, session }
export declare const SESSION_SECRET: string
export declare const requireLogin: RequestHandler
export declare const readLoginIfAny: RequestHandler
