import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { OptionError } from '../errors.js'
import { ALGORITHM_NAMES, needsOf } from './algorithms.js'
import type { Algorithm } from './algorithms.js'
import { requireStrongSecret } from './secret-strength.js'

/** With a larger RSA key each verification would take tens of milliseconds. */
const MAX_RSA_BITS = 8_192

/** All types of keys that the algorithms use, by their names in Node. */
const KEY_TYPES: readonly string[] = ALGORITHM_NAMES.map(alg => needsOf(alg).keyType)

/** A modulus of the flawed generator is a power of 65537 modulo each of these primes. */
const ROCA_PRIMES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
  109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
]
const ROCA_GENERATOR = 65_537

/**
 * Refuses a key that is too weak for its algorithm, or of another type (RFC 8725 3.5, RFC 7518 3.2 to 3.5). Throws an
 * {@link OptionError} that says what the algorithm needs.
 */
export function requireFitKey(key: KeyObject, alg: Algorithm, optionName: string): void {
  const { keyType, minSize = 0, curve } = needsOf(alg)
  if (keyType === 'secret') {
    const reason = `${alg} needs ${minSize} or more (RFC 7518 3.2).`
    requireStrongSecret(key, { minBytes: minSize, reason }, optionName)
    return
  }
  const { asymmetricKeyType: givenType = 'secret' } = key
  if (!KEY_TYPES.includes(givenType)) throw unsupported(`${optionName}, of type ${givenType},`)
  if (givenType !== keyType) {
    throw new OptionError(`${optionName} is of type ${givenType}: ${alg} needs ${keyType}.`)
  }
  const { modulusLength = 0, namedCurve, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (keyType === 'rsa' && (modulusLength < minSize || modulusLength > MAX_RSA_BITS || publicExponent < 3n)) {
    throw new OptionError(
      `${optionName} is not fit: ${alg} needs an RSA modulus of ${minSize} to ${MAX_RSA_BITS} bits and an exponent above 2.`,
    )
  }
  if (keyType === 'rsa' && isRocaKey(key.type === 'private' ? createPublicKey(key) : key)) {
    throw new OptionError(
      `${optionName} was made by a flawed generator (CVE-2017-15361), so its private key can be computed: make another key.`,
    )
  }
  if (keyType === 'ec' && namedCurve !== curve) {
    throw new OptionError(`${optionName} is on curve ${String(namedCurve)}: ${alg} needs ${String(curve)}.`)
  }
}

/** The error for a key or an algorithm that passport-jwt cannot verify. */
export function unsupported(what: string): OptionError {
  return new OptionError(
    `${what} is not supported: write one of ${ALGORITHM_NAMES.join(', ')}, with a key for it. ` +
      'For tokens of another kind, verify them with a passport strategy of your own and mount attach() behind it.',
  )
}

/**
 * Whether an RSA key was made by a chip with a flawed generator, so that its private key can be computed from the public
 * key (ROCA, CVE-2017-15361). One good key in a hundred million is refused too.
 */
export function isRocaKey(publicKey: KeyObject): boolean {
  const { n = '' } = publicKey.export({ format: 'jwk' })
  const modulus = BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`)
  return ROCA_PRIMES.every(prime => isPowerOfGenerator(Number(modulus % BigInt(prime)), prime))
}

function isPowerOfGenerator(residue: number, prime: number): boolean {
  let power = 1
  do {
    if (power === residue) return true
    power = (power * ROCA_GENERATOR) % prime
  } while (power !== 1)
  return false
}
