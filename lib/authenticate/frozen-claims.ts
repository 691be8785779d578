import { estimateFields, estimateHeapBytes, estimateList } from '../documents/heap-size.js'
import type { AccessTokenClaims } from '../types.js'

/** Freezes the claims of a verified token where they are; what they take in the heap, in bytes, estimated. */
export type ClaimsFreezer = (claims: AccessTokenClaims) => number

/** Claims whose text many tokens have in common; of a million tokens each would be held a million times. */
const COMMON = ['iss', 'aud', 'client_id', 'azp']
/** Texts held for that, and how long they may be; others are left as they came. */
const MAX_TEXTS = 1_000
const MAX_LENGTH = 256

/**
 * Creates the freezer of one instance. Nothing is copied: V8 gives an object that was parsed from JSON just the room
 * that it needs, and a copy more.
 */
export function createClaimsFreezer(): ClaimsFreezer {
  const texts = new Map<string, string>()

  function share(text: string): string {
    const known = texts.get(text)
    if (known === undefined && texts.size < MAX_TEXTS) texts.set(text, text)
    return known ?? text
  }

  return claims => {
    const writable = claims as Record<string, unknown>
    for (const name of COMMON) {
      const value = Object.hasOwn(writable, name) ? writable[name] : undefined
      if (typeof value === 'string' && value.length <= MAX_LENGTH) writable[name] = share(value)
    }
    return freezeAndWeigh(claims)
  }
}

/** Of what JSON has. In one walk, for every miss has to wait for it. */
function freezeAndWeigh(value: unknown): number {
  if (typeof value !== 'object' || value === null) return estimateHeapBytes(value)
  const members: unknown[] = Object.values(value)
  let bytes = Array.isArray(value) ? estimateList(members.length) : estimateFields(members.length)
  for (const member of members) bytes += freezeAndWeigh(member)
  Object.freeze(value)
  return bytes
}
