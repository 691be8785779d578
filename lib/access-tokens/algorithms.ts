/** The requirements of a JWS algorithm for its key (RFC 7518 3.1). passport-jwt does not support EdDSA. */
interface AlgorithmNeeds {
  readonly keyType: 'secret' | 'rsa' | 'ec'
  /** Smallest size: bytes of a secret (RFC 7518 3.2), bits of an RSA modulus (3.3, 3.5). */
  readonly minSize?: number
  /** The one curve of an ES algorithm (RFC 7518 3.4), as Node names it. */
  readonly curve?: string
  /** The same curve as a JWK names it (RFC 7518 6.2.1.1). */
  readonly jwkCurve?: string
}

const MIN_RSA_BITS = 2048

/** The algorithms that access tokens can be signed with. */
export const ALGORITHMS = {
  HS256: { keyType: 'secret', minSize: 32 },
  HS384: { keyType: 'secret', minSize: 48 },
  HS512: { keyType: 'secret', minSize: 64 },
  RS256: { keyType: 'rsa', minSize: MIN_RSA_BITS },
  RS384: { keyType: 'rsa', minSize: MIN_RSA_BITS },
  RS512: { keyType: 'rsa', minSize: MIN_RSA_BITS },
  PS256: { keyType: 'rsa', minSize: MIN_RSA_BITS },
  PS384: { keyType: 'rsa', minSize: MIN_RSA_BITS },
  PS512: { keyType: 'rsa', minSize: MIN_RSA_BITS },
  ES256: { keyType: 'ec', curve: 'prime256v1', jwkCurve: 'P-256' },
  ES384: { keyType: 'ec', curve: 'secp384r1', jwkCurve: 'P-384' },
  ES512: { keyType: 'ec', curve: 'secp521r1', jwkCurve: 'P-521' },
} as const satisfies Record<string, AlgorithmNeeds>

/** A JWS algorithm that access tokens can be signed with (RFC 7518 3.1). */
export type Algorithm = keyof typeof ALGORITHMS

export const ALGORITHM_NAMES = Object.keys(ALGORITHMS) as Algorithm[]

/** The algorithms with a public key, which an issuer can publish. */
export const ASYMMETRIC_ALGORITHM_NAMES = ALGORITHM_NAMES.filter(alg => needsOf(alg).keyType !== 'secret')

export function needsOf(alg: Algorithm): AlgorithmNeeds {
  return ALGORITHMS[alg]
}
