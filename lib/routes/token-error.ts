import type { Response } from 'express'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'

/** RFC 6749 5.2: `error` names for the codes that have another one there. */
const OAUTH_NAMES: Partial<Record<CustomUserDataError['code'], string>> = {
  payload_too_large: 'invalid_request',
  method_not_allowed: 'invalid_request',
}

/** Answers with RFC 6749 section 5.2's error body. What is not one of our errors is opaque. */
export function sendTokenError(res: Response, thrown: unknown): void {
  const error = asCustomUserDataError(thrown) ?? internal(thrown)
  res
    .status(error.status)
    .set(error.headers)
    .json({
      error: toName(error),
      error_description: error.status < 500 ? error.message : error.title,
    })
}

/** RFC 6749 4.1.2.1 has these names for a server's own trouble; 5.2 has none. */
function toName({ code, status }: CustomUserDataError): string {
  if (status === 503) return 'temporarily_unavailable'
  return status >= 500 ? 'server_error' : (OAUTH_NAMES[code] ?? code)
}

function internal(cause: unknown): CustomUserDataError {
  return new CustomUserDataError('callback_failed', 'An unexpected error.', { cause })
}
