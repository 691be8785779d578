import { createPrivateKey, hkdfSync, randomBytes } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'
import type { KeyOptions } from 'express-custom-user-data'
import { z } from 'zod'

/** An HS256 secret, which also protects refresh tokens, or a named key pair with a secret for refresh tokens. */
export type SigningOptions =
  | { readonly secret: string }
  | { readonly keys: readonly KeyOptions[]; readonly sessionSecrets: readonly Uint8Array[] }

/** RFC 7518 3.2. */
const MIN_SECRET_BYTES = 32

/** An HS256 secret. */
export const secret = z
  .string()
  .refine(
    value => Buffer.byteLength(value) >= MIN_SECRET_BYTES,
    `write ${MIN_SECRET_BYTES} bytes or more; make them with: node -p "crypto.randomBytes(32).toString('base64url')"`,
  )

/** A private key as a JWK in JSON. The package checks whether it fits its algorithm. */
export const privateJwk = json('write a private JWK as JSON')
  .pipe(
    z.looseObject(
      {
        kid: z.string('a "kid" is missing'),
        alg: z.string('an "alg" is missing, as "ES256"'),
        d: z.string('the private part "d" is missing'),
      },
      'write a private JWK as JSON',
    ),
  )
  .refine(isPrivateKey, 'it is no private key that Node can read')
  .transform((jwk): SigningOptions => ({
    keys: [{ kid: jwk.kid, alg: jwk.alg as KeyOptions['alg'], key: jwk }],
    sessionSecrets: [deriveSessionSecret(jwk.d)],
  }))

/** Parses JSON. Error messages do not repeat the text, because it may be a key. */
export function json(error: string) {
  return z.string().transform((text, context): unknown => {
    try {
      return JSON.parse(text)
    } catch {
      context.addIssue({ code: 'custom', message: `${error}; this is no JSON` })
      return z.NEVER
    }
  })
}

/** A random secret for a server without a configured one. */
export function makeUpSecret(): string {
  return randomBytes(MIN_SECRET_BYTES).toString('base64url')
}

/** Derives the secret for refresh tokens, so that servers with the same key pair need no further variable. */
function deriveSessionSecret(privatePart: string): Uint8Array {
  const info = 'express-custom-user-data example session secret'
  return new Uint8Array(hkdfSync('sha256', Buffer.from(privatePart, 'base64url'), '', info, MIN_SECRET_BYTES))
}

function isPrivateKey(jwk: object): boolean {
  try {
    createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' })
    return true
  } catch {
    return false
  }
}
