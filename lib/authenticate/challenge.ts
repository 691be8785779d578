import type { CustomUserDataError, ErrorCode } from '../errors.js'
import { toErrorDescription } from '../util/error-description.js'

/** RFC 6750 3.1: the value of the `error` attribute, for the codes that have one. */
const ERROR_ATTRIBUTES: Partial<Record<ErrorCode, string>> = {
  invalid_request: 'invalid_request',
  invalid_token: 'invalid_token',
  custom_data_missing: 'insufficient_scope',
  forbidden: 'insufficient_scope',
}

/**
 * The `WWW-Authenticate` value of an error of the guard (RFC 6750 section 3). It is `undefined` for failures of the server,
 * because another token would not help.
 */
export function toChallenge(error: CustomUserDataError, realm: string): string | undefined {
  if (error.code === 'missing_token') return `Bearer realm="${realm}"`
  const attribute = ERROR_ATTRIBUTES[error.code]
  if (attribute === undefined) return undefined
  const description = toErrorDescription(error.message)
  return `Bearer realm="${realm}", error="${attribute}", error_description="${description}"`
}

/** Adds the challenge to the headers of an error, if the error has one. */
export function withChallenge(error: CustomUserDataError, realm: string): CustomUserDataError {
  const challenge = toChallenge(error, realm)
  if (challenge !== undefined) error.headers['WWW-Authenticate'] = challenge
  return error
}
