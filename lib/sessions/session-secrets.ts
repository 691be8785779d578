import { createSecretKey, hkdfSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { kidOfSecret, toSecretKey } from '../access-tokens/keys.js'
import { requireStrongSecret } from '../access-tokens/secret-strength.js'
import { OptionError } from '../errors.js'

/** A secret from which successors of refresh tokens are derived. */
export interface SessionSecret {
  /** A digest of the key. Each session stores the name of the secret that derived its token. */
  readonly name: string
  readonly key: KeyObject
}

/** At least 256 bits, like a refresh token. */
const LENGTH = { minBytes: 32, reason: 'a secret for sessions needs 32 or more.' }

/**
 * The secrets of an instance: those of the option, then one for each HS key, which is derived from it. So sessions survive a
 * rotation by `keys: [new, old]`, and the change from a secret to key pairs.
 *
 * @param secretKeys the HS keys; `undefined` if the instance has no keys of its own
 * @throws OptionError if there is neither the option nor an HS key
 */
export function createSessionSecrets(
  given: readonly (string | Uint8Array | KeyObject)[] | undefined,
  secretKeys: readonly KeyObject[] | undefined,
): readonly [SessionSecret, ...SessionSecret[]] {
  // Without keys of its own an instance has no sessions.
  if (!given && !secretKeys) return [deriveSessionSecret(createSecretKey(randomBytes(32)))]
  const derived = (secretKeys ?? []).map(deriveSessionSecret)
  const [first, ...others] = [...(given ? prepareSessionSecrets(given) : []), ...derived]
  if (first) return [first, ...others]
  throw new OptionError(
    'createCustomUserData: give "sessionSecrets", a list of random texts of 32 bytes or more.',
  )
}

/** Prepares the team's secrets. The first derives successors, and all are tried on tokens. Throws an `OptionError`. */
export function prepareSessionSecrets(given: readonly (string | Uint8Array | KeyObject)[]): SessionSecret[] {
  return given.map((secret, index) => {
    const key = toSecretKey(secret, `sessionSecrets[${index}]`)
    requireStrongSecret(key, LENGTH, `sessionSecrets[${index}]`)
    return toSessionSecret(key)
  })
}

/** Derives a session secret from the secret that signs access tokens. The two secrets stay independent. */
export function deriveSessionSecret(signingSecret: KeyObject): SessionSecret {
  const derived = hkdfSync('sha256', signingSecret, '', 'express-custom-user-data session secret', 32)
  return toSessionSecret(createSecretKey(Buffer.from(derived)))
}

function toSessionSecret(key: KeyObject): SessionSecret {
  return { name: kidOfSecret(key), key }
}
