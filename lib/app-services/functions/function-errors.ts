import { AppServicesError } from '../wire/errors.js'
import { shownTextOf } from '../wire/shown-text.js'

/** Reports an error that no client gets to see. */
type Report = (error: unknown) => void

/**
 * The error that the client gets for an error of a function. An unexpected one is reported.
 *
 * No answer has the status 401: the client would refresh its access token and repeat the call, perhaps for ever.
 */
export function toFunctionError(name: string, error: unknown, report: Report): AppServicesError {
  const text = shownTextOf(error)
  if (text === undefined) report(error)
  const message = text ?? `function '${name}' failed`
  if (!(error instanceof AppServicesError)) return failed(message, error)
  const { code, status, headers, cause } = error
  if (code === 'InvalidSession') return failed(message, error)
  const isError = status >= 400 && status < 600 && status !== 401
  return isError && message !== UNAUTHORIZED
    ? error
    : new AppServicesError(code, withoutLoop(message), { cause, headers, status: isError ? status : 403 })
}

function failed(message: string, cause: unknown): AppServicesError {
  return new AppServicesError('FunctionExecutionError', withoutLoop(message), { cause })
}

/** With this text alone some clients repeat the request. */
const UNAUTHORIZED = 'unauthorized'

function withoutLoop(message: string): string {
  return message === UNAUTHORIZED ? 'the function answered: unauthorized' : message
}
