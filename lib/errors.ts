import { isThrown } from './util/thrown.js'

/** What each stable code means: the HTTP status, and a title that never varies (RFC 9457 section 3.1). */
const ERRORS = {
  /** RFC 6750 3.1, RFC 6749 5.2: malformed, or a parameter repeated, missing or of the wrong type. */
  invalid_request: { status: 400, title: 'The request is malformed' },
  /** RFC 6749 5.2: the refresh token is unknown, used, expired or revoked. */
  invalid_grant: { status: 400, title: 'The refresh token is not valid' },
  /** RFC 6750 3: nothing was presented, so the challenge says no more than that a token is needed. */
  missing_token: { status: 401, title: 'An access token is required' },
  /** RFC 6750 3.1: malformed, expired, revoked, or not ours. */
  invalid_token: { status: 401, title: 'The access token is not valid' },
  /** The login's credentials were refused. No challenge: no token was presented. */
  invalid_credentials: { status: 401, title: 'The credentials are not valid' },
  /** The token is valid, and the team chose to refuse users without a document. */
  custom_data_missing: { status: 403, title: 'The user has no custom data' },
  /** RFC 6750 3.1: the token is valid, and the rule of `allow()` does not let its user through. */
  forbidden: { status: 403, title: 'The user is not allowed to do this' },
  /** The route knows the path but not the method (RFC 9110 15.5.6). */
  method_not_allowed: { status: 405, title: 'The method is not allowed' },
  /** The user has no session of that name. */
  session_not_found: { status: 404, title: 'There is no such session' },
  /** There is no document to read or to change, and none is to be made. */
  custom_data_not_found: { status: 404, title: 'There is no custom data' },
  /** A unique index of the team's stands against a write (RFC 9110 15.5.10). */
  custom_data_conflict: { status: 409, title: 'The custom data conflicts with what is there' },
  /** RFC 9110 15.5.13: the data is not what `If-Match` or `If-None-Match` said. */
  precondition_failed: { status: 412, title: 'The custom data has changed' },
  /** RFC 9110 15.5.16: the body is not JSON. */
  unsupported_media_type: { status: 415, title: 'The media type is not supported' },
  /** RFC 9110 15.5.21: a schema or the collection's validator refuses what was to be written. */
  custom_data_refused: { status: 422, title: 'The custom data does not have the expected form' },
  /** RFC 6585 4: too many failed logins for the account or from the address. */
  too_many_attempts: { status: 429, title: 'There were too many attempts' },
  /** RFC 9110 15.5.14. */
  payload_too_large: { status: 413, title: 'The request body is too large' },
  /** A callback of the team's threw, or answered with something that is not in its contract. */
  callback_failed: { status: 500, title: 'The server is misconfigured' },
  /** The driver is older than 5.7: its `findOneAndUpdate()` answers with an object even if no document matches. */
  driver_unsupported: { status: 500, title: 'The server is misconfigured' },
  /** A load or a token was asked for with a value that is no user id. This is a fault of the package. */
  user_id_invalid: { status: 500, title: 'The server is misconfigured' },
  /** `attach()` could not tell whom or what the data belongs to. */
  attach_misconfigured: { status: 500, title: 'The server is misconfigured' },
  /** The collection of sessions or of login attempts holds documents of the app. Nothing was written. */
  foreign_collection: { status: 500, title: 'The server is misconfigured' },
  /** The user's document exceeds `maxDocumentBytes`. It was never sent by MongoDB. */
  custom_data_too_large: { status: 500, title: 'The custom data is too large' },
  /** The user's document fails the team's schema. */
  custom_data_invalid: { status: 500, title: 'The custom data is not valid' },
  /** MongoDB did not give the user's document in time. */
  custom_data_unavailable: { status: 503, title: 'Custom data is unavailable for the moment' },
  /** MongoDB did not read or write a session in time. Nothing was consumed. */
  sessions_unavailable: { status: 503, title: 'Sessions are unavailable for the moment' },
  /** The issuer's keys could not be fetched, and none is known that fits. */
  keys_unavailable: { status: 503, title: 'Access tokens cannot be verified for the moment' },
  /** Credentials could not be checked in time. */
  credentials_unavailable: { status: 503, title: 'Credentials cannot be checked for the moment' },
  /** The rule of `allow()` was not decided in time. */
  rule_unavailable: { status: 503, title: 'Access cannot be decided for the moment' },
  /** `close()` was called. */
  closed: { status: 503, title: 'The server is shutting down' },
} as const satisfies Record<string, { status: number; title: string }>

/** The stable code of an error; see the README for what to do about each. */
export type ErrorCode = keyof typeof ERRORS

/** Seconds a client should wait before it tries again after a 503 (RFC 9110 10.2.3). */
const RETRY_AFTER_SECONDS = '1'

/**
 * Every error of this package that can become an HTTP answer. Express's own error handler understands
 * `status` and `headers`; `errorHandler()` renders the rest. `cause` is for the log and is never sent.
 */
export class CustomUserDataError extends Error {
  override readonly name = 'CustomUserDataError'
  readonly code: ErrorCode
  /** HTTP status. */
  readonly status: number
  /** The same for all errors of one code. */
  readonly title: string
  /** Headers to send along: `WWW-Authenticate`, `Retry-After`, `Allow`. */
  readonly headers: Record<string, string> = {}

  /**
   * @param code what went wrong, stable across versions
   * @param message for the person who meets it; fixed text, never input
   */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.status = ERRORS[code].status
    this.title = ERRORS[code].title
    if (this.status === 503) this.headers['Retry-After'] = RETRY_AFTER_SECONDS
    // These are answers, thrown where a request ends: a stack would be our own frames, printed by
    // Express into the body outside production. What led to one is its cause.
    this.stack = `${this.name} [${code}]: ${message}`
  }
}

/** `value` itself when it is one of our errors, else `undefined`. */
export function asCustomUserDataError(value: unknown): CustomUserDataError | undefined {
  return isThrown(CustomUserDataError, value) ? value : undefined
}

/** Errors of the team's callbacks become ours, so that their messages are not sent. */
export function toCallbackError(name: string, cause: unknown): CustomUserDataError {
  return (
    asCustomUserDataError(cause) ?? new CustomUserDataError('callback_failed', `${name} failed.`, { cause })
  )
}

/** A mistake in how the package is set up, found at creation: what is wrong and what to write instead. */
export class OptionError extends TypeError {
  override readonly name = 'OptionError'
  readonly code = 'invalid_option'
}
