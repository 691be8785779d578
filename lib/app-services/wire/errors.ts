import { validateHeaderName, validateHeaderValue } from 'node:http'
import { CustomUserDataError } from '../../index.js'

/** The HTTP status of each error code that clients of App Services know. */
const STATUS = {
  APIKeyAlreadyExists: 409,
  APIKeyNotFound: 404,
  AccountNameInUse: 409,
  AuthError: 401,
  AuthProviderNotFound: 404,
  BadBsonParse: 400,
  BadRequest: 400,
  ExecutionTimeLimitExceeded: 400,
  FunctionExecutionError: 400,
  FunctionNotFound: 404,
  InternalServerError: 500,
  InvalidParameter: 400,
  InvalidPassword: 401,
  InvalidSession: 401,
  LimitExceeded: 429,
  MaintenanceInProgress: 503,
  MissingAuthReq: 400,
  MissingParameter: 400,
  MongoDBError: 400,
  NoMatchingRuleFound: 403,
  ReadSizeLimitExceeded: 413,
  ServiceCommandNotFound: 400,
  ServiceNotFound: 404,
  UserAlreadyConfirmed: 400,
  UserDisabled: 403,
  UserNotFound: 404,
  UserpassTokenInvalid: 400,
} as const satisfies Record<string, number>

/** The `error_code` of an answer. */
export type AppServicesErrorCode = keyof typeof STATUS

/** The longest text of an answer. */
const MAX_MESSAGE_LENGTH = 1_000

/**
 * An error that the client gets with this text. Throw it in a function, a provider or a creation function to tell the client
 * why something is refused.
 *
 * @example throw new AppServicesError('FunctionExecutionError', 'There are too few credits.')
 */
export class AppServicesError extends Error {
  /** The name of the class, for programs that cannot use `instanceof`. */
  override readonly name = 'AppServicesError'
  /** The `error_code` of the answer. */
  readonly code: AppServicesErrorCode
  /** The HTTP status of the answer. */
  readonly status: number
  /** Further headers of the answer, such as `Retry-After`. */
  readonly headers: Readonly<Record<string, string>>

  /**
   * @param code one of the codes that clients of App Services know
   * @param message the text that the client gets, of which 1,000 characters are sent
   * @throws TypeError for an unknown code, for a status that is not 400 to 599, and for a header that HTTP does not allow
   */
  constructor(
    code: AppServicesErrorCode,
    message: string,
    options: {
      readonly cause?: unknown
      readonly status?: number
      readonly headers?: Readonly<Record<string, string>>
    } = {},
  ) {
    if (!Object.hasOwn(STATUS, code)) throw unknownCode(code)
    super(message.slice(0, MAX_MESSAGE_LENGTH), options)
    const status = options.status ?? STATUS[code]
    if (!Number.isInteger(status) || status < 400 || status > 599) throw noErrorStatus(status)
    this.code = code
    this.status = status
    this.headers = { ...options.headers }
    for (const [name, value] of Object.entries(this.headers)) {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    }
  }
}

function unknownCode(code: unknown): TypeError {
  const found = typeof code === 'string' && /^\w{1,40}$/.test(code) ? `"${code}"` : `a ${typeof code}`
  return new TypeError(
    `new AppServicesError(): there is no code ${found}. The codes are: ${Object.keys(STATUS).join(', ')}.`,
  )
}

function noErrorStatus(status: unknown): TypeError {
  const found = typeof status === 'number' ? String(status) : `a ${typeof status}`
  return new TypeError(
    `new AppServicesError(): the status must be a whole number from 400 to 599 (given: ${found}).`,
  )
}

/** The body of an error. */
export interface ErrorBody {
  readonly error: string
  readonly error_code: AppServicesErrorCode
}

/** The body of the answer to an error. */
export function toErrorBody({ message, code }: AppServicesError): ErrorBody {
  return { error: message, error_code: code }
}

/**
 * The error that the client gets for any thrown value. The text of an unexpected error is for the log alone, because it may
 * name hosts, queries or values of others.
 */
export function toAppServicesError(error: unknown): AppServicesError {
  if (error instanceof AppServicesError) return error
  if (error instanceof CustomUserDataError) return translate(error)
  return new AppServicesError('InternalServerError', 'internal server error', { cause: error })
}

/** Does what {@link toAppServicesError} does, and reports an error whose text no client gets to see. */
export function toReportedError(error: unknown, report: (error: unknown) => void): AppServicesError {
  const shown = toAppServicesError(error)
  if (shown.status >= 500) report(shown.cause ?? error)
  return shown
}

/** Errors of the instance, as clients of App Services know them. */
function translate(error: CustomUserDataError): AppServicesError {
  const { code, status, message, headers } = error
  const options = { cause: error, headers: retryAfterOf(headers) }
  if (status === 503)
    return new AppServicesError(
      'MaintenanceInProgress',
      'the service is not available for the moment',
      options,
    )
  switch (code) {
    // A function of the team may have verified another token than the token of the request. It asks for no refresh.
    case 'invalid_token':
    case 'missing_token':
    case 'invalid_grant':
    case 'session_not_found':
      return new AppServicesError('AuthError', 'the token is not valid', options)
    case 'invalid_credentials':
      return new AppServicesError('AuthError', 'unauthorized: the credentials are wrong', options)
    case 'too_many_attempts':
      return new AppServicesError('LimitExceeded', 'there were too many attempts, try again later', options)
    case 'invalid_request':
      return new AppServicesError('BadRequest', message, options)
    case 'payload_too_large':
      return new AppServicesError('ReadSizeLimitExceeded', message, options)
    case 'custom_data_missing':
      return new AppServicesError('NoMatchingRuleFound', 'the user has no custom data', options)
    default:
      return new AppServicesError('InternalServerError', 'internal server error', options)
  }
}

function retryAfterOf(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const retryAfter = headers['Retry-After']
  return retryAfter === undefined ? {} : { 'Retry-After': retryAfter }
}
