import type { Request, Response } from 'express'
import type { CustomUserDataError } from '../errors.js'
import type { WarningEvent } from '../events.js'
import type { CheckCode } from './check-codes.js'
import { watchErrorHandler } from './error-handler.js'
import { checkLoginBehindGuard } from './login-behind-guard.js'
import { checkMissingGuard } from './missing-guard.js'
import type { OwnHandlers } from './own-handlers.js'
import { checkPreflight } from './preflight.js'
import { checkProxyHeader } from './proxy-header.js'
import type { AddressUse } from './proxy-header.js'
import type { RefusalCheck } from './request-check.js'
import type { SetUpWarnings } from './set-up-warnings.js'

const REFUSAL_CHECKS: readonly (readonly [CheckCode, RefusalCheck])[] = [
  ['preflight_refused', checkPreflight],
  ['login_behind_guard', checkLoginBehindGuard],
]

/** How many answers are looked at. A finding comes with the first, and strangers can cause any number. */
const MAX_WATCHED = 200

/**
 * The checks that look at requests. None of them looks at a request that passes. A check that throws finds nothing, because
 * requests and apps may have any form.
 */
export class RequestChecks {
  readonly #warnings: SetUpWarnings
  readonly #handlers: OwnHandlers
  #watched = 0

  constructor(warnings: SetUpWarnings, handlers: OwnHandlers) {
    this.#warnings = warnings
    this.#handlers = handlers
  }

  /** A guard or a route hands an error to `next`. */
  refused(req: Request, res: Response | undefined, error: CustomUserDataError): void {
    const refusal = { req, res, error, handlers: this.#handlers }
    for (const [code, check] of REFUSAL_CHECKS) this.#look(code, () => check(refusal))
    if (this.#watched++ >= MAX_WATCHED) return
    this.#look('error_handler_missing', () => {
      watchErrorHandler(refusal, find => this.#look('error_handler_missing', find))
      return undefined
    })
  }

  /** A handler that needs a user finds none. */
  withoutUser(callee: string, req: Request, presentsToken: boolean): void {
    const request = { callee, req, presentsToken, handlers: this.#handlers }
    this.#look('guard_missing', () => checkMissingGuard(request))
  }

  /** A feature reads the address of a client; `undefined` if the app called a function without a request. */
  addressRead(req: Request | undefined, use: AddressUse): void {
    if (req) this.#look('proxy_header_unused', () => checkProxyHeader(req, use))
  }

  #look(code: CheckCode, find: () => WarningEvent | undefined): void {
    if (!this.#warnings.isWanted(code)) return
    let found: WarningEvent | undefined
    try {
      found = find()
    } catch {
      return
    }
    if (found) this.#warnings.once(found)
  }
}
