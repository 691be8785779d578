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
 *
 * @param refusal the text of the provider, for an error whose own text cannot be shown
 */
export function toLinkError(error: unknown, refusal: string): AppServicesError {
  const shown = toAppServicesError(error)
  const message = shown.message.replace(/^unauthorized: /i, '')
  return withText(shown, /unauthorized/i.test(message) ? refusal : message)
}

function withText(error: AppServicesError, message: string): AppServicesError {
  const { code, cause, status, headers } = error
  if (message === error.message && code !== 'InvalidSession') return error
  const ownCode = code === 'InvalidSession' ? 'AuthError' : code
  return new AppServicesError(ownCode, message, { cause, status, headers })
}
