import { nearestName } from './util/nearest-name.js'
import { isThrown } from './util/thrown.js'

/**
 * The HTTP status of each code, and a title that is the same for all its errors (RFC 9457 section 3.1). The comments are the
 * entries of docs/reference/errors.md.
 */
const ERRORS = {
  /**
   * The header `Authorization` or the body is malformed, or a parameter is repeated, missing or of the wrong type
   * (RFC 6750 section 3.1, RFC 6749 section 5.2).
   * @remedy Correct the client. The message names the part of the request that is wrong.
   */
  invalid_request: { status: 400, title: 'The request is malformed' },
  /**
   * The refresh token is unknown, expired or revoked, or it was exchanged before and comes too late (RFC 6749 section
   * 5.2).
   * @remedy Log the user in again. If several tabs of one browser refresh at once, let them share one refresh.
   */
  invalid_grant: { status: 400, title: 'The refresh token is not valid' },
  /**
   * A refresh asks for another `grant_type` than `refresh_token` (RFC 6749 section 5.2).
   * @remedy Send `grant_type=refresh_token`, or leave the parameter out.
   */
  unsupported_grant_type: { status: 400, title: 'The grant type is not supported' },
  /**
   * A refresh asks for a `scope`, and no scope was granted (RFC 6749 sections 5.2 and 6).
   * @remedy Leave the parameter `scope` out.
   */
  invalid_scope: { status: 400, title: 'The scope was not granted' },
  /**
   * The request has no access token, so the challenge has no error (RFC 6750 section 3).
   * @remedy Send `Authorization: Bearer <token>`. For a route that also serves visitors, use `authenticate({
   * optional: true })`.
   */
  missing_token: { status: 401, title: 'An access token is required' },
  /**
   * The access token is malformed, expired or revoked, its signature is wrong, or its issuer or key is not accepted
   * (RFC 6750 section 3.1). Or the token of another service was not valid for the check of `tokenVerifier()`.
   * @remedy Refresh the tokens, and log the user in again if the refresh fails. The channel `refused` tells the
   * reason to the server.
   */
  invalid_token: { status: 401, title: 'The access token is not valid' },
  /**
   * A refresh by cookie has no cookie, so the user is not logged in. There is no challenge, because the refresh token
   * is no access token.
   * @remedy Log the user in. If there was a login before, check that the browser keeps the cookie and sends it to
   * this path.
   */
  missing_refresh_token: { status: 401, title: 'There is no refresh token' },
  /**
   * The credentials are wrong, a hook refused the login, or the user is disabled. There is no challenge, because no
   * token was presented.
   * @remedy Ask the user for other credentials. `enable()` lets a disabled user log in again.
   */
  invalid_credentials: { status: 401, title: 'The credentials are not valid' },
  /**
   * The token is valid, but the user has no document, and the option `requireDocument` is on.
   * @remedy Create the document, for example with the hook `createCustomData`, or turn `requireDocument` off.
   */
  custom_data_missing: { status: 403, title: 'The user has no custom data' },
  /**
   * The token is valid, but the rule of `allow()` does not let its user through (RFC 6750 section 3.1).
   * @remedy Nothing, if the rule is right. Custom data may be 30 minutes old: give `allow()` a `maxAgeMs` if a change
   * must count earlier.
   */
  forbidden: { status: 403, title: 'The user is not allowed to do this' },
  /**
   * A page of another origin made a browser send the request with a cookie of this app, or for such a cookie.
   * @remedy List the origin in `allowedOrigins` if the page is yours.
   */
  foreign_origin: { status: 403, title: 'The request comes from a page of another origin' },
  /**
   * The browser would not keep the cookie of this login, so no session began.
   * @remedy Make the change that the message names. The event `warning` names it too.
   */
  cookie_not_kept: { status: 400, title: 'The browser would not keep the cookie' },
  /**
   * The route does not take this method (RFC 9110 section 15.5.6).
   * @remedy Send a method that the header `Allow` of the answer names.
   */
  method_not_allowed: { status: 405, title: 'The method is not allowed' },
  /**
   * The user has no session with this `sid`, or the session has ended.
   * @remedy Read the list of sessions again.
   */
  session_not_found: { status: 404, title: 'There is no such session' },
  /**
   * The user has no document to read or change, and the option `upsert` of `ownData()` or of the write is off.
   * @remedy Create the document, or turn `upsert` on.
   */
  custom_data_not_found: { status: 404, title: 'There is no custom data' },
  /**
   * A unique index of your collection does not allow the write (RFC 9110 section 15.5.10).
   * @remedy Send a value that no other document has.
   */
  custom_data_conflict: { status: 409, title: 'The custom data conflicts with what is there' },
  /**
   * The data has changed since the client read it, so `If-Match` or `If-None-Match` does not hold (RFC 9110 section
   * 15.5.13).
   * @remedy Read the data again, make the change again, and send the new `ETag`.
   */
  precondition_failed: { status: 412, title: 'The custom data has changed' },
  /**
   * The media type, the charset or the content encoding of the body is not supported (RFC 9110 section 15.5.16).
   * @remedy Send a media type that the header `Accept` of the answer lists.
   */
  unsupported_media_type: { status: 415, title: 'The media type is not supported' },
  /**
   * A schema or the validator of the collection refuses the new data (RFC 9110 section 15.5.21).
   * @remedy Correct the fields that the message names.
   */
  custom_data_refused: { status: 422, title: 'The custom data does not have the expected form' },
  /**
   * JSON cannot express the type of the stored value that the new value would replace (RFC 9110 section 15.5.21).
   * @remedy Send `application/ejson`, or convert the field that the message names with a schema.
   */
  type_would_change: { status: 422, title: 'The type of a field would change' },
  /**
   * There were too many failed logins for the account or from the address, or too many refresh tokens from the
   * address that nobody issued (RFC 6585 section 4).
   * @remedy Wait for the seconds in `Retry-After`. `forgetFailedLogins()` lets one account try again, and
   * `loginThrottle` sets the limits.
   */
  too_many_attempts: { status: 429, title: 'There were too many attempts' },
  /**
   * The body has more than 100 kB, or more than 5,000 fields and elements, or a write would make the document too
   * large (RFC 9110 section 15.5.14).
   * @remedy Send less data.
   */
  payload_too_large: { status: 413, title: 'The request body is too large' },
  /**
   * A function of yours threw an error, or returned a value that it must not return.
   * @remedy Read the event `request_failed`: its `message` names the function, and its `stack` shows the place in
   * your code.
   */
  callback_failed: { status: 500, title: 'The server is misconfigured' },
  /**
   * Other middleware has read the body of the request, and has not set `req.body` to the parsed body, its text or its
   * bytes.
   * @remedy Let that middleware set `req.body`, or mount the route before it.
   */
  body_consumed: { status: 500, title: 'The server is misconfigured' },
  /**
   * The module `@node-rs/argon2` cannot be loaded, so no password can be checked or hashed.
   * @remedy Install the packages on the platform that the app runs on. The module has a binary for each platform.
   */
  password_hashing_failed: { status: 500, title: 'The server is misconfigured' },
  /**
   * The driver is too old, which only a call could show.
   * @remedy Install mongodb 5.9 or later, or mongoose 7.8 or later.
   */
  driver_unsupported: { status: 500, title: 'The server is misconfigured' },
  /**
   * A load or a token was asked for without a valid user id, which is a fault of this package.
   * @remedy Report it, with the stack of the event `request_failed`.
   */
  user_id_invalid: { status: 500, title: 'The server is misconfigured' },
  /**
   * `attach()` found no user id, or nothing to which it could bind the snapshot. Or a route or `allow()` found a
   * `req.user` that no guard of its own instance made.
   * @remedy Give `attach()` the options `userId` and `boundTo`, or mount a guard of the same instance before the
   * route.
   */
  attach_misconfigured: { status: 500, title: 'The server is misconfigured' },
  /**
   * The collection of sessions or of login attempts holds documents of your app. Nothing was written.
   * @remedy Give an empty collection as `sessionCollection` or `loginAttemptCollection`.
   */
  foreign_collection: { status: 500, title: 'The server is misconfigured' },
  /**
   * The user's document exceeds `maxDocumentBytes`. MongoDB has not sent it.
   * @remedy Leave fields out by `projection`, make the document smaller, or raise `maxDocumentBytes`.
   */
  custom_data_too_large: { status: 500, title: 'The custom data is too large' },
  /**
   * The user's document fails the option `schema`.
   * @remedy Correct the document, or the schema. The event `load_failed` names the user, and its `error.cause` the
   * field.
   */
  custom_data_invalid: { status: 500, title: 'The custom data is not valid' },
  /**
   * The database user has no right to a command that this package needs.
   * @remedy Grant the right. `error.cause` names the command.
   */
  database_unauthorized: { status: 500, title: 'The server is misconfigured' },
  /**
   * MongoDB does not accept the credentials of your client.
   * @remedy Correct the user name or the password in the connection string.
   */
  database_authentication_failed: { status: 500, title: 'The server is misconfigured' },
  /**
   * The replica set has too few members with data for the write concern.
   * @remedy Add members to the replica set, or lower the write concern of your client.
   */
  write_concern_unsatisfiable: { status: 500, title: 'The server is misconfigured' },
  /**
   * The collection is a view, and MongoDB does not support the command on views.
   * @remedy Give the collection that the view reads as `collection`.
   */
  collection_is_view: { status: 500, title: 'The server is misconfigured' },
  /**
   * MongoDB refuses the option `projection`.
   * @remedy Correct the projection. `error.cause` has the words of MongoDB.
   */
  projection_refused: { status: 500, title: 'The server is misconfigured' },
  /**
   * A stored document holds a text that is not UTF-8, or a regular expression that JavaScript cannot parse.
   * @remedy Correct the document, or leave the field out by `projection`.
   */
  document_undecodable: { status: 500, title: 'The stored data is not valid' },
  /**
   * MongoDB refuses the change of `forUser()` or `ownData()`.
   * @remedy Correct the change. `error.cause` has the words of MongoDB.
   */
  write_refused: { status: 500, title: 'The server is misconfigured' },
  /**
   * MongoDB refuses the filter or the projection of `forUser().find()`.
   * @remedy Correct the query. `error.cause` has the words of MongoDB.
   */
  query_refused: { status: 500, title: 'The server is misconfigured' },
  /**
   * MongoDB or its driver refuses a command, for a reason that has no code of its own.
   * @remedy Read `error.cause`, which is the error of MongoDB.
   */
  database_refused: { status: 500, title: 'The server is misconfigured' },
  /**
   * Documents of the same user, or another index, prevent the unique index on the user id field.
   * @remedy Remove the duplicates or the other index, and call `ready()` again.
   */
  user_id_index_conflict: { status: 500, title: 'The server is misconfigured' },
  /**
   * An instance of `createTestUserData()` was asked for something that only MongoDB can do.
   * @remedy Use `createCustomUserData()` and a real MongoDB for this test, for example with `mongodb-memory-server`.
   */
  real_mongodb_needed: { status: 500, title: 'The test needs a real MongoDB' },
  /**
   * `express-custom-user-data/testing` was loaded in production.
   * @remedy Remove its import from the code of your app. If this is a test, run it with `NODE_ENV=test`.
   */
  testing_in_production: { status: 500, title: 'The server is misconfigured' },
  /**
   * MongoDB did not give or write the user's document in time. Nothing was consumed.
   * @remedy Send the request again after the seconds in `Retry-After`. If it lasts, look at MongoDB; `loadTimeoutMs`
   * and `writeTimeoutMs` are the limits.
   */
  custom_data_unavailable: { status: 503, title: 'Custom data is unavailable for the moment' },
  /**
   * MongoDB did not read or write a session in time. Nothing was consumed, so the same refresh token works again.
   * @remedy Send the request again after the seconds in `Retry-After`. If it lasts, look at MongoDB;
   * `sessionTimeoutMs` is the limit.
   */
  sessions_unavailable: { status: 503, title: 'Sessions are unavailable for the moment' },
  /**
   * This process lacks the session secret of the session. Another process may have it during a deploy. Nothing was
   * consumed.
   * @remedy Give all processes the same `sessionSecrets`. The client sends the request again after the seconds in
   * `Retry-After`.
   */
  session_secret_unknown: { status: 503, title: 'The session cannot be continued for the moment' },
  /**
   * The keys of the trusted issuer, or of the service of `tokenVerifier()`, could not be fetched, and no known key fits.
   * @remedy Look at the event `key_set_failed`. The client sends the request again after the seconds in
   * `Retry-After`.
   */
  keys_unavailable: { status: 503, title: 'Access tokens cannot be verified for the moment' },
  /**
   * The credentials could not be checked in time.
   * @remedy Look at MongoDB and at `verifyCredentials`; `verifyCredentialsTimeoutMs` is the limit. The client sends
   * the login again after the seconds in `Retry-After`.
   */
  credentials_unavailable: { status: 503, title: 'Credentials cannot be checked for the moment' },
  /**
   * The rule of `allow()` was not decided in time.
   * @remedy Make the rule faster, or raise its `timeoutMs`.
   */
  rule_unavailable: { status: 503, title: 'Access cannot be decided for the moment' },
  /**
   * `forUser().watch()` cannot follow changes: the option `changeStreams` is off, the change stream on custom data is not
   * open, or there are 10,000 open watches.
   * @remedy Write `changeStreams: 'auto'`, and run a replica set. Otherwise open the watch again later. The event
   * `change_stream` tells when the stream is open.
   */
  changes_unavailable: { status: 503, title: 'Changes cannot be followed for the moment' },
  /**
   * `close()` was called, and this process ends.
   * @remedy Nothing: another process serves the next request. Close the HTTP server before you call `close()`.
   */
  closed: { status: 503, title: 'The server is shutting down' },
} as const satisfies Record<string, { status: number; title: string }>

/** The code of an error, which stays the same across versions. docs/reference/errors.md says what to do about each code. */
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
