import { textsIn } from './redaction.js'
import { decoded, MIN_TOKEN, secretsInPath } from './request-path.js'
import type { RequestPath } from './request-path.js'

/** The parts of a request that can hold a credential. Requests that a test or an adapter makes may lack each of them. */
export interface SecretHolder extends RequestPath {
  readonly headers?: Readonly<Record<string, unknown>> | undefined
  readonly params?: unknown
  readonly body?: unknown
  /** The session's id of express-session. */
  readonly sessionID?: unknown
}

/** Headers, parameters and fields with such a name hold a token or a credential. */
const SECRET_NAME =
  /auth|token|secret|pass|pwd|credential|api-?key|code|otp|pin|jwt|session|cookie|signature|ticket/i

/**
 * The tokens and credentials of a request: values whose names say so, all cookies, values in the path that may be tokens, and
 * the values of `names`. For a login route each field of the body is a credential, so give the body as `credentials`.
 */
export function secretsOf(req: SecretHolder, names: readonly string[] = [], credentials?: unknown): string[] {
  const isSecret = (name: string): boolean => SECRET_NAME.test(name) || names.includes(name)
  const headers = Object.entries(req.headers ?? {}).filter(([name]) => isSecret(name))
  const [, query = ''] = /\?(.*)$/s.exec(req.originalUrl ?? '') ?? []
  const named = [...new URLSearchParams(query), ...entriesOf(req.params), ...entriesOf(req.body)]
  return [
    ...headers.flatMap(([, value]) => textsIn(value).flatMap(partsOf)),
    ...named.filter(([name]) => isSecret(name)).flatMap(([, value]) => textsIn(value)),
    ...secretsInPath(req),
    ...textsIn(req.sessionID),
    ...textsIn(credentials),
  ]
}

/**
 * A header and the values in it: `Bearer <token>`, `name=value; name=value`, or the user and password of `Basic`. Short cookies
 * hold values such as `1` or `dark`, and removing them would make a log unreadable.
 */
function partsOf(header: string): string[] {
  const parts = header.split(/[\s;,]+/).map(part => part.replace(/^[^=]*=(?=.)/, ''))
  const values = parts.filter(({ length }) => length >= MIN_TOKEN).flatMap(part => [part, decoded(part)])
  const [, basic = ''] = /^basic +(.+)$/i.exec(header) ?? []
  const userAndPassword = Buffer.from(basic, 'base64').toString()
  const all = [header, ...values, userAndPassword, ...userAndPassword.split(':')]
  return all.filter(part => !SCHEME.test(part))
}

/** The name of a scheme is no secret, and it is a word of messages. */
const SCHEME = /^(?:bearer|basic|digest)?$/i

function entriesOf(holder: unknown): [string, unknown][] {
  return typeof holder === 'object' && holder !== null ? Object.entries(holder) : []
}
