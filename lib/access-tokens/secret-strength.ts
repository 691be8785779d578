import { createPublicKey } from 'node:crypto'
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { OptionError } from '../errors.js'
import { isKnownSecret, readingsOf } from './known-secrets.js'

const MAX_PERIOD = 16
const MIN_DIFFERENT_BYTES = 8

/**
 * Refuses a weak secret for signatures or for refresh tokens. Throws an {@link OptionError} that says what to write
 * instead. `reason` is a sentence that explains `minBytes`.
 */
export function requireStrongSecret(
  key: KeyObject,
  { minBytes, reason }: { readonly minBytes: number; readonly reason: string },
  optionName: string,
): void {
  const secret = key.export()
  const fault = findSecretFault(secret, minBytes)
  if (fault === undefined) return
  throw new OptionError(
    `${optionName} ${explainFault(fault, secret, reason)} Write a random secret, made with: ` +
      `node -p "crypto.randomBytes(${minBytes}).toString('base64url')"`,
  )
}

/** What makes a secret weak. */
export type SecretFault = 'short' | 'known' | 'pem' | 'public_key' | 'repeats' | 'counts' | 'few_bytes'

/** Tells what makes a secret weak; `undefined` for a strong one. */
export function findSecretFault(secret: Buffer, minBytes: number): SecretFault | undefined {
  if (secret.length < minBytes) return 'short'
  if (isKnownSecret(secret)) return 'known'
  if (isPem(secret)) return 'pem'
  const readings = readingsOf(secret)
  if (readings.some(isPublicKey)) return 'public_key'
  if (readings.some(hasShortPeriod)) return 'repeats'
  if (readings.some(isSequence)) return 'counts'
  // 32 random hex digits have 8 or more different digits, except once in 10 million.
  return differentBytesOf(secret) < MIN_DIFFERENT_BYTES ? 'few_bytes' : undefined
}

/** Says why a secret is weak, without a part of the secret and without its length. */
export const FAULTS_IN_WORDS: Readonly<Record<Exclude<SecretFault, 'short' | 'few_bytes'>, string>> = {
  known: 'is known from public code or documentation, so attackers know it too.',
  pem: 'is a key in PEM format, and its public part is not secret.',
  public_key: 'is a public key, which everybody may have.',
  repeats: `repeats the same ${MAX_PERIOD} bytes or fewer again and again, so it is easy to guess.`,
  counts: 'counts up or down from byte to byte, so it is easy to guess.',
}

/** The sentence about a fault for an error message. It never repeats a part of the secret. */
function explainFault(fault: SecretFault, secret: Buffer, reason: string): string {
  if (fault === 'short') return `has ${secret.length} bytes: ${reason}`
  if (fault === 'few_bytes') {
    return `has only ${differentBytesOf(secret)} different bytes, so it is easy to guess.`
  }
  return FAULTS_IN_WORDS[fault]
}

function differentBytesOf(secret: Buffer): number {
  return new Set(secret).size
}

/** A public key as the secret of HS256 would let everybody sign (RFC 8725 section 2.1). */
function isPem(secret: Buffer): boolean {
  return secret.includes('-----BEGIN ')
}

/** The same in other formats: as bytes, such as those of a key in base64 without the lines of PEM, or as the text of a JWK. */
function isPublicKey(bytes: Buffer): boolean {
  return (
    canBeRead(() => createPublicKey({ key: bytes, format: 'der', type: 'spki' })) ||
    canBeRead(() => readJwk(bytes))
  )
}

function readJwk(bytes: Buffer): KeyObject {
  return createPublicKey({ key: JSON.parse(bytes.toString()) as JsonWebKey, format: 'jwk' })
}

function canBeRead(read: () => KeyObject): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}

/** Whether the bytes repeat after 16 bytes or fewer, such as zeros, spaces, or the same word again and again. */
function hasShortPeriod(bytes: Buffer): boolean {
  const longest = Math.min(MAX_PERIOD, Math.floor(bytes.length / 2))
  for (let period = 1; period <= longest; period++) {
    if (bytes.subarray(period).equals(bytes.subarray(0, bytes.length - period))) return true
  }
  return false
}

/** Whether the difference between neighbouring bytes is always the same, as in 0, 1, 2… */
function isSequence(bytes: Buffer): boolean {
  const [first = 0, second = 0] = bytes
  return (
    bytes.length > 2 && bytes.every((byte, index) => byte === ((first + index * (second - first)) & 0xff))
  )
}
