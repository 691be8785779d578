import { CustomUserDataError, OptionError } from '../../index.js'
import { AppServicesError } from '../wire/errors.js'

/** The error for an operation that the rules do not allow. */
export function notPermitted(why: string): AppServicesError {
  return new AppServicesError('NoMatchingRuleFound', `no rule permits this: ${why}`)
}

/** The error for an operation that MongoDB or this package cannot run. */
export function refused(why: string, cause?: unknown): AppServicesError {
  return new AppServicesError('MongoDBError', why, { cause })
}

/** The error for an argument of another form. */
export function wrongArgument(why: string): AppServicesError {
  return new AppServicesError('InvalidParameter', why)
}

/** Clients recognise the error by this text. The value is not shown, because it belongs to somebody else. */
export function duplicateKey(why: string, cause?: unknown): AppServicesError {
  return refused(`Duplicate key error: ${why}`, cause)
}

/**
 * The error that the client gets for an error of `forUser()`. Mistakes of the client are 400; the text of MongoDB is not
 * shown, because it may hold values that the client must not see.
 */
export function toCollectionError(error: unknown): unknown {
  if (error instanceof OptionError) return refused(toClientText(error), error)
  if (isOtherId(error)) return notPermitted('the document names another user')
  if (isMistakeInChange(error)) return refused(error.message.replace(/^forUser\(userId\)\.\w+: /, ''), error)
  if (!(error instanceof CustomUserDataError)) return error
  switch (error.code) {
    case 'custom_data_conflict':
      return duplicateKey('another document has the same value in a field that must be unique', error)
    case 'query_refused':
      return refused(`MongoDB refuses the filter${codeOf(error)}`, error)
    case 'write_refused':
      return refused(`MongoDB refuses the change${codeOf(error)}`, error)
    case 'custom_data_refused':
    case 'payload_too_large':
      return refused(error.message, error)
    default:
      return error
  }
}

/** The text without what only the team's developers can use: the name of the function, and where its reference is. */
function toClientText({ message }: OptionError): string {
  return message.replace(/^forUser\(\)\.\w+\(\): /, '').replace(/ See node_modules\/\S+$/, '')
}

/** Whether a document has another user's id. */
function isOtherId(error: unknown): boolean {
  return error instanceof TypeError && error.message.startsWith('The document has another value in')
}

/** Whether the core found a mistake in a change. Other errors of this class are faults of this package. */
function isMistakeInChange(error: unknown): error is TypeError {
  return error instanceof TypeError && error.message.startsWith('forUser(userId).')
}

/** The name that MongoDB gives the kind of the error. */
function codeOf({ cause }: CustomUserDataError): string {
  const name: unknown =
    typeof cause === 'object' && cause !== null && 'codeName' in cause ? cause.codeName : undefined
  return typeof name === 'string' && /^\w{1,60}$/.test(name) ? ` (${name})` : ''
}
