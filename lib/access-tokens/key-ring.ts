import { CustomUserDataError, OptionError } from '../errors.js'
import { isSameKey, prepareKey, toSecretKey } from './keys.js'
import type { AccessTokenKey, KeyOptions } from './keys.js'
import type { ProtectedHeader } from './compact-jws.js'
import type { KeyObject } from 'node:crypto'

/** What the team gives: one HS256 secret, or several named keys. */
export type OwnKeys =
  | { readonly secret: string | Uint8Array | KeyObject; readonly keys?: undefined }
  | { readonly keys: readonly KeyOptions[]; readonly secret?: undefined }

/** A key that can sign. */
export type SigningKey = AccessTokenKey & { readonly signingKey: KeyObject }

/** Keys of which one signed a token: one or more. */
export type CandidateKeys = readonly [AccessTokenKey, ...AccessTokenKey[]]

/** Where the keys of an issuer are found. */
export interface KeySource {
  /**
   * The known keys that may have signed a token with this header: keys with its `kid`, each for its own algorithm.
   * `undefined` when no known key fits but the issuer may have published new ones: call `load()`.
   *
   * @throws `invalid_token`
   */
  find: (header: ProtectedHeader) => CandidateKeys | undefined
  /**
   * Reads the keys again, and then finds as `find()` does.
   *
   * @throws `invalid_token`, `keys_unavailable`
   */
  load: (header: ProtectedHeader) => Promise<CandidateKeys>
}

/** Our own keys, found by `kid`. */
export interface KeyRing extends KeySource {
  /** The key that signs new tokens: the first. */
  signer: () => SigningKey
  /** Takes new keys. Whatever a key that is no longer among them vouched for is refused from now on. */
  replace: (keys: OwnKeys) => void
  /** The public keys as a JWK Set (RFC 7517 section 5); secrets are not in it. */
  toJwkSet: () => { readonly keys: readonly object[] }
}

/** Prepares the keys, or throws an {@link OptionError} that names what to write instead. */
export function createKeyRing(given: OwnKeys): KeyRing {
  let keys = prepareKeys(given)

  function find(header: ProtectedHeader): CandidateKeys {
    const key = keys.get(header.kid ?? onlyKid(keys))
    // RFC 8725 3.1: the algorithm is the key's, never the token's to choose.
    if (key?.alg !== header.alg) {
      throw new CustomUserDataError(
        'invalid_token',
        'The access token is not signed by a key of this server.',
      )
    }
    return [key]
  }

  return {
    signer: () => signerOf(keys),
    find,
    // Our own keys are never published elsewhere, so there is nothing to read again.
    load: header => Promise.resolve(header).then(find),
    replace(next) {
      const before = keys
      const prepared = prepareKeys(next)
      keys = new Map([...prepared].map(([kid, key]) => [kid, unchanged(before.get(kid), key)]))
      for (const key of before.values()) key.retired = keys.get(key.kid) !== key
    },
    toJwkSet: () => ({ keys: [...keys.values()].filter(isPublic).map(toJwk) }),
  }
}

/** Keeps the object of a key that stays: cached copies point at it. */
function unchanged(before: AccessTokenKey | undefined, after: AccessTokenKey): AccessTokenKey {
  return before && isSameKey(before, after) && canSign(before) === canSign(after) ? before : after
}

function canSign(key: AccessTokenKey): boolean {
  return key.signingKey !== undefined
}

function isPublic({ verificationKey }: AccessTokenKey): boolean {
  return verificationKey.type === 'public'
}

function toJwk({ kid, alg, verificationKey }: AccessTokenKey): object {
  return { ...verificationKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }
}

/** A token without `kid` can only mean the one key there is. */
function onlyKid(keys: Map<string, AccessTokenKey>): string {
  const [only, second] = keys.keys()
  return only !== undefined && second === undefined ? only : ''
}

function prepareKeys(given: OwnKeys): Map<string, AccessTokenKey> {
  const keys = new Map<string, AccessTokenKey>()
  for (const [index, options] of toKeyOptions(given).entries()) {
    const key = prepareKey(options, given.keys ? `keys[${index}]` : 'secret')
    if (keys.has(key.kid))
      throw new OptionError(`keys: "${key.kid}" is there twice; give each key its own kid.`)
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
    'keys[0] signs new tokens: put a secret or a private key first, public keys after it.',
  )
}
