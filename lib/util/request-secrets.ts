import { textsIn } from './redaction.js'

/** The parts of a request that can hold a credential. Requests that a test or an adapter makes may lack each of them. */
export interface SecretHolder {
  readonly headers?: Readonly<Record<string, unknown>> | undefined
  readonly originalUrl?: string | undefined
  readonly params?: unknown
  readonly body?: unknown
  /** The session's id of express-session. */
  readonly sessionID?: unknown
}

/** Headers, parameters and fields with such a name hold a token or a credential. */
const SECRET_NAME =
  /auth|token|secret|pass|pwd|credential|api-?key|code|otp|pin|jwt|session|cookie|signature|ticket/i

/**
 * The tokens and credentials of a request: values whose names say so, all cookies, and the values of `names`. For a login
 * route each field of the body is a credential, so give the body as `credentials`.
 */
export function secretsOf(req: SecretHolder, names: readonly string[] = [], credentials?: unknown): string[] {
  const isSecret = (name: string): boolean => SECRET_NAME.test(name) || names.includes(name)
  const headers = Object.entries(req.headers ?? {}).filter(([name]) => isSecret(name))
  const [, query = ''] = /\?(.*)$/s.exec(req.originalUrl ?? '') ?? []
  const named = [...new URLSearchParams(query), ...entriesOf(req.params), ...entriesOf(req.body)]
  return [
    ...headers.flatMap(([, value]) => textsIn(value).flatMap(partsOf)),
    ...named.filter(([name]) => isSecret(name)).flatMap(([, value]) => textsIn(value)),
    ...textsIn(req.sessionID),
    ...textsIn(credentials),
  ]
}

/** A header and the values in it: `Bearer <token>`, `name=value; name=value`, or the user and password of `Basic`. */
function partsOf(header: string): string[] {
  const values = header.split(/[\s;,]+/).map(part => part.replace(/^[^=]*=(?=.)/, ''))
  const [, basic = ''] = /^basic +(.+)$/i.exec(header) ?? []
  const decoded = Buffer.from(basic, 'base64').toString()
  return [header, ...values, decoded, ...decoded.split(':')].filter(part => !SCHEME.test(part))
}

/** The name of a scheme is no secret, and it is a word of messages. */
const SCHEME = /^(?:bearer|basic|digest)?$/i

function entriesOf(holder: unknown): [string, unknown][] {
  return typeof holder === 'object' && holder !== null ? Object.entries(holder) : []
}
