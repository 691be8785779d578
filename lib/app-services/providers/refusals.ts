import { AppServicesError, toAppServicesError } from '../wire/errors.js'
import { asUnauthorized, saysUnauthorized, toSafeText } from '../wire/loops.js'

/** The statuses of a refused login. Others tell about the request or the service, and not about the credentials. */
const REFUSED: readonly number[] = [401, 403]

/** The error of a failed login. Clients find `unauthorized` in the text of a refusal, as App Services wrote it. */
export function toLoginError(error: unknown): AppServicesError {
  const shown = toAppServicesError(error)
  if (!REFUSED.includes(shown.status)) return shown
  const text = toSafeText(shown.message, 'the credentials are refused')
  return withText(shown, saysUnauthorized(text) ? text : asUnauthorized(text))
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
