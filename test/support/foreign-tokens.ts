import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import type { VerifyForeignToken } from 'express-custom-user-data'
import { createTestKey } from './key-server.js'

/** What the other service of the tests signs with, and for whom. */
export const FOREIGN_AUDIENCE = 'https://app.example.com'
export const FOREIGN_SECRET = 'the shared secret of a partner, long enough'
export const OTHER_SECRET = 'another secret of the partner, long enough'
export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const rsaPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
export const curve = createTestKey('curve')

/** The time of the clock, in seconds since the epoch. */
export const SECONDS = 1_700_000_000

type Parts = Readonly<Record<string, unknown>>

/** Claims that are valid for a minute. */
export const claims = (changes: Parts = {}): Parts => ({
  sub: 'alice',
  aud: FOREIGN_AUDIENCE,
  exp: SECONDS + 60,
  ...changes,
})

/** Encodes a part of a token. A text is taken as it is. */
export const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** Signs any header and payload with a secret. A text is taken as the JSON itself. */
export function hs(
  payload: unknown = claims(),
  header: unknown = { alg: 'HS256' },
  secret = FOREIGN_SECRET,
  bits = 256,
): string {
  const input = `${part(header)}.${part(payload)}`
  return `${input}.${createHmac(`sha${bits}`, secret).update(input).digest('base64url')}`
}

/** Signs with the RSA key. */
export function rs(payload: Parts = claims(), header: Parts = { alg: 'RS256' }): string {
  const input = `${part(header)}.${part(payload)}`
  return `${input}.${sign('sha256', Buffer.from(input), rsa.privateKey).toString('base64url')}`
}

/** Signs with the key of the curve, or with another. */
export const es = (payload: Parts = claims(), header: Parts = {}, key = curve): string =>
  key.sign(payload, { typ: undefined, kid: undefined, ...header })

/** The status, the code and the message of the refusal; the claims of a token that is accepted. */
export async function outcomeOf(verify: VerifyForeignToken, token: unknown): Promise<unknown> {
  try {
    return await verify(token)
  } catch (error) {
    const { status, code, message } = error as { status?: number; code?: string; message: string }
    return `${status} ${code}: ${message}`
  }
}
