import { AppServicesError } from '../wire/errors.js'
import { toSafeText } from '../wire/loops.js'
import { shownTextOf } from '../wire/shown-text.js'

/**
 * The error that the client gets for an error of a function. An unexpected one is reported.
 *
 * No answer has the status 401: the client would refresh its access token and repeat the call, perhaps for ever.
 */
export function toFunctionError(
  name: string,
  error: unknown,
  report: (error: unknown) => void,
): AppServicesError {
  const text = shownTextOf(error)
  if (text === undefined) report(error)
  const message = toSafeText(text ?? `function '${name}' failed`, 'the function refuses the call')
  if (!(error instanceof AppServicesError) || error.code === 'InvalidSession')
    return new AppServicesError('FunctionExecutionError', message, { cause: error })
  const { code, status, headers, cause } = error
  if (status !== 401 && message === error.message) return error
  return new AppServicesError(code, message, { cause, headers, status: status === 401 ? 403 : status })
}
