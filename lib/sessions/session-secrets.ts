import { createSecretKey, hkdfSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { kidOfSecret, toSecretKey } from '../access-tokens/keys.js'
import { requireStrongSecret } from '../access-tokens/secret-strength.js'
import { OptionError } from '../errors.js'

/** A secret from which successors of refresh tokens are derived. */
export interface SessionSecret {
  /** A digest of the key. Each session stores the names of the secrets that made its latest tokens. */
  readonly name: string
  readonly key: KeyObject
}

/** The first secret derives successors. All secrets are tried on tokens that come in. */
export type SessionSecrets = readonly [SessionSecret, ...SessionSecret[]]

/** At least 256 bits, like a refresh token. */
const LENGTH = { minBytes: 32, reason: 'a secret for sessions needs 32 or more.' }

/**
 * Creates the secrets of an instance: those of the option, then those of the HS keys. So sessions survive a rotation by
 * `keys: [new, old]`. A team that moves to key pairs lists the secret of its HS key in the option, and no session notices.
 *
 * The returned function gives the secrets as of now, because `replaceKeys()` changes the HS keys. Otherwise a process that
 * replaced its keys and a process that started with the new keys would derive different successors.
 *
 * @param secretKeys gives the HS keys; `undefined` if the instance has no keys of its own
 * @throws OptionError if there is neither the option nor an HS key
 */
export function createSessionSecrets(
  given: readonly (string | Uint8Array | KeyObject)[] | undefined,
  secretKeys: (() => readonly KeyObject[]) | undefined,
): () => SessionSecrets {
  const fixed = given ? prepareSessionSecrets(given) : []
  // Without keys of its own an instance has no sessions.
  if (!given && !secretKeys) fixed.push(toSessionSecret(createSecretKey(randomBytes(32))))
  const ofKeys = new WeakMap<KeyObject, SessionSecret>()
  let latest: SessionSecrets | undefined

  function ofKey(key: KeyObject): SessionSecret {
    const known = ofKeys.get(key) ?? toSessionSecret(key)
    ofKeys.set(key, known)
    return known
  }

  function current(): SessionSecrets | undefined {
    const [first, ...others] = withoutDuplicates([...fixed, ...(secretKeys?.() ?? []).map(ofKey)])
    // After replaceKeys() without an HS key the secrets stay, because sessions need one.
    if (first) latest = [first, ...others]
    return latest
  }

  function need(): SessionSecrets {
    const secrets = current()
    if (secrets) return secrets
    throw new OptionError(
      'createCustomUserData: give "sessionSecrets", a list of random texts of 32 bytes or more.',
    )
  }

  need()
  return need
}

/** Prepares the team's secrets. The first derives successors, and all are tried on tokens. Throws an `OptionError`. */
export function prepareSessionSecrets(given: readonly (string | Uint8Array | KeyObject)[]): SessionSecret[] {
  return given.map((secret, index) => {
    const key = toSecretKey(secret, `sessionSecrets[${index}]`)
    requireStrongSecret(key, LENGTH, `sessionSecrets[${index}]`)
    return toSessionSecret(key)
  })
}

/**
 * Derives a session secret, so that it is independent of the access tokens that the same secret may sign. A secret in the
 * option and the same secret as an HS key give the same session secret.
 */
export function toSessionSecret(secret: KeyObject): SessionSecret {
  const derived = hkdfSync('sha256', secret, '', 'express-custom-user-data session secret', 32)
  const key = createSecretKey(Buffer.from(derived))
  return { name: kidOfSecret(key), key }
}

function withoutDuplicates(secrets: readonly SessionSecret[]): SessionSecret[] {
  return [...new Map(secrets.map(secret => [secret.name, secret])).values()]
}
