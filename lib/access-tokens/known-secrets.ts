import { createHash } from 'node:crypto'
import { KNOWN_SECRET_FINGERPRINTS } from './known-secret-fingerprints.js'

const FINGERPRINT_BYTES = 5
const FINGERPRINTS = Buffer.from(KNOWN_SECRET_FINGERPRINTS, 'base64')

/** The number of secrets in the list. */
export const KNOWN_SECRET_COUNT = FINGERPRINTS.length / FINGERPRINT_BYTES

/**
 * Whether a secret is published in code or documentation, where attackers find it too. The secret in another encoding
 * counts as the same secret: as hex or base64 text, or as the bytes that such a text encodes.
 */
export function isKnownSecret(secret: Buffer): boolean {
  return readingsOf(secret).some(bytes => spellingsOf(bytes).some(isListed))
}

/** The bytes of a secret, and the bytes that they decode to if they are hex or base64 text. */
export function readingsOf(secret: Buffer): readonly Buffer[] {
  // A secret that is read from a file often ends in a line break.
  const text = secret.toString('latin1').replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
  const readings = [secret]
  if (text.length < secret.length) readings.push(Buffer.from(text, 'latin1'))
  if (/^(?:[\da-f]{2})+$/i.test(text)) readings.push(Buffer.from(text, 'hex'))
  if (/^[\w+/-]+={0,2}$/.test(text)) readings.push(Buffer.from(text, 'base64'))
  return readings
}

function spellingsOf(bytes: Buffer): readonly (string | Buffer)[] {
  const hex = bytes.toString('hex')
  const base64 = bytes.toString('base64')
  return [bytes, hex, hex.toUpperCase(), base64, base64.replace(/=+$/, ''), bytes.toString('base64url')]
}

function isListed(secret: string | Buffer): boolean {
  const fingerprint = createHash('sha256').update(secret).digest().subarray(0, FINGERPRINT_BYTES)
  let at = FINGERPRINTS.indexOf(fingerprint)
  // A match can also begin inside one fingerprint and end inside the next: such a match does not count.
  while (at > 0 && at % FINGERPRINT_BYTES !== 0) at = FINGERPRINTS.indexOf(fingerprint, at + 1)
  return at >= 0
}
