import type { Request } from 'express'
import * as v from 'valibot'
import type { CustomUserDataError } from '../errors.js'
import { MAX_TIMER_MS } from '../util/deadline.js'
import { parseArgument } from './arguments.js'
import { optionsObject } from './options-object.js'
import { AN_OBJECT, callback, trueOrFalse, whole } from './value-schemas.js'

const AGE = 'write milliseconds, 0 or more; 0 reads now'
const maxAgeMs = v.optional(v.pipe(v.number(AGE), v.finite(AGE), v.minValue(0, AGE)))
const optional = v.optional(trueOrFalse, false)
const DEFAULT_RULE_TIMEOUT_MS = 10_000

const authenticateOptions = optionsObject(AN_OBJECT, { maxAgeMs, optional })

const verifyTokenOptions = optionsObject('write { maxAgeMs }', { maxAgeMs })

const attachOptions = optionsObject(AN_OBJECT, {
  maxAgeMs,
  optional,
  userId: v.optional(callback),
  boundTo: v.optional(callback),
  expiresAt: v.optional(callback),
})

const allowOptions = optionsObject(AN_OBJECT, {
  maxAgeMs,
  timeoutMs: v.optional(whole(1, MAX_TIMER_MS), DEFAULT_RULE_TIMEOUT_MS),
})

const errorHandlerOptions = optionsObject(AN_OBJECT, { onError: v.optional(callback) })

/** Complete options of `authenticate()`. */
export type AuthenticateConfig = v.InferOutput<typeof authenticateOptions>

/** Complete options of `allow()`. */
export type AllowConfig = v.InferOutput<typeof allowOptions>

/** Complete options of `errorHandler()`. */
export interface ErrorHandlerConfig {
  readonly onError: ((error: CustomUserDataError, req: Request) => unknown) | undefined
}

/** A callback of `attach()`. Its result is checked at each request. */
type OfRequest = (req: Request) => unknown

/** Complete options of `attach()`. */
export interface AttachConfig {
  readonly maxAgeMs: number | undefined
  readonly optional: boolean
  readonly userId: OfRequest | undefined
  readonly boundTo: OfRequest | undefined
  readonly expiresAt: OfRequest | undefined
}

/** Completes the options of `authenticate()`, or throws an `OptionError`. */
export function parseAuthenticateOptions(given: unknown): AuthenticateConfig {
  return parseArgument('authenticate()', authenticateOptions, given)
}

/** Completes the options of `verifyToken()`, or throws an `OptionError`. */
export function parseVerifyTokenOptions(given: unknown): v.InferOutput<typeof verifyTokenOptions> {
  return parseArgument('verifyToken()', verifyTokenOptions, given)
}

/** Completes the options of `attach()`, or throws an `OptionError`. */
export function parseAttachOptions(given: unknown): AttachConfig {
  return parseArgument('attach()', attachOptions, given) as AttachConfig
}

/** Completes the options of `allow()`, or throws an `OptionError`. */
export function parseAllowOptions(given: unknown): AllowConfig {
  return parseArgument('allow()', allowOptions, given)
}

/** Completes the options of `errorHandler()`, or throws an `OptionError`. */
export function parseErrorHandlerOptions(given: unknown): ErrorHandlerConfig {
  return parseArgument('errorHandler()', errorHandlerOptions, given) as ErrorHandlerConfig
}
