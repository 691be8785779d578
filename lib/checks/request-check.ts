import type { Request, Response } from 'express'
import type { CustomUserDataError } from '../errors.js'
import type { WarningEvent } from '../events.js'
import type { OwnHandlers } from './own-handlers.js'

/** An error that a guard or a route of this instance hands to `next`. */
export interface Refusal {
  readonly req: Request
  /** Absent for a request that has no response, such as the handshake of a socket. */
  readonly res: Response | undefined
  readonly error: CustomUserDataError
  readonly handlers: OwnHandlers
}

/** Looks at a request that is refused, and returns a warning if the set-up of the app is the reason. */
export type RefusalCheck = (refusal: Refusal) => WarningEvent | undefined
