import { createSecretKey, hkdfSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { kidOfSecret, toSecretKey } from '../access-tokens/keys.js'
import { OptionError } from '../errors.js'

/** A secret that successors are derived with. */
export interface SessionSecret {
  /** A one-way name, stored beside what was derived with it. */
  readonly name: string
  readonly key: KeyObject
}

const MIN_BYTES = 32

/** Prepares the team's secrets: the first derives, all are tried. */
export function prepareSessionSecrets(given: readonly (string | Uint8Array | KeyObject)[]): SessionSecret[] {
  return given.map((secret, index) => {
    const key = toSecretKey(secret, `sessionSecrets[${index}]`)
    if ((key.symmetricKeySize ?? 0) < MIN_BYTES) {
      throw new OptionError(`sessionSecrets[${index}] is too short: write ${MIN_BYTES} random bytes or more.`)
    }
    return toSessionSecret(key)
  })
}

/** A session secret of its own, derived from the secret that signs access tokens. */
export function deriveSessionSecret(signingSecret: KeyObject): SessionSecret {
  const derived = hkdfSync('sha256', signingSecret, '', 'express-custom-user-data session secret', 32)
  return toSessionSecret(createSecretKey(Buffer.from(derived)))
}

function toSessionSecret(key: KeyObject): SessionSecret {
  return { name: kidOfSecret(key), key }
}
