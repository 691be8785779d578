import { AppServicesError, toAppServicesError } from '../wire/errors.js'

/** With this text alone a client refreshes its access token and repeats the request. */
const UNAUTHORIZED = 'unauthorized'

/** The error of a failed login. Clients find `unauthorized` in the text of a refusal, as App Services wrote it. */
export function toLoginError(error: unknown): AppServicesError {
  const shown = toAppServicesError(error)
  if (shown.status !== 401) return shown
  const { message } = shown
  const isComplete = message.includes(UNAUTHORIZED) && message !== UNAUTHORIZED
  const reason = message === UNAUTHORIZED ? 'the credentials are refused' : message
  return withText(shown, isComplete ? message : `${UNAUTHORIZED}: ${reason}`)
}

/**
 * The error of a failed link. It has neither the text `unauthorized` nor the code `InvalidSession`, with which the client
 * would repeat the request for ever.
 */
export function toLinkError(error: unknown): AppServicesError {
  const shown = toAppServicesError(error)
  return withText(shown, shown.message.replaceAll(/unauthorized/gi, 'refused'))
}

function withText(error: AppServicesError, message: string): AppServicesError {
  const { code, cause, status, headers } = error
  if (message === error.message && code !== 'InvalidSession') return error
  const ownCode = code === 'InvalidSession' ? 'AuthError' : code
  return new AppServicesError(ownCode, message, { cause, status, headers })
}
