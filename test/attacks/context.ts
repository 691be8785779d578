import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { forge } from './forge.js'

/** The kinds of keys that the table is run with. */
export type ContextAlgorithm = 'HS256' | 'RS256' | 'ES256'

/** The target of an attack, and the attacker's means. */
export interface AttackContext {
  readonly alg: ContextAlgorithm
  /** The name of the server's key. */
  readonly kid: string
  /** The server's secret or private key. */
  readonly key: KeyObject
  /** The secret as text. `undefined` with a key pair. */
  readonly secret: string | undefined
  /** The public key. `undefined` with a secret. */
  readonly publicKey: KeyObject | undefined
  /** An address that no guard may request. */
  readonly trapUrl: string
  /** The valid token of a user whom the server has served already. */
  readonly victimToken: string
}

/** Users that the server knows. */
export const VICTIM = 'victim'
export const USER = 'alice'

/** Makes the server's key and its victim. */
export function createAttackContext(alg: ContextAlgorithm, trapUrl: string): AttackContext {
  const context = { alg, kid: 'server-key', trapUrl, ...createKeys(alg) }
  return { ...context, victimToken: forge(context, { claims: { sub: VICTIM } }) }
}

function createKeys(alg: ContextAlgorithm): Pick<AttackContext, 'key' | 'secret' | 'publicKey'> {
  if (alg === 'HS256') {
    // 32 characters are the length of an encryption key, so that JWEs can be made with it.
    const secret = randomBytes(24).toString('base64url')
    return { key: createSecretKey(secret, 'utf8'), secret, publicKey: undefined }
  }
  const { privateKey, publicKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  return { key: privateKey, secret: undefined, publicKey }
}
