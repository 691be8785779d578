import type { AccessTokenClaims } from '../types.js'

/** Freezes the claims of a verified token in place. */
export type ClaimsFreezer = (claims: AccessTokenClaims) => void

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
    deepFreeze(claims)
  }
}

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  Object.values(value).forEach(deepFreeze)
  Object.freeze(value)
}
