import * as v from 'valibot'
import type { SessionClaims } from '../sessions/session-document.js'
import { isPlainObject } from '../util/plain-object.js'

/** Each access token carries the claims, and all its requests carry the token. */
const MAX_CLAIMS = 20
const MAX_TEXT_LENGTH = 256
/** MongoDB takes a dot in a name for a path. */
const NAME = /^[A-Za-z][\w:/-]{0,63}$/

/** The claims of RFC 9068 and RFC 7519 that tokens of this package have or that it checks, and its own. */
const RESERVED = [
  'iss',
  'sub',
  'aud',
  'exp',
  'nbf',
  'iat',
  'jti',
  'client_id',
  'sid',
  'user_data',
  'cnf',
  'typ',
]

/** Claims that a login gives to its session. */
export const sessionClaims = v.pipe(
  v.custom<SessionClaims>(isPlainObject, 'give an object of claims, such as { provider: "password" }'),
  v.transform(claims => ({ ...claims })),
  v.check(
    claims => Object.keys(claims).length <= MAX_CLAIMS,
    `give ${MAX_CLAIMS} claims at most, because each request carries them`,
  ),
  v.check(
    claims => explain(claims) === undefined,
    ({ input }) => explain(input) ?? '',
  ),
)

function explain(claims: object): string | undefined {
  for (const [name, value] of Object.entries(claims)) {
    if (RESERVED.includes(name))
      return `"${name}" is a claim that this package sets or checks itself: write another name`
    if (!NAME.test(name))
      return `"${name}" is no name of a claim: write 1 to 64 letters, digits and _ : / -, beginning with a letter`
    if (!isClaimValue(value))
      return `the claim "${name}" must be true, false, a finite number or a text of ${MAX_TEXT_LENGTH} characters at most`
  }
  return undefined
}

function isClaimValue(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= MAX_TEXT_LENGTH && value.isWellFormed()
  return typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
}
