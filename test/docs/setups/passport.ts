/** An app with a passport-jwt strategy of its own. */
import passport from 'passport'
import { ExtractJwt, Strategy as JwtStrategy } from 'passport-jwt'
import type { Request } from 'express'
import type { VerifyCallback } from 'passport-jwt'

export { JwtStrategy, passport }

export declare const OLD_SECRET: string
export declare const findUser: VerifyCallback
export const jwtFromRequest = ExtractJwt.fromAuthHeaderAsBearerToken()
export declare const oldUserId: (req: Request) => string
