import { requireText } from '../../wire/body-members.js'
import { AppServicesError } from '../../wire/errors.js'
import type { SentToken } from './email-tokens.js'

/** The longest email address, as `passwordCredentials()` takes it. */
const MAX_EMAIL_LENGTH = 320
/**
 * A text before and after one `@`, without white space and control characters. The rest is for the mail server to judge.
 *
 * A mail library reads the characters `()<>[]:;\\,"` as parts of a list of addresses (RFC 5322 section 3.2.3), and would send to
 * other addresses too. Without a colon, no address is a name that other attempts are counted by, such as `reset:` and an address.
 */
const EMAIL = /^[^\s@\p{Cc}()<>[\]:;\\,"]+@[^\s@\p{Cc}()<>[\]:;\\,"]+$/u
/** One half of a surrogate pair. UTF-8 has no form for it, so several texts would become one. */
const LONE_SURROGATE = /\p{Cs}/u
const MIN_PASSWORD_LENGTH = 6
const MAX_PASSWORD_LENGTH = 128
/** The longest password that a login takes. Longer texts are no passwords of accounts. */
const MAX_SENT_PASSWORD_LENGTH = 1_024
/** Longer texts than any token of this package. */
const MAX_TOKEN_LENGTH = 200

type Body = Readonly<Record<string, unknown>>

/** The form in which addresses are stored and compared. Mails go to this form, and never to the text that a client sent. */
export function normalizeEmail(email: string): string {
  return email.trim().toLowerCase()
}

/** Whether a normalized text has the form of an email address. */
export function isEmail(text: string): boolean {
  return text.length <= MAX_EMAIL_LENGTH && EMAIL.test(text) && !LONE_SURROGATE.test(text)
}

/** Why a text cannot be a new password; `undefined` if it can be one. */
export function passwordFault(password: string): string | undefined {
  // An emoji is one character, but two units of a JavaScript text.
  const length = password.length > 2 * MAX_PASSWORD_LENGTH ? Infinity : Array.from(password).length
  if (length < MIN_PASSWORD_LENGTH || length > MAX_PASSWORD_LENGTH)
    return `password must be between ${MIN_PASSWORD_LENGTH} and ${MAX_PASSWORD_LENGTH} characters`
  return LONE_SURROGATE.test(password) ? 'password must be well-formed Unicode' : undefined
}

/**
 * Reads the email address of a body, normalized.
 * @throws AppServicesError `MissingParameter` or `InvalidParameter`
 */
export function readEmail(body: Body): string {
  const email = normalizeEmail(requireText(body, 'email'))
  if (!isEmail(email)) throw new AppServicesError('InvalidParameter', 'email invalid')
  return email
}

/**
 * Reads a new password of a body, exactly as it was sent.
 * @throws AppServicesError `MissingParameter` or `InvalidParameter`
 */
export function readNewPassword(body: Body): string {
  // An empty password is one that is too short.
  const password = body['password'] === '' ? '' : requireText(body, 'password')
  const fault = passwordFault(password)
  if (fault !== undefined) throw new AppServicesError('InvalidParameter', fault)
  return password
}

/**
 * Reads the password of a login.
 * @throws AppServicesError `MissingParameter` or `InvalidParameter`
 */
export function readPassword(body: Body): string {
  return requireText(body, 'password', MAX_SENT_PASSWORD_LENGTH)
}

/**
 * Reads the two parts of a token.
 * @throws AppServicesError `MissingParameter` or `UserpassTokenInvalid`
 */
export function readToken(body: Body): SentToken {
  const parts = { token: requireText(body, 'token'), tokenId: requireText(body, 'tokenId') }
  if (Object.values(parts).some(part => part.length > MAX_TOKEN_LENGTH)) throw invalidToken()
  return parts
}

/** The error for a token that is unknown, used, replaced or expired. */
export function invalidToken(): AppServicesError {
  return new AppServicesError('UserpassTokenInvalid', 'invalid token data')
}
