import { needsOf } from './algorithms.js'
import type { Algorithm } from './algorithms.js'
import { prepareKey } from './keys.js'
import type { AccessTokenKey } from './keys.js'

const MAX_KEYS = 100
const KEY_TYPES: Readonly<Record<string, string>> = { RSA: 'rsa', EC: 'ec' }

/**
 * Parses a published JWK Set (RFC 7517 section 5). An unusable key is ignored, and `ignored` says why. A set without a
 * usable key is refused as a whole, so that the keys known before stay in use.
 */
export function parseJwkSet(value: unknown, algorithms: readonly Algorithm[]) {
  const published = isRecord(value) ? value['keys'] : undefined
  if (!Array.isArray(published)) throw new Error('The answer is not a JWK Set.')
  if (published.length > MAX_KEYS) throw new Error(`The set has more than ${MAX_KEYS} keys.`)
  const keys: AccessTokenKey[] = []
  const ignored: string[] = []
  for (const jwk of published as unknown[]) {
    try {
      keys.push(...toKeys(jwk, algorithms))
    } catch (error) {
      ignored.push((error as Error).message)
    }
  }
  if (keys.length === 0) throw new Error('The set has no usable key.')
  return { keys, ignored }
}

/** Returns one key for each allowed algorithm that the JWK fits. A JWK with an `alg` fits one at most. */
function toKeys(jwk: unknown, algorithms: readonly Algorithm[]): AccessTokenKey[] {
  if (!isRecord(jwk)) throw new Error('A key is not an object.')
  const kid = jwk['kid'] ?? ''
  if (typeof kid !== 'string') throw new Error('The kid of a key is not a text.')
  const name = `The key ${JSON.stringify(kid.slice(0, 64))}`
  if ('d' in jwk || 'k' in jwk) throw new Error(`${name} is not public.`)
  const fit = algorithms.filter(alg => isFor(jwk, alg))
  if (fit.length === 0) throw new Error(`${name} is for none of ${algorithms.join(', ')}.`)
  return fit.map(alg => prepareKey({ kid, alg, key: jwk }, name))
}

/** The configuration decides on the algorithm, never the token (RFC 8725 3.1). */
function isFor(jwk: Record<string, unknown>, alg: Algorithm): boolean {
  if (jwk['alg'] !== undefined) return jwk['alg'] === alg
  const { keyType, jwkCurve } = needsOf(alg)
  return KEY_TYPES[String(jwk['kty'])] === keyType && (jwkCurve === undefined || jwk['crv'] === jwkCurve)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
