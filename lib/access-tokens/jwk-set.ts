import { needsOf } from './algorithms.js'
import type { Algorithm } from './algorithms.js'
import { prepareKey } from './keys.js'
import type { AccessTokenKey } from './keys.js'

/** The usable keys of a JWK Set (RFC 7517 section 5), and why others are not used. */
export interface ParsedJwkSet {
  readonly keys: readonly AccessTokenKey[]
  readonly ignored: readonly string[]
}

const MAX_KEYS = 100
const KEY_TYPES: Readonly<Record<string, string>> = { RSA: 'rsa', EC: 'ec' }

/**
 * Reads a set that somebody published. A key that is not fit is ignored, never the whole set; a set without one fit
 * key is refused, so that the one before it stays.
 */
export function parseJwkSet(value: unknown, algorithms: readonly Algorithm[]): ParsedJwkSet {
  const published = isRecord(value) ? value['keys'] : undefined
  if (!Array.isArray(published)) throw new Error('The answer is no JWK Set.')
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

/** A key for each of the allowed algorithms that it may serve: one, unless it leaves `alg` open. */
function toKeys(jwk: unknown, algorithms: readonly Algorithm[]): AccessTokenKey[] {
  if (!isRecord(jwk)) throw new Error('It is no object.')
  const kid = jwk['kid'] ?? ''
  if (typeof kid !== 'string') throw new Error('Its kid is no text.')
  const name = `key ${JSON.stringify(kid.slice(0, 64))}`
  if ('d' in jwk || 'k' in jwk) throw new Error(`${name} is not public.`)
  const fit = algorithms.filter(alg => isFor(jwk, alg))
  if (fit.length === 0) throw new Error(`${name} is for none of ${algorithms.join(', ')}.`)
  return fit.map(alg => prepareKey({ kid, alg, key: jwk }, name))
}

/** The algorithm is the configuration's, never the token's, to choose (RFC 8725 3.1). */
function isFor(jwk: Record<string, unknown>, alg: Algorithm): boolean {
  if (jwk['alg'] !== undefined) return jwk['alg'] === alg
  const { keyType, jwkCurve } = needsOf(alg)
  return KEY_TYPES[String(jwk['kty'])] === keyType && (jwkCurve === undefined || jwk['crv'] === jwkCurve)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
