import { CustomUserDataError, OptionError } from '../errors.js'
import { noteRefusal } from '../refusals.js'
import { isSameKey, prepareKey, toSecretKey } from './keys.js'
import type { AccessTokenKey, CandidateKeys, KeyOptions, KeySource } from './keys.js'
import type { ProtectedHeader } from './compact-jws.js'
import type { KeyObject } from 'node:crypto'

/** The options that give our own keys: one HS256 secret, or several named keys. */
export type OwnKeys =
  | { readonly secret: string | Uint8Array | KeyObject; readonly keys?: undefined }
  | { readonly keys: readonly KeyOptions[]; readonly secret?: undefined }

/** A key that can sign. */
export type SigningKey = AccessTokenKey & { readonly signingKey: KeyObject }

/** Our own keys, found by `kid`. */
export type KeyRing = ReturnType<typeof createKeyRing>

/** Parses and checks our own keys. Throws an {@link OptionError} that says what to write instead. */
export function createKeyRing(given: OwnKeys) {
  let keys = prepareKeys(given)

  function find(header: ProtectedHeader): CandidateKeys {
    const key = keys.get(header.kid ?? onlyKid(keys))
    // RFC 8725 3.1: the key decides on the algorithm, never the token.
    if (key?.alg !== header.alg) {
      const message = 'The access token is not signed by a key of this server.'
      const reason = key ? 'forged' : 'unknown_key'
      throw noteRefusal(new CustomUserDataError('invalid_token', message), { reason })
    }
    return [key]
  }

  const source: KeySource = {
    find,
    // Nobody else publishes our own keys, so there is nothing to read again.
    load: header => Promise.resolve(header).then(find),
  }

  return {
    ...source,
    /** The key that signs new tokens: the first. */
    signer: () => signerOf(keys),
    /** The secrets of the HS algorithms, in the order of the keys. */
    secretKeys: () => [...keys.values()].flatMap(key => secretKeyOf(key) ?? []),
    /**
     * Replaces all keys. Tokens signed by a key that is not among the new ones are refused from now on.
     * @returns the names of the new keys, in their order
     */
    replace(next: OwnKeys): string[] {
      const before = keys
      const prepared = prepareKeys(next)
      keys = new Map([...prepared].map(([kid, key]) => [kid, unchanged(before.get(kid), key)]))
      for (const key of before.values()) key.retired = keys.get(key.kid) !== key
      return [...keys.keys()]
    },
    /** The public keys as a JWK Set (RFC 7517 section 5), without secrets. */
    toJwkSet: () => ({ keys: [...keys.values()].filter(isPublic).map(toJwk) }),
  }
}

/** Keeps the object of a key that stays, because snapshots refer to it. */
function unchanged(before: AccessTokenKey | undefined, after: AccessTokenKey): AccessTokenKey {
  return before && isSameKey(before, after) && canSign(before) === canSign(after) ? before : after
}

function canSign(key: AccessTokenKey): boolean {
  return key.signingKey !== undefined
}

function secretKeyOf({ verificationKey }: AccessTokenKey): KeyObject | undefined {
  return verificationKey.type === 'secret' ? verificationKey : undefined
}

function isPublic({ verificationKey }: AccessTokenKey): boolean {
  return verificationKey.type === 'public'
}

function toJwk({ kid, alg, verificationKey }: AccessTokenKey): object {
  return { ...verificationKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }
}

/** A token without `kid` is only accepted if there is a single key. */
function onlyKid(keys: Map<string, AccessTokenKey>): string {
  const [only, second] = keys.keys()
  return only !== undefined && second === undefined ? only : ''
}

function prepareKeys(given: OwnKeys): Map<string, AccessTokenKey> {
  const keys = new Map<string, AccessTokenKey>()
  for (const [index, options] of toKeyOptions(given).entries()) {
    const key = prepareKey(options, given.keys ? `keys[${index}]` : 'secret')
    if (keys.has(key.kid))
      throw new OptionError(`keys: the kid "${key.kid}" is used twice. Give each key its own kid.`)
    keys.set(key.kid, key)
  }
  signerOf(keys)
  return keys
}

function toKeyOptions(given: OwnKeys): readonly KeyOptions[] {
  if (given.keys) return given.keys
  return [{ alg: 'HS256', key: toSecretKey(given.secret, 'secret') }]
}

function signerOf(keys: Map<string, AccessTokenKey>): SigningKey {
  const [first] = keys.values()
  if (first?.signingKey) return first as SigningKey
  throw new OptionError(
    'keys[0] is a public key, but the first key signs new tokens. Put a secret or a private key first.',
  )
}
