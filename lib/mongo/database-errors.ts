import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { ErrorCode } from '../errors.js'
import { codeOf, hasCode, isServerRefusal, SERVER_ERRORS } from './server-errors.js'

/** The answer of one part of this package if MongoDB cannot serve it now: a 503. */
export interface Outage {
  readonly code: 'custom_data_unavailable' | 'sessions_unavailable' | 'credentials_unavailable'
  readonly message: string
}

/** A fault that stays until somebody changes the data, the set-up or the code: a 500. */
interface LastingFault {
  readonly code: ErrorCode
  readonly message: string
}

const UNAUTHORIZED: LastingFault = {
  code: 'database_unauthorized',
  message:
    'The database user has no right to a command that this package needs. The cause names it. Grant that right, or the role ' +
    'readWrite on the database of the collection.',
}
const AUTHENTICATION_FAILED: LastingFault = {
  code: 'database_authentication_failed',
  message:
    'MongoDB does not accept the credentials of the MongoClient. Check the user, the password and authSource in its ' +
    'connection string.',
}
const WRITE_CONCERN: LastingFault = {
  code: 'write_concern_unsatisfiable',
  message:
    'The replica set has too few members with data for the write concern "majority". Check its configuration with rs.conf().',
}
const VIEW: LastingFault = {
  code: 'collection_is_view',
  message:
    'The collection is a view, and MongoDB does not support this command on views. Give the collection that the view reads.',
}
const UNDECODABLE: LastingFault = {
  code: 'document_undecodable',
  message:
    'A stored document cannot be decoded: it holds a text that is not UTF-8, or a regular expression that JavaScript ' +
    'cannot parse. Repair the document, or open the collection with enableUtf8Validation: false or bsonRegExp: true.',
}
const REFUSED: LastingFault = {
  code: 'database_refused',
  message: 'MongoDB or its driver refuses the command, and will refuse it again. The cause says why.',
}

const FAULT_OF_CODE: ReadonlyMap<number, LastingFault> = new Map([
  [SERVER_ERRORS.unauthorized, UNAUTHORIZED],
  [SERVER_ERRORS.authenticationFailed, AUTHENTICATION_FAILED],
  [SERVER_ERRORS.unsatisfiableWriteConcern, WRITE_CONCERN],
  [SERVER_ERRORS.commandNotSupportedOnView, VIEW],
  [SERVER_ERRORS.optionNotSupportedOnView, VIEW],
])

/** Errors of the driver that mean a wrong set-up or a wrong call. Its other errors come from the connection, and may pass. */
const LASTING_DRIVER_ERRORS = [
  'MongoAPIError',
  'MongoCompatibilityError',
  'MongoInvalidArgumentError',
  'MongoMissingDependencyError',
  'MongoParseError',
]

/** Errors of others that may pass: of our deadlines and checks, of an aborted signal, of the driver's pool. */
const PASSING_ERRORS = [
  'AbortError',
  'DeadlineError',
  'NotPrimaryError',
  'PoolClearedOnNetworkError',
  'TimeoutError',
]

/**
 * Decides what a failed command of this package means, and returns the error to throw. Every command goes through this
 * function. A fault that may pass by itself becomes the given outage, a 503 with `Retry-After`. Any other fault is a 500
 * with a code of its own, because clients that try again would try for ever. Errors of this package stay as they are.
 */
export function toDatabaseError(cause: unknown, outage: Outage): CustomUserDataError {
  const ours = asCustomUserDataError(cause)
  if (ours) return ours
  const { code, message } = lastingFaultOf(cause) ?? outage
  return new CustomUserDataError(code, message, { cause })
}

/** The fault that a failed command shows; `undefined` if the same command may succeed later. */
function lastingFaultOf(error: unknown): LastingFault | undefined {
  const code = codeOf(error)
  if (code !== undefined) return FAULT_OF_CODE.get(code) ?? (isServerRefusal(error) ? REFUSED : undefined)
  const name = nameOf(error)
  if (name === 'MongoMissingCredentialsError') return AUTHENTICATION_FAILED
  if (isDecodingError(error, name)) return UNDECODABLE
  return mayPass(error, name) ? undefined : REFUSED
}

/**
 * Tells whether a command that failed may succeed later, because MongoDB cannot be reached or served for the moment. Answer
 * such an error with 503, and any other with 500.
 *
 * @param error what a method of the driver rejected with, whichever version the driver has
 * @example res.status(isPassingDatabaseError(error) ? 503 : 500).end()
 */
export function isPassingDatabaseError(error: unknown): boolean {
  return lastingFaultOf(error) === undefined
}

/** Whether MongoDB or its driver refused a command for a reason that has no code of its own. */
export function isRefusal(error: unknown): boolean {
  return lastingFaultOf(error) === REFUSED
}

/** Whether the database user has no right to a command. */
export function isUnauthorized(error: unknown): boolean {
  return hasCode(error, SERVER_ERRORS.unauthorized)
}

/** Errors are told by their names, because their classes may come from another copy of the driver or of this package. */
function nameOf(error: unknown): string {
  const { name } = Object(error) as { readonly name?: unknown }
  return typeof name === 'string' ? name : ''
}

/** BSON reports a text that is not UTF-8 by its message alone, and a wrong regular expression by the error of JavaScript. */
function isDecodingError(error: unknown, name: string): boolean {
  if (name === 'SyntaxError') return true
  const { message } = Object(error) as { readonly message?: unknown }
  return name.startsWith('BSON') && /utf-?8/i.test(String(message))
}

function mayPass(error: unknown, name: string): boolean {
  if (name.startsWith('Mongo')) return !LASTING_DRIVER_ERRORS.includes(name)
  return PASSING_ERRORS.includes(name) || isSystemError(error)
}

/** Errors of the network and of DNS, such as `ECONNREFUSED`, which the driver does not always wrap. */
function isSystemError(error: unknown): boolean {
  const { code } = Object(error) as { readonly code?: unknown }
  return typeof code === 'string' && /^E(?!RR_)[A-Z_]+$/.test(code)
}
