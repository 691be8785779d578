/** The characters that `error_description` must not hold (RFC 6749 5.2, RFC 6750 3). */
const NOT_ALLOWED = /[^\x20\x21\x23-\x5b\x5d-\x7e]/g

/**
 * The text of an error as a client gets it in `error_description`, in JSON and in a challenge. Quotes, backslashes and all
 * characters beyond ASCII become apostrophes.
 */
export function toErrorDescription(message: string): string {
  return message.replace(NOT_ALLOWED, "'")
}
