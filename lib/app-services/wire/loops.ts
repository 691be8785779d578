import { AppServicesError } from './errors.js'

// realm-web refreshes its access token after some answers with the status 401, and repeats the request. It does so for ever
// if its refreshes succeed and the answer stays the same. The rules of this file keep it from that.

/** With this text alone a client repeats the request. */
const UNAUTHORIZED = 'unauthorized'

/** The errors after which a client may refresh its access token and repeat the request. */
const refreshable = new WeakSet<AppServicesError>()

/**
 * The answer to a token that is not valid. The client refreshes its access token after it, and repeats the request. So only
 * the check of tokens may throw it, and only if the refresh fails too or gives a token that passes.
 */
export function invalidSession(why: string, cause?: unknown): AppServicesError {
  const error = new AppServicesError('InvalidSession', `invalid session: ${why}`, { cause })
  refreshable.add(error)
  return error
}

/** Whether a client would repeat the request after this answer. */
export function isRepeated({ code, status, message }: AppServicesError): boolean {
  return status === 401 && (code === 'InvalidSession' || message === UNAUTHORIZED)
}

/** Whether a client recognises a refused login by this text, as App Services wrote it. */
export function saysUnauthorized(message: string): boolean {
  return message.includes(UNAUTHORIZED)
}

/** A text that no client repeats the request for. `reason` completes the text `unauthorized`. */
export function toSafeText(message: string, reason: string): string {
  return message === UNAUTHORIZED ? asUnauthorized(reason) : message
}

/** A text by which clients recognise a refused login. */
export function asUnauthorized(reason: string): string {
  return `${UNAUTHORIZED}: ${reason}`
}

/**
 * An error that no client repeats for ever. A function, a rule or a provider of the team may have thrown `InvalidSession`, or
 * the text `unauthorized`.
 */
export function withoutLoop(error: AppServicesError): AppServicesError {
  if (!isRepeated(error) || refreshable.has(error)) return error
  const message = toSafeText(error.message, 'the request is refused')
  return new AppServicesError('AuthError', message, { cause: error, headers: error.headers })
}
