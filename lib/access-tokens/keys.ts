import { createPrivateKey, createPublicKey, createSecretKey, hkdfSync } from 'node:crypto'
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { isKeyObject, isUint8Array } from 'node:util/types'
import { describeAlgorithm } from '../util/describe-value.js'
import { OptionError } from '../errors.js'
import { ALGORITHM_NAMES, needsOf } from './algorithms.js'
import type { Algorithm } from './algorithms.js'
import { isRocaKey } from './roca.js'
import { requireStrongSecret } from './secret-strength.js'

/** A larger RSA key would take each verification tens of milliseconds. */
const MAX_RSA_BITS = 8_192

/** A key as the team gives it. The first of several signs, so it must be a secret or a private key. */
export interface KeyOptions {
  /** Names the key in the header of each token (RFC 7515 4.1.4). Never use one name for two keys. May be left out for a
   *  secret: then it is the name that the option `secret` gives it, so that tokens signed by that go on to be good. */
  readonly kid?: string | undefined
  /** The one algorithm that this key serves (RFC 8725 3.1). */
  readonly alg: Algorithm
  /** A secret (text or bytes) for HS…; else PEM text, a JWK or a `KeyObject`, private or public. */
  readonly key: string | Uint8Array | JsonWebKey | KeyObject
}

/** A key that is ready for use: prepared once, so that no request pays for parsing it. */
export interface AccessTokenKey {
  readonly kid: string
  readonly alg: Algorithm
  /** What signatures are verified with: the secret, or the public key. */
  readonly verificationKey: KeyObject
  /** What tokens are signed with; absent where only the public key was given. */
  readonly signingKey: KeyObject | undefined
  /** Set when the key was replaced: everything that it vouched for is void from then on. */
  retired: boolean
}

/** The types of key that any algorithm here can use, as Node names them. */
const KEY_TYPES: readonly string[] = ALGORITHM_NAMES.map(alg => needsOf(alg).keyType)

/** Prepares a key, or throws an {@link OptionError} that says what is wrong with it. */
export function prepareKey(options: KeyOptions, optionName: string): AccessTokenKey {
  const { alg } = options
  if (!ALGORITHM_NAMES.includes(alg)) throw unsupported(`${optionName}.alg ${describeAlgorithm(alg)}`)
  checkJwk(options, optionName)
  const given =
    needsOf(alg).keyType === 'secret' ? secretOf(options, optionName) : pairOf(options, optionName)
  checkStrength(given, alg, optionName)
  return {
    kid: options.kid ?? nameOf(given, optionName),
    alg,
    verificationKey: given.type === 'private' ? createPublicKey(given) : given,
    signingKey: given.type === 'public' ? undefined : given,
    retired: false,
  }
}

function nameOf(given: KeyObject, optionName: string): string {
  if (given.type === 'secret') return kidOfSecret(given)
  throw new OptionError(`${optionName}.kid is missing: name the key, e.g. by the month it was made in.`)
}

/** The `kid` of a lone secret: derived, so that two secrets never share a name, and one-way. */
export function kidOfSecret(secret: KeyObject): string {
  return Buffer.from(hkdfSync('sha256', secret, '', 'express-custom-user-data kid', 12)).toString('base64url')
}

/** A `KeyObject` of text, bytes or a `KeyObject`. jsonwebtoken verifies 40 times slower with plain text. */
export function toSecretKey(secret: string | Uint8Array | KeyObject, optionName: string): KeyObject {
  if (isKeyObject(secret)) {
    if (secret.type === 'secret') return secret
    throw new OptionError(
      `${optionName} is a ${secret.type} key: HS… needs a secret; use "keys" for key pairs.`,
    )
  }
  if (typeof secret === 'string') return createSecretKey(Buffer.from(secret, 'utf8'))
  if (isUint8Array(secret)) return createSecretKey(secret)
  throw new OptionError(`${optionName} is neither a text, bytes nor a KeyObject. Write one of the three.`)
}

/** Whether two keys are one and the same, by name, algorithm and material. */
export function isSameKey(a: AccessTokenKey, b: AccessTokenKey): boolean {
  return a.kid === b.kid && a.alg === b.alg && a.verificationKey.equals(b.verificationKey)
}

function secretOf({ key, alg }: KeyOptions, optionName: string): KeyObject {
  if (typeof key === 'string' || isUint8Array(key) || isKeyObject(key)) {
    return toSecretKey(key, `${optionName}.key`)
  }
  if (key.kty === 'oct' && typeof key.k === 'string') return createSecretKey(Buffer.from(key.k, 'base64url'))
  throw new OptionError(`${optionName}.key is not a secret: ${alg} needs text, bytes or a JWK of kty "oct".`)
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

function importPair(key: string | Uint8Array | JsonWebKey): KeyObject {
  if (typeof key === 'string' || isUint8Array(key)) {
    const pem = Buffer.from(key)
    return pem.includes('PRIVATE KEY') ? createPrivateKey(pem) : createPublicKey(pem)
  }
  return 'd' in key ? createPrivateKey({ key, format: 'jwk' }) : createPublicKey({ key, format: 'jwk' })
}

/** RFC 7517 4.2 to 4.4: a key that says what it is for is for nothing else. */
function checkJwk({ key, alg }: KeyOptions, optionName: string): void {
  if (!isJwk(key)) return
  if (key['alg'] !== undefined && key['alg'] !== alg) {
    throw new OptionError(`${optionName}.key says that its algorithm is another than ${alg}.`)
  }
  const operations: unknown = key['key_ops']
  const isForSignatures =
    !Array.isArray(operations) || operations.includes('verify') || operations.includes('sign')
  if ((key['use'] ?? 'sig') !== 'sig' || !isForSignatures) {
    throw new OptionError(`${optionName}.key is not for signatures: its "use" must be "sig".`)
  }
}

function isJwk(key: KeyOptions['key']): key is JsonWebKey {
  return typeof key === 'object' && !isUint8Array(key) && !isKeyObject(key)
}

/** RFC 8725 3.5, RFC 7518 3.2 to 3.5: a key too weak for its algorithm never gets to verify a token. */
function checkStrength(key: KeyObject, alg: Algorithm, optionName: string): void {
  const { keyType, minSize = 0, curve } = needsOf(alg)
  if (keyType === 'secret') {
    const reason = `${alg} needs ${minSize} or more (RFC 7518 3.2).`
    requireStrongSecret(key, { minBytes: minSize, reason }, optionName)
    return
  }
  const { asymmetricKeyType: givenType = 'secret' } = key
  if (!KEY_TYPES.includes(givenType)) throw unsupported(`${optionName}, of type ${givenType},`)
  if (givenType !== keyType) {
    throw new OptionError(`${optionName} is of type ${givenType}: ${alg} needs ${keyType}.`)
  }
  const { modulusLength = 0, namedCurve, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (keyType === 'rsa' && (modulusLength < minSize || modulusLength > MAX_RSA_BITS || publicExponent < 3n)) {
    throw new OptionError(
      `${optionName} is unfit: ${alg} needs an RSA modulus of ${minSize} to ${MAX_RSA_BITS} bits and an exponent above 2.`,
    )
  }
  if (keyType === 'rsa' && isRocaKey(key.type === 'private' ? createPublicKey(key) : key)) {
    throw new OptionError(`${optionName} was made by a flawed generator (CVE-2017-15361): make another.`)
  }
  if (keyType === 'ec' && namedCurve !== curve) {
    throw new OptionError(`${optionName} is on curve ${String(namedCurve)}: ${alg} needs ${String(curve)}.`)
  }
}

function unsupported(what: string): OptionError {
  return new OptionError(
    `${what} is not supported: write one of ${ALGORITHM_NAMES.join(', ')}, with a key for it. ` +
      'For tokens of another kind, verify them with a passport strategy of your own and mount attach() behind it.',
  )
}
