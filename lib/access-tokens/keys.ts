import { createPrivateKey, createPublicKey, createSecretKey, hkdfSync } from 'node:crypto'
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { isKeyObject, isUint8Array } from 'node:util/types'
import { describeAlgorithm } from '../util/describe-value.js'
import { OptionError } from '../errors.js'
import { ALGORITHM_NAMES, needsOf } from './algorithms.js'
import type { Algorithm } from './algorithms.js'
import type { ProtectedHeader } from './compact-jws.js'
import { requireFitKey, unsupported } from './key-strength.js'

/**
 * A JSON Web Key (RFC 7517), which may have members of your own. The `JsonWebKey` of `node:crypto` is not used, because only
 * some versions of `@types/node` have it.
 */
export type Jwk = JwkMembers | (JwkMembers & Readonly<Record<string, unknown>>)

/** RFC 7517 section 4, RFC 7518 section 6. What `@types/node` leaves open is `unknown`, so that its type can be given, too. */
interface JwkMembers {
  readonly kty?: string | undefined
  readonly kid?: unknown
  readonly alg?: unknown
  readonly use?: unknown
  readonly key_ops?: unknown
  readonly ext?: unknown
  readonly oth?: unknown
  readonly x5c?: unknown
  readonly x5t?: unknown
  readonly x5u?: unknown
  readonly 'x5t#S256'?: unknown
  readonly crv?: string | undefined
  readonly x?: string | undefined
  readonly y?: string | undefined
  readonly n?: string | undefined
  readonly e?: string | undefined
  readonly d?: string | undefined
  readonly p?: string | undefined
  readonly q?: string | undefined
  readonly dp?: string | undefined
  readonly dq?: string | undefined
  readonly qi?: string | undefined
  readonly k?: string | undefined
}

/** A key as the team gives it. The first of several keys signs, so it must be a secret or a private key. */
export interface KeyOptions {
  /**
   * Names the key in the header of each token (RFC 7515 4.1.4). Two keys must never have the same name.
   * @default for a secret: the name that the option `secret` gives to this secret, so that tokens from the time of that
   * option stay valid; a key pair needs a name
   */
  readonly kid?: string | undefined
  /** The one algorithm that this key is used with (RFC 8725 3.1). */
  readonly alg: Algorithm
  /**
   * For `HS…`: a secret as text, bytes, a JWK of `kty: "oct"` or a `KeyObject`. For other algorithms: a private or public
   * key as PEM text, a JWK or a `KeyObject`.
   */
  readonly key: string | Uint8Array | Jwk | KeyObject
}

/** A key that is ready for use. It is parsed once, so that no request pays for that. */
export interface AccessTokenKey {
  readonly kid: string
  readonly alg: Algorithm
  /** Verifies signatures: the secret or the public key. */
  readonly verificationKey: KeyObject
  /** Signs tokens. `undefined` if only the public key is known. */
  readonly signingKey: KeyObject | undefined
  /** Set when the key was removed. Tokens signed by it, and their snapshots, are refused from then on. */
  retired: boolean
}

/** Keys that may have signed a token. Several only if an issuer gave them the same name. */
export type CandidateKeys = readonly [AccessTokenKey, ...AccessTokenKey[]]

/** The keys of one issuer: our own key ring, or the set that a trusted issuer publishes. */
export interface KeySource {
  /**
   * Returns the known keys that may have signed a token with this header: keys with its `kid` and its algorithm.
   * `undefined` if no known key fits but the issuer may have published a new one: call `load()` then.
   *
   * @throws `invalid_token`
   */
  find: (header: ProtectedHeader) => CandidateKeys | undefined
  /**
   * Reads the keys again, and searches them like `find()`.
   *
   * @throws `invalid_token`, `keys_unavailable`
   */
  load: (header: ProtectedHeader) => Promise<CandidateKeys>
}

/** Parses and checks a key. Throws an {@link OptionError} that says what is wrong with it. */
export function prepareKey(options: KeyOptions, optionName: string): AccessTokenKey {
  const { alg } = options
  const given = readKey(options, optionName)
  return {
    kid: options.kid ?? nameOf(given, optionName),
    alg,
    verificationKey: given.type === 'private' ? createPublicKey(given) : given,
    signingKey: given.type === 'public' ? undefined : given,
    retired: false,
  }
}

/** The `kid` of a key without a name. No token can name it, because a name is a text that is not empty. */
export const NO_NAME = ''

/**
 * Parses and checks a key with which another service signs. Such a key needs no name. A private key is refused, because a
 * service that only verifies must not be able to sign.
 * @throws OptionError
 */
export function prepareForeignKey(options: KeyOptions, optionName: string): AccessTokenKey {
  const { alg, kid = NO_NAME } = options
  const verificationKey = readKey(options, optionName)
  if (verificationKey.type === 'private') {
    throw new OptionError(
      `${optionName}.key is a private key, and only the service that signs should have it. Write the public key of the ` +
        'service, which begins with "-----BEGIN PUBLIC KEY-----" as PEM text.',
    )
  }
  return { kid, alg, verificationKey, signingKey: undefined, retired: false }
}

function readKey(options: KeyOptions, optionName: string): KeyObject {
  const { alg } = options
  if (!ALGORITHM_NAMES.includes(alg)) throw unsupported(`${optionName}.alg ${describeAlgorithm(alg)}`)
  checkJwk(options, optionName)
  const given =
    needsOf(alg).keyType === 'secret' ? secretOf(options, optionName) : pairOf(options, optionName)
  requireFitKey(given, alg, optionName)
  return given
}

function nameOf(given: KeyObject, optionName: string): string {
  if (given.type === 'secret') return kidOfSecret(given)
  throw new OptionError(
    `${optionName}.kid is missing: write a name for the key, such as the month in which it was made.`,
  )
}

/** The `kid` of a secret without a name. It is derived one-way, so it differs for each secret and does not reveal it. */
export function kidOfSecret(secret: KeyObject): string {
  return Buffer.from(hkdfSync('sha256', secret, '', 'express-custom-user-data kid', 12)).toString('base64url')
}

/** Converts a secret to a `KeyObject`, because jsonwebtoken verifies 40 times slower with plain text. */
export function toSecretKey(secret: string | Uint8Array | KeyObject, optionName: string): KeyObject {
  if (isKeyObject(secret)) {
    if (secret.type === 'secret') return secret
    throw new OptionError(
      `${optionName} is a ${secret.type} key, but HS… needs a secret. Use "keys" for key pairs.`,
    )
  }
  if (typeof secret === 'string') return createSecretKey(Buffer.from(secret, 'utf8'))
  if (isUint8Array(secret)) return createSecretKey(secret)
  throw new OptionError(`${optionName} is neither a text, bytes nor a KeyObject. Write one of the three.`)
}

/** Whether two keys have the same name, algorithm and material. */
export function isSameKey(a: AccessTokenKey, b: AccessTokenKey): boolean {
  return a.kid === b.kid && a.alg === b.alg && a.verificationKey.equals(b.verificationKey)
}

function secretOf({ key, alg }: KeyOptions, optionName: string): KeyObject {
  if (typeof key === 'string' || isUint8Array(key) || isKeyObject(key)) {
    return toSecretKey(key, `${optionName}.key`)
  }
  if (key.kty === 'oct' && typeof key.k === 'string') return createSecretKey(Buffer.from(key.k, 'base64url'))
  throw new OptionError(
    `${optionName}.key is not a secret: ${alg} needs text, bytes, a KeyObject or a JWK of kty "oct".`,
  )
}

function pairOf({ key, alg }: KeyOptions, optionName: string): KeyObject {
  if (isKeyObject(key)) return key
  try {
    return importPair(key)
  } catch (cause) {
    throw new OptionError(`${optionName}.key cannot be read: ${alg} needs PEM text, a JWK or a KeyObject.`, {
      cause,
    })
  }
}

function importPair(key: string | Uint8Array | Jwk): KeyObject {
  if (typeof key === 'string' || isUint8Array(key)) {
    const pem = Buffer.from(key)
    return pem.includes('PRIVATE KEY') ? createPrivateKey(pem) : createPublicKey(pem)
  }
  const jwk = { key: key as JsonWebKey, format: 'jwk' } as const
  return 'd' in key ? createPrivateKey(jwk) : createPublicKey(jwk)
}

/** RFC 7517 4.2 to 4.4: a key that states its use must not be used for anything else. */
function checkJwk({ key, alg }: KeyOptions, optionName: string): void {
  if (!isJwk(key)) return
  if (key.alg !== undefined && key.alg !== alg) {
    throw new OptionError(`${optionName}.key has another "alg" than ${alg}. Write the alg of the key.`)
  }
  const operations: unknown = key.key_ops
  const isForSignatures =
    !Array.isArray(operations) || operations.includes('verify') || operations.includes('sign')
  if ((key.use ?? 'sig') !== 'sig' || !isForSignatures) {
    throw new OptionError(`${optionName}.key is not for signatures: its "use" must be "sig".`)
  }
}

function isJwk(key: KeyOptions['key']): key is Jwk {
  return typeof key === 'object' && !isUint8Array(key) && !isKeyObject(key)
}
