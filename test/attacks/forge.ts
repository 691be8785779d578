import {
  constants,
  createHmac,
  createSecretKey,
  generateKeyPairSync,
  randomBytes,
  randomUUID,
  sign,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { AUDIENCE, ISSUER } from '../support/user-data.js'
import type { AttackContext } from './context.js'

/** The signer and its algorithm. */
export type Signer = Pick<AttackContext, 'kid' | 'key'> & { readonly alg: string }

/** How a token differs from a valid one. A member that is `undefined` is left out of the token. */
export interface Forgery {
  /** Members of the header that differ. */
  readonly header?: Readonly<Record<string, unknown>>
  /** The header's text, in place of an object. */
  readonly headerText?: string | Buffer
  /** Claims that differ. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** The payload's text, in place of claims. */
  readonly payload?: string | Buffer
  /** The signature, if it is not the server's. */
  readonly sign?: (signingInput: string) => Buffer
}

/**
 * Makes a token that is valid except for the forgery. It is signed with the server's key, as if by a careless issuer.
 */
export function forge(signer: Signer, forgery: Forgery = {}): string {
  const { header, headerText, claims, payload = claimsText(claims) } = forgery
  const signWith = forgery.sign ?? (input => signAs(signer.alg, signer.key, input))
  const head = headerText ?? JSON.stringify({ alg: signer.alg, typ: 'at+jwt', kid: signer.kid, ...header })
  const signingInput = `${encode(head)}.${encode(payload)}`
  return `${signingInput}.${signWith(signingInput).toString('base64url')}`
}

/** Makes the claims of a valid token, with differences, as JSON. */
export function claimsText(changes: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ ...validClaims(), ...changes })
}

/** Makes valid claims with one value as literal JSON, for values that `JSON.stringify` cannot write. */
export function claimsTextWith(claim: string, json: string): string {
  return `${claimsText({ [claim]: undefined }).slice(0, -1)},${JSON.stringify(claim)}:${json}}`
}

/** Seconds since the epoch. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

/** Signs by Node's own functions. */
export function signAs(alg: string, key: KeyObject, input: string): Buffer {
  const hash = `sha${alg.slice(2)}`
  const bytes = Buffer.from(input)
  if (alg.startsWith('HS')) return createHmac(hash, key).update(bytes).digest()
  if (alg.startsWith('RS')) return sign(hash, bytes, key)
  if (alg.startsWith('ES')) return sign(hash, bytes, { key, dsaEncoding: 'ieee-p1363' })
  if (alg.startsWith('Ed')) return sign(undefined, bytes, key)
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
  return sign(hash, bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
}

/** Signs by HMAC-SHA-256 with any bytes as the key. */
export function macWith(secret: string | Buffer): (signingInput: string) => Buffer {
  return signingInput => createHmac('sha256', secret).update(signingInput).digest()
}

/** The attacker's own keys, by the first two letters of an algorithm. */
export const attackerKeys = {
  RS: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }),
  Ed: generateKeyPairSync('ed25519'),
  secret: createSecretKey(randomBytes(32)),
}

/** base64url of text or bytes. */
export function encode(part: string | Buffer): string {
  return Buffer.from(part as string).toString('base64url')
}

/** The header, payload and signature of a token. */
export function partsOf(token: string): [header: string, payload: string, signature: string] {
  return token.split('.') as [string, string, string]
}

function validClaims(): Record<string, unknown> {
  const iat = nowSeconds()
  const clientId = 'a-client'
  return {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'alice',
    client_id: clientId,
    iat,
    exp: iat + 1800,
    jti: randomUUID(),
  }
}
