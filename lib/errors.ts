import { nearestName } from './util/nearest-name.js'
import { isThrown } from './util/thrown.js'

/** The HTTP status of each code, and a title that is the same for all its errors (RFC 9457 section 3.1). */
const ERRORS = {
  /** RFC 6750 3.1, RFC 6749 5.2: malformed, or a parameter repeated, missing or of the wrong type. */
  invalid_request: { status: 400, title: 'The request is malformed' },
  /** RFC 6749 5.2: the refresh token is unknown, used, expired or revoked. */
  invalid_grant: { status: 400, title: 'The refresh token is not valid' },
  /** RFC 6749 5.2: a refresh asks for another grant than `refresh_token`. */
  unsupported_grant_type: { status: 400, title: 'The grant type is not supported' },
  /** RFC 6749 5.2 and 6: a refresh asks for a scope that was not granted. */
  invalid_scope: { status: 400, title: 'The scope was not granted' },
  /** RFC 6750 3: the request presents no token, so the challenge has no error. */
  missing_token: { status: 401, title: 'An access token is required' },
  /** RFC 6750 3.1: the token is malformed, expired or revoked, or its issuer is not accepted. */
  invalid_token: { status: 401, title: 'The access token is not valid' },
  /** A refresh by cookie has no cookie: the user is not logged in. No challenge: the token is no access token. */
  missing_refresh_token: { status: 401, title: 'There is no refresh token' },
  /** The login's credentials were refused. No challenge: no token was presented. */
  invalid_credentials: { status: 401, title: 'The credentials are not valid' },
  /** The token is valid, but the user has no document, and `requireDocument` is on. */
  custom_data_missing: { status: 403, title: 'The user has no custom data' },
  /** RFC 6750 3.1: the token is valid, but the rule of `allow()` does not let its user through. */
  forbidden: { status: 403, title: 'The user is not allowed to do this' },
  /** A page of another origin made a browser send the request, with a cookie of this app or for one. */
  foreign_origin: { status: 403, title: 'The request comes from a page of another origin' },
  /** The browser would not keep the cookie of this login, so no session began. */
  cookie_not_kept: { status: 400, title: 'The browser would not keep the cookie' },
  /** RFC 9110 15.5.6: the route takes another method. */
  method_not_allowed: { status: 405, title: 'The method is not allowed' },
  /** The user has no session with that `sid`. */
  session_not_found: { status: 404, title: 'There is no such session' },
  /** The user has no document to read or change, and the option `upsert` is off. */
  custom_data_not_found: { status: 404, title: 'There is no custom data' },
  /** RFC 9110 15.5.10: a unique index of the team's does not allow the write. */
  custom_data_conflict: { status: 409, title: 'The custom data conflicts with what is there' },
  /** RFC 9110 15.5.13: the data has changed since the client read it, so `If-Match` or `If-None-Match` does not hold. */
  precondition_failed: { status: 412, title: 'The custom data has changed' },
  /** RFC 9110 15.5.16: the media type, the charset or the content encoding of the body is not taken. */
  unsupported_media_type: { status: 415, title: 'The media type is not supported' },
  /** RFC 9110 15.5.21: a schema, or the validator of the collection, refuses the new data. */
  custom_data_refused: { status: 422, title: 'The custom data does not have the expected form' },
  /** RFC 9110 15.5.21: JSON cannot express the type of the stored value that the new value would replace. */
  type_would_change: { status: 422, title: 'The type of a field would change' },
  /** RFC 6585 4: too many failed logins for the account or from the address, or too many made-up refresh tokens from it. */
  too_many_attempts: { status: 429, title: 'There were too many attempts' },
  /** RFC 9110 15.5.14: the body has more than 100 kB. */
  payload_too_large: { status: 413, title: 'The request body is too large' },
  /** A callback of the team's threw, or returned a value that it must not return. */
  callback_failed: { status: 500, title: 'The server is misconfigured' },
  /** Other middleware has read the body of a request to one of our routes, and has not set `req.body`. */
  body_consumed: { status: 500, title: 'The server is misconfigured' },
  /** Passwords cannot be hashed, because the module `@node-rs/argon2` cannot be loaded or used. */
  password_hashing_failed: { status: 500, title: 'The server is misconfigured' },
  /** The driver is older than 5.7: its `findOneAndUpdate()` answers with an object even if no document matches. */
  driver_unsupported: { status: 500, title: 'The server is misconfigured' },
  /** A load or a token was asked for with a value that is no user id. This is a fault of the package. */
  user_id_invalid: { status: 500, title: 'The server is misconfigured' },
  /** `attach()` cannot tell the user or the token of the request, or a guard found a `req.user` that is not of this instance. */
  attach_misconfigured: { status: 500, title: 'The server is misconfigured' },
  /** The collection of sessions or of login attempts holds documents of the app. Nothing was written. */
  foreign_collection: { status: 500, title: 'The server is misconfigured' },
  /** The user's document exceeds `maxDocumentBytes`. MongoDB has not sent it. */
  custom_data_too_large: { status: 500, title: 'The custom data is too large' },
  /** The user's document fails the team's schema. */
  custom_data_invalid: { status: 500, title: 'The custom data is not valid' },
  /** The database user has no right to a command that this package needs. */
  database_unauthorized: { status: 500, title: 'The server is misconfigured' },
  /** MongoDB does not accept the credentials of the client. */
  database_authentication_failed: { status: 500, title: 'The server is misconfigured' },
  /** The replica set has too few members for the write concern. */
  write_concern_unsatisfiable: { status: 500, title: 'The server is misconfigured' },
  /** The collection is a view, and the command is not supported on views. */
  collection_is_view: { status: 500, title: 'The server is misconfigured' },
  /** MongoDB refuses the option `projection`. */
  projection_refused: { status: 500, title: 'The server is misconfigured' },
  /** A stored document holds bytes that the driver cannot decode. */
  document_undecodable: { status: 500, title: 'The stored data is not valid' },
  /** MongoDB refuses the change of `forUser()` or `ownData()`. */
  write_refused: { status: 500, title: 'The server is misconfigured' },
  /** MongoDB or its driver refuses a command, for a reason that has no code of its own. */
  database_refused: { status: 500, title: 'The server is misconfigured' },
  /** Duplicates or another index prevent the unique index on the user id field. */
  user_id_index_conflict: { status: 500, title: 'The server is misconfigured' },
  /** An instance of `createTestUserData()` was asked for something that only MongoDB can do. */
  real_mongodb_needed: { status: 500, title: 'The test needs a real MongoDB' },
  /** `express-custom-user-data/testing` was loaded in production. */
  testing_in_production: { status: 500, title: 'The server is misconfigured' },
  /** MongoDB did not give the user's document in time. */
  custom_data_unavailable: { status: 503, title: 'Custom data is unavailable for the moment' },
  /** MongoDB did not read or write a session in time. Nothing was consumed. */
  sessions_unavailable: { status: 503, title: 'Sessions are unavailable for the moment' },
  /** This process lacks the session secret of the session. Another process may have it during a deploy. Nothing was consumed. */
  session_secret_unknown: { status: 503, title: 'The session cannot be continued for the moment' },
  /** The issuer's keys could not be fetched, and no known key fits. */
  keys_unavailable: { status: 503, title: 'Access tokens cannot be verified for the moment' },
  /** Credentials could not be checked in time. */
  credentials_unavailable: { status: 503, title: 'Credentials cannot be checked for the moment' },
  /** The rule of `allow()` was not decided in time. */
  rule_unavailable: { status: 503, title: 'Access cannot be decided for the moment' },
  /** `close()` was called. */
  closed: { status: 503, title: 'The server is shutting down' },
} as const satisfies Record<string, { status: number; title: string }>

/** The code of an error, which stays the same across versions. The README says what to do about each code. */
export type ErrorCode = keyof typeof ERRORS

/** Seconds a client should wait before it tries again after a 503 (RFC 9110 10.2.3). */
const RETRY_AFTER_SECONDS = '1'

/**
 * An error of this package that can become an HTTP answer. Express's own error handler understands `status` and `headers`;
 * `errorHandler()` also answers the code. `cause` is for the log and is never sent.
 *
 * @example
 * app.use((error, req, res, next) => {
 *   if (error instanceof CustomUserDataError && error.code === 'missing_token') return res.redirect('/login')
 *   next(error)
 * })
 */
export class CustomUserDataError extends Error {
  /** The name of the class, for programs that cannot use `instanceof`. */
  override readonly name = 'CustomUserDataError'
  /** Tells what went wrong, for programs. */
  readonly code: ErrorCode
  /** The HTTP status of the answer. */
  readonly status: number
  /** The same number. Some frameworks and error handlers read it instead of `status`. */
  readonly statusCode: number
  /** The same for all errors of one code. */
  readonly title: string
  /** What Socket.IO sends to a client whose connection a middleware refuses. */
  readonly data: { readonly code: ErrorCode }
  /** Headers of the answer: `WWW-Authenticate`, `Retry-After`, `Allow`. */
  readonly headers: Record<string, string> = {}

  /**
   * @param code what went wrong, stable across versions
   * @param message for people; a fixed text that never repeats input. The default is the title of the code.
   * @throws OptionError for an unknown code
   */
  constructor(code: ErrorCode, message?: string, options?: { readonly cause?: unknown }) {
    const { status, title } = definitionOf(code)
    super(message ?? title, options)
    this.code = code
    this.status = status
    this.statusCode = status
    this.title = title
    this.data = { code }
    if (this.status === 503) this.headers['Retry-After'] = RETRY_AFTER_SECONDS
    // Outside production Express prints the stack into the body. The frames would only be this package's own; the origin of
    // the error is its cause.
    this.stack = `${this.name} [${code}]: ${this.message}`
  }
}

/** Teams throw these errors too. Without this check a mistyped code would be a `TypeError` about the inside of this file. */
function definitionOf(code: unknown): { readonly status: number; readonly title: string } {
  if (typeof code === 'string' && Object.hasOwn(ERRORS, code)) return ERRORS[code as ErrorCode]
  const codes = Object.keys(ERRORS)
  // Any other text may be a message that was given in place of the code, so it is not shown.
  const isName = typeof code === 'string' && /^[\w-]{1,40}$/.test(code)
  const found = isName
    ? `there is no code "${code}".`
    : `the first argument is no code (given: ${typeof code}).`
  const nearest = isName ? nearestName(code, codes) : undefined
  const advice = nearest === undefined ? '' : ` Did you mean "${nearest}"?`
  throw new OptionError(`new CustomUserDataError(): ${found}${advice} The codes are: ${codes.join(', ')}.`)
}

/** Returns `value` if it is an error of this package, otherwise `undefined`. */
export function asCustomUserDataError(value: unknown): CustomUserDataError | undefined {
  return isThrown(CustomUserDataError, value) ? value : undefined
}

/** Wraps an error of a callback of the team's, so that its message is not sent. Errors of this package stay as they are. */
export function toCallbackError(name: string, cause: unknown): CustomUserDataError {
  return (
    asCustomUserDataError(cause) ?? new CustomUserDataError('callback_failed', `${name} failed.`, { cause })
  )
}

/** A wrong, missing or unknown option. The message says what was given, and what to write instead. */
export class OptionError extends TypeError {
  /** The name of the class, for programs that cannot use `instanceof`. */
  override readonly name = 'OptionError'
  /** The same for all of these errors. */
  readonly code = 'invalid_option'
}
