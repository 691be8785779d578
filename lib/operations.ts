import type { CustomUserDataError } from './errors.js'
import { startTimer } from './util/clock.js'
import type { Clock, Timed } from './util/clock.js'

/** The routes and functions that log users in, refresh their tokens and log them out, by the names of their methods. */
export const OPERATION_NAMES = [
  'login',
  'authenticateLogin',
  'issueTokens',
  'reissue',
  'refresh',
  'exchangeRefreshToken',
  'logout',
  'logoutAll',
  'endSession',
] as const

/** A method that logs users in, refreshes their tokens or logs them out. */
export type OperationName = (typeof OPERATION_NAMES)[number]

/** A login, a refresh or a logout that has ended. */
export interface OperationMessage extends Timed {
  /** The method, or the route by the name of its method. */
  readonly name: OperationName
  /** The user who got tokens; `undefined` after a logout, or if the operation failed. */
  readonly userId: string | undefined
  /** The code of the error, if the operation failed. */
  readonly code: string | undefined
  /** The HTTP status of the error. */
  readonly status: number | undefined
}

/** A request or a function that failed with a status of 500 or more. */
export interface RequestFailedMessage {
  /** The code of the error, as in the event. */
  readonly code: string
  /** The HTTP status, as in the event. */
  readonly status: number
  /** The method and the path of the request, as in the event. Of a function without a request its name: `issueTokens()`. */
  readonly route: string
}

/** Measures operations. */
export type Operations = ReturnType<typeof createOperations>

/** Creates the measurement. `tell` gets each operation when it has ended. */
export function createOperations(clock: Clock, tell: (operation: OperationMessage) => void) {
  return {
    /** Notes that an operation begins. Call one of the functions that it returns when the operation ends. */
    begin(name: OperationName) {
      const timed = startTimer(clock)
      const end = (outcome: Pick<OperationMessage, 'userId' | 'code' | 'status'>): void => {
        tell({ name, ...timed(), ...outcome })
      }
      return {
        /** `userId` is the user who got tokens. */
        succeeded(userId?: string): void {
          end({ userId, code: undefined, status: undefined })
        },
        failed({ code, status }: CustomUserDataError): void {
          end({ userId: undefined, code, status })
        },
      }
    },
  }
}
