import type { KeyObject } from 'node:crypto'

/** The primes by which a weak generator's moduli give themselves away. */
const PRIMES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
  109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
]
const GENERATOR = 65_537

/**
 * Whether an RSA key was made by a chip whose primes are powers of 65537 modulo a product of small primes, so that
 * its private key can be computed (ROCA, CVE-2017-15361). A sound key passes for one once in a hundred million.
 */
export function isRocaKey(publicKey: KeyObject): boolean {
  const { n = '' } = publicKey.export({ format: 'jwk' })
  const modulus = BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`)
  return PRIMES.every(prime => isPowerOfGenerator(Number(modulus % BigInt(prime)), prime))
}

function isPowerOfGenerator(residue: number, prime: number): boolean {
  let power = 1
  do {
    if (power === residue) return true
    power = (power * GENERATOR) % prime
  } while (power !== 1)
  return false
}
