// Keys and tokens of the servers: all candidates of one algorithm are sent the same kind of token.
import { createHmac, createSecretKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import jwt from 'jsonwebtoken'

export const ISSUER = 'https://issuer.example.com/'
export const AUDIENCE = 'https://api.example.com'
export const SECRET = '9c1f6b0e7d5a4c3892e1f0a7b6d5c4e3928170f6e5d4c3b2a190887766554433'
const KID = 'bench-1'
const COLD_HEADER = Buffer.from('{"alg":"HS256","typ":"at+jwt"}').toString('base64url')

/** A key to sign with and one to verify with, prepared, for `HS256`, `RS256` or `ES256`. */
export function createKeys(alg) {
  if (alg === 'HS256') {
    const key = createSecretKey(SECRET, 'utf8')
    return { alg, signWith: key, verifyWith: key }
  }
  const { privateKey, publicKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { alg, kid: KID, signWith: privateKey, verifyWith: publicKey }
}

/** An access token as RFC 9068 has it, like the ones that this package issues. */
export function signToken({ alg, kid, signWith }, sub) {
  const iat = Math.floor(Date.now() / 1000)
  const ids = { client_id: AUDIENCE, jti: randomUUID(), sid: randomUUID() }
  const claims = { iss: ISSUER, sub, aud: AUDIENCE, iat, exp: iat + 1800, ...ids }
  return jwt.sign(claims, signWith, { algorithm: alg, header: { alg, typ: 'at+jwt', ...(kid && { kid }) } })
}

/** The same, HS256 only and by hand: a million of them are needed. */
export function signColdToken(sub) {
  const iat = Math.floor(Date.now() / 1000)
  const ids = { client_id: AUDIENCE, jti: randomUUID(), sid: randomUUID() }
  const claims = { iss: ISSUER, sub, aud: AUDIENCE, iat, exp: iat + 1800, ...ids }
  const signingInput = `${COLD_HEADER}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
  return `${signingInput}.${createHmac('sha256', SECRET).update(signingInput).digest('base64url')}`
}
