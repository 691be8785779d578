import { createPrivateKey, randomBytes } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'
import type { KeyOptions } from 'express-custom-user-data'
import { z } from 'zod'

/** What signs the access tokens: an HS256 secret, or a named key pair. */
export type SigningOptions = { readonly secret: string } | { readonly keys: readonly KeyOptions[] }

/** RFC 7518 3.2. */
const MIN_SECRET_BYTES = 32

/** An HS256 secret. */
export const secret = z
  .string()
  .refine(
    value => Buffer.byteLength(value) >= MIN_SECRET_BYTES,
    `write ${MIN_SECRET_BYTES} bytes or more; make them with: node -p "crypto.randomBytes(32).toString('base64url')"`,
  )

/** A private key as a JWK, in JSON. Whether it fits its algorithm is the package's to say. */
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
  .transform((jwk): KeyOptions => ({
    kid: jwk.kid,
    alg: jwk.alg as KeyOptions['alg'],
    key: jwk,
  }))

/** JSON text, parsed. Its content is not repeated in errors: it may be a key. */
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

/** A secret for a server that was given none. */
export function makeUpSecret(): string {
  return randomBytes(MIN_SECRET_BYTES).toString('base64url')
}

function isPrivateKey(jwk: object): boolean {
  try {
    createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' })
    return true
  } catch {
    return false
  }
}
