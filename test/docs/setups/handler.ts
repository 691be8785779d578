/** The arguments of the Express handler in which a block stands. */
import type { NextFunction, Request, Response } from 'express'
import type { AuthenticatedUser, CustomDataOf } from 'express-custom-user-data'
import type { Profile } from './common.js'

export declare const req: Request & { user: AuthenticatedUser<CustomDataOf<Profile>> }
export declare const res: Response
export declare const next: NextFunction
