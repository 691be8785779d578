import { createPrivateKey, createSecretKey } from 'node:crypto'
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import { beforeAll, expect, it } from 'vitest'
import type { CustomUserDataOptions, KeyOptions } from 'express-custom-user-data'
import { ASYMMETRIC_ALGORITHM_NAMES } from '../../lib/access-tokens/algorithms.js'
import { parseCompactJws } from '../../lib/access-tokens/compact-jws.js'
import { createKeyRing } from '../../lib/access-tokens/key-ring.js'
import type { KeySource } from '../../lib/access-tokens/keys.js'
import type { AccessTokenKey } from '../../lib/access-tokens/keys.js'
import { RemoteKeySet } from '../../lib/access-tokens/remote-key-set.js'
import { verifySignature } from '../../lib/access-tokens/verify-signature.js'
import { systemClock } from '../../lib/util/clock.js'
import { CustomUserDataError, OptionError } from '../../lib/errors.js'
import { createEvents } from '../../lib/events.js'
import { useDatabase } from '../support/database.js'
import { createGuardedApp, serve } from '../support/http-server.js'
import { startKeyServer } from '../support/key-server.js'
import { createTestUserData, SECRET, validClaims } from '../support/user-data.js'
import { describeVectors, readJsonVector } from '../support/vectors.js'

interface Jwk extends JsonWebKey {
  readonly kid?: string
  readonly alg?: string
}

interface JwkSet {
  readonly keys: readonly Jwk[]
}

interface Vector {
  readonly tcId: number
  readonly jws?: unknown
  readonly jwe?: unknown
  readonly result: 'valid' | 'invalid'
}

interface Group {
  readonly comment: string
  readonly private: Jwk | JwkSet
  readonly public?: Jwk | JwkSet
  readonly tests: readonly Vector[]
}

/** The ids of the vectors by their outcome. */
type Outcomes = Record<Vector['result'], { readonly accepted: number[]; readonly refused: number[] }>

/**
 * Vectors of the signature file that cannot be accepted or refused as the file says. 367 and 370 are invalid, but have the
 * text of the valid 357. 346 and 350 are signed by PS384 under a key for PS256. 347 and 351 have a key for "ES521", which does
 * not exist. 372 and 373 are valid with a `?` in their base64.
 */
const LEFT_OUT = [346, 347, 350, 351, 367, 370, 372, 373]

/** Valid JWS with an empty payload. They are not JWTs (RFC 7519 7.2 step 10), and jsonwebtoken does not read them. */
const EMPTY = [259, 264, 268, 272, 320, 325]

/** The secret of the base64 vectors: 32 zero bytes. */
const ZEROS = Buffer.alloc(32).toString('base64url')

/** The first key of a ring must sign, which the public keys of the vectors cannot. No vector uses this key. */
const SIGNER = { kid: 'signer of the tests', alg: 'HS256', key: SECRET } as const

/** The name for keys without a name. */
const UNNAMED = 'key of the group'

describeVectors('Wycheproof: JSON web signatures, keys and encryption', () => {
  const signature = readGroups('signature')
  const key = readGroups('key')
  const crypto = readGroups('crypto')
  const all = [...signature, ...key, ...crypto]
  const database = useDatabase()
  beforeAll(async () => {
    await createTestUserData(database).ready()
  })

  it('rejects 353 of 353 invalid signatures, and of 40 valid ones only the six with an empty payload', async () => {
    const { valid, invalid } = await verifyAll(signature, ({ tcId }) => !LEFT_OUT.includes(tcId))
    expect(invalid.accepted).toEqual([])
    expect(invalid.refused).toHaveLength(353)
    expect(valid.accepted).toHaveLength(34)
    expect(valid.refused).toEqual(EMPTY)
  })

  it('refuses signatures that are valid only for a lenient reader of algorithms or base64', async () => {
    const { valid } = await verifyAll(signature, ({ tcId }) => LEFT_OUT.includes(tcId))
    expect(valid).toEqual({ accepted: [], refused: [346, 347, 350, 351, 372, 373] })
  })

  it('refuses 21 of 21 unfit keys or their tokens, and accepts 2 of 2 keys that are not easy to guess', async () => {
    const { valid, invalid } = await verifyAll(key)
    expect(invalid.accepted).toEqual([])
    expect(invalid.refused).toHaveLength(21)
    // 13 to 15 have the secret 0, 1, 2…, which the vectors call valid.
    expect(valid).toEqual({ accepted: [2, 5], refused: [13, 14, 15] })
  })

  it('rejects 45 of 45 invalid JWS of the crypto file and accepts 4 of 4 valid ones', async () => {
    const { valid, invalid } = await verifyAll(crypto, ({ jws }) => jws !== undefined)
    expect(invalid.accepted).toEqual([])
    expect(invalid.refused).toHaveLength(45)
    expect(valid).toEqual({ accepted: [1, 18, 33, 48], refused: [] })
  })

  it('refuses 34 of 34 JWE, valid or not, before decrypting anything', () => {
    const encrypted = crypto.flatMap(({ tests }) => tests).filter(({ jwe }) => jwe !== undefined)
    expect(encrypted).toHaveLength(34)
    for (const vector of encrypted) expect(() => parseCompactJws(toText(vector))).toThrow('malformed')
  })

  it('none of the 510 vectors is accepted over HTTP or causes a 5xx', async () => {
    const statuses: number[] = []
    for (const group of all) {
      const texts = group.tests.map(toText)
      statuses.push(...(await statusesOf(ownKeysOf(group), texts)))
    }
    // Two of the 510 vectors are JSON objects, and are sent as their text.
    expect(statuses).toHaveLength(510)
    expect(statuses.filter(status => status !== 400 && status !== 401)).toEqual([])
  })

  it('accepts over HTTP a token signed by each usable key of the vectors, so that the refusals mean something', async () => {
    let accepted = 0
    for (const group of all) {
      const keys = ownKeysOf(group)
      const signers = keys.keys ? toList(group.private).filter(jwk => 'd' in jwk || 'k' in jwk) : []
      const tokens = await Promise.all(signers.map(signByHand))
      const statuses = await statusesOf(keys, tokens)
      expect(statuses).toEqual(tokens.map(() => 200))
      accepted += statuses.length
    }
    expect(accepted).toBe(26)
  })

  async function statusesOf(
    options: Partial<CustomUserDataOptions<Record<string, unknown>>>,
    tokens: readonly string[],
  ): Promise<number[]> {
    const server = await serve(createGuardedApp(createTestUserData(database, options)))
    const statuses: number[] = []
    for (const token of tokens) {
      const headers = { authorization: `Bearer ${token}` }
      const response = await fetch(`${server.origin}/me`, { headers })
      await response.arrayBuffer()
      statuses.push(response.status)
    }
    await server.close()
    return statuses
  }
})

function readGroups(name: 'signature' | 'key' | 'crypto'): Group[] {
  const file = readJsonVector(`wycheproof/json_web_${name}_test.json`) as { testGroups: Group[] }
  return file.testGroups
}

async function verifyAll(
  groups: readonly Group[],
  isCounted: (vector: Vector) => boolean = () => true,
): Promise<Outcomes> {
  const outcomes: Outcomes = {
    valid: { accepted: [], refused: [] },
    invalid: { accepted: [], refused: [] },
  }
  for (const group of groups) {
    const tests = group.tests.filter(isCounted)
    const source = await openKeySource(group)
    for (const vector of tests) {
      const isAccepted = await verify(source, toText(vector))
      outcomes[vector.result][isAccepted ? 'accepted' : 'refused'].push(vector.tcId)
    }
    await source.close()
  }
  return outcomes
}

interface OpenKeySource extends KeySource {
  close: () => Promise<void>
}

/**
 * Puts the keys of a group where they would be used. A set with public keys is read from a server like the set of an issuer,
 * and secrets in it are ignored. A single key and a set of secrets are keys of our own.
 */
async function openKeySource(group: Group): Promise<OpenKeySource> {
  const { private: secrets, public: published = secrets } = group
  const jwks = toList(published)
  const isPublished = isSet(published) && jwks.some(({ kty }) => kty !== 'oct')
  return isPublished ? openRemoteSet(jwks) : openKeyRing(jwks)
}

async function openRemoteSet(jwks: readonly Jwk[]): Promise<OpenKeySource> {
  const server = await startKeyServer(...jwks)
  const config = { issuer: server.origin, jwksUri: server.jwksUri, algorithms: ASYMMETRIC_ALGORITHM_NAMES }
  const events = createEvents()
  events.emitter.on('warning', () => undefined)
  const remote = new RemoteKeySet(config, events, systemClock)
  const close = async () => {
    remote.close()
    await server.close()
  }
  return { find: header => remote.find(header), load: header => remote.load(header), close }
}

function openKeyRing(jwks: readonly Jwk[]): OpenKeySource {
  const close = () => Promise.resolve()
  const [jwk] = jwks
  if (jwk?.k === ZEROS)
    return { find: () => [toZeroKey(jwk)], load: () => Promise.resolve([toZeroKey(jwk)]), close }
  try {
    const ring = createKeyRing({ keys: [SIGNER, ...jwks.map(toKeyOptions)] })
    // The ring has the signer too. A token without a key name is checked with the key of the group.
    const find: KeySource['find'] = header =>
      ring.find({ ...header, kid: header.kid ?? jwks[0]?.kid ?? UNNAMED })
    return { find, load: ring.load, close }
  } catch (error) {
    if (!(error instanceof OptionError)) throw error
    const noKey = new CustomUserDataError('invalid_token', 'None of its keys is taken.')
    return { find: () => undefined, load: () => Promise.reject(noKey), close }
  }
}

/** Prepares a key without the checks that would refuse it. Without the key, the base64 vectors would prove nothing. */
function toZeroKey({ kid = UNNAMED, k = '' }: Jwk): AccessTokenKey {
  const verificationKey = createSecretKey(Buffer.from(k, 'base64url'))
  return { kid, alg: 'HS256', verificationKey, signingKey: undefined, retired: false }
}

/** Whether one of the found keys verifies the token. Only errors of this package count as refusals. */
async function verify(source: KeySource, token: string): Promise<boolean> {
  try {
    const { header } = parseCompactJws(token)
    const [key, second] = source.find(header) ?? (await source.load(header))
    expect(second).toBeUndefined()
    await verifySignature(token, key)
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(CustomUserDataError)
    expect(error).toMatchObject({ code: expect.stringMatching(/^(invalid_token|keys_unavailable)$/) })
    return false
  }
}

/** Gives the keys of the group to an instance, or the key of the tests where they are refused. */
function ownKeysOf(group: Group): { readonly keys?: readonly KeyOptions[] } {
  const keys = [SIGNER, ...toList(group.public ?? group.private).map(toKeyOptions)]
  try {
    createKeyRing({ keys })
    return { keys }
  } catch {
    return {}
  }
}

function toList(given: Jwk | JwkSet): readonly Jwk[] {
  return isSet(given) ? given.keys : [given]
}

function isSet(given: Jwk | JwkSet): given is JwkSet {
  return 'keys' in given
}

function toKeyOptions(jwk: Jwk): KeyOptions {
  return { kid: jwk.kid ?? UNNAMED, alg: (jwk.alg ?? 'RS256') as KeyOptions['alg'], key: jwk }
}

function signByHand(jwk: Jwk): Promise<string> {
  const { kid = UNNAMED, alg = '' } = jwk
  return new SignJWT(validClaims()).setProtectedHeader({ alg, kid, typ: 'at+jwt' }).sign(toSigningKey(jwk))
}

function toSigningKey(jwk: Jwk): KeyObject {
  if (jwk.kty === 'oct') return createSecretKey(Buffer.from(String(jwk.k), 'base64url'))
  return createPrivateKey({ key: jwk, format: 'jwk' })
}

function toText({ jws, jwe }: Vector): string {
  const value = jws ?? jwe
  return typeof value === 'string' ? value : JSON.stringify(value)
}
