import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { decodeProtectedHeader } from 'jose'
import request from 'supertest'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ALGORITHM_NAMES, needsOf } from '../../lib/access-tokens/algorithms.js'
import type { Algorithm } from '../../lib/access-tokens/algorithms.js'
import { createKeyRing } from '../../lib/access-tokens/key-ring.js'
import type { KeyOptions } from '../../lib/access-tokens/keys.js'
import { OptionError } from '../../lib/errors.js'
import { useDatabase } from '../support/database.js'
import { createEchoApp, expectChallenge } from '../support/http.js'
import { createTestUserData, forgeToken, KID, SECRET } from '../support/user-data.js'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as Record<Algorithm, string>

/** A new key for an algorithm; RSA keys are slow to make, so there is one. */
function createKey(alg: Algorithm, kid: string = alg): KeyOptions {
  const { keyType } = needsOf(alg)
  if (keyType === 'secret') return { kid, alg, key: randomBytes(64) }
  if (keyType === 'rsa') return { kid, alg, key: rsa.privateKey }
  return { kid, alg, key: generateKeyPairSync('ec', { namedCurve: curves[alg] }).privateKey }
}

const database = useDatabase()
beforeAll(async () => {
  await database.db.collection('custom_user_data').insertOne({ userId: 'alice', plan: 'gold' })
})

describe('a key ring', () => {
  it('signs with the first key and finds each by its kid and algorithm', async () => {
    const ring = createKeyRing({ keys: [createKey('ES256'), createKey('HS256'), createKey('RS256')] })
    expect(ring.signer().kid).toBe('ES256')
    for (const alg of ['ES256', 'HS256', 'RS256'] as const) {
      expect(ring.find({ alg, typ: 'at+jwt', kid: alg })).toMatchObject([{ alg }])
    }
  })

  it.each([
    { alg: 'HS256', kid: 'ES256' },
    { alg: 'es256', kid: 'ES256' },
    { alg: 'none', kid: 'ES256' },
    { alg: 'ES256', kid: 'es256' },
    { alg: 'ES256', kid: undefined },
    { alg: 'ES256', kid: '' },
    { alg: 'ES256', kid: '../ES256' },
    { alg: 'ES256', kid: '__proto__' },
    { alg: 'ES256', kid: 'constructor' },
  ])('finds no key for %j', header => {
    const ring = createKeyRing({ keys: [createKey('ES256'), createKey('HS256')] })
    expect(() => ring.find({ typ: 'at+jwt', ...header })).toThrow('not signed by a key of this server')
  })

  it('verifies a token without kid with its only key', () => {
    const ring = createKeyRing({ keys: [createKey('ES256')] })
    expect(ring.find({ alg: 'ES256', typ: 'at+jwt', kid: undefined })).toEqual([ring.signer()])
  })

  it('derives the kid of a single secret from the secret', () => {
    const ring = createKeyRing({ secret: SECRET })
    expect(ring.signer()).toMatchObject({ kid: KID, alg: 'HS256' })
    expect(createKeyRing({ secret: createSecretKey(Buffer.from(SECRET)) }).signer().kid).toBe(KID)
  })

  it('refuses two keys with the same kid', () => {
    const keys = [createKey('ES256', 'a'), createKey('HS256', 'a')]
    expect(() => createKeyRing({ keys })).toThrow(OptionError)
    expect(() => createKeyRing({ keys })).toThrow('the kid "a" is used twice. Give each key its own kid')
  })

  it('refuses a public key as the first key', () => {
    const keys = [{ kid: 'a', alg: 'RS256', key: rsa.publicKey } as const, createKey('HS256')]
    expect(() => createKeyRing({ keys })).toThrow(OptionError)
    expect(() => createKeyRing({ keys })).toThrow(/keys\[0\] is a public key.*private key first/)
  })

  it('says which of several keys is wrong', () => {
    const keys = [createKey('HS256'), { kid: 'b', alg: 'HS512', key: 'short' } as const]
    expect(() => createKeyRing({ keys })).toThrow(/^keys\[1\].* has 5 bytes/)
    expect(() => createKeyRing({ secret: 'short' })).toThrow(/^secret has 5 bytes/)
  })
})

describe('each algorithm', () => {
  it.each(ALGORITHM_NAMES)('%s signs and verifies, from login to the guard', async alg => {
    const issuing = createTestUserData(database, { keys: [createKey('HS256', 'other'), createKey(alg)] })
    const key = createKey(alg)
    const issuer = createTestUserData(database, { keys: [key] })
    const { access_token: token } = await issuer.issueTokens('alice')
    expect(decodeProtectedHeader(token)).toEqual({ alg, typ: 'at+jwt', kid: alg })

    // Another instance, so that the token is verified and not found in the cache.
    const guard = createTestUserData(database, { keys: [createKey('HS256', 'first'), key] })
    const answer = await request(createEchoApp(guard.authenticate()))
      .get('/me')
      .auth(token, { type: 'bearer' })
    expect(answer.body).toMatchObject({ user: { id: 'alice', customData: { plan: 'gold' } } })
    if (needsOf(alg).keyType !== 'rsa') await expect(issuing.verifyToken(token)).rejects.toThrow()
  })

  it('is refused if the kid names a key of another algorithm', async () => {
    const keys = ALGORITHM_NAMES.map(alg => createKey(alg))
    const app = createEchoApp(createTestUserData(database, { keys }).authenticate())
    for (const alg of ALGORITHM_NAMES.filter(name => needsOf(name).keyType === 'rsa')) {
      for (const kid of ALGORITHM_NAMES.filter(name => name !== alg && needsOf(name).keyType === 'rsa')) {
        const issuer = createTestUserData(database, { keys: [createKey(alg, kid)] })
        const { access_token: token } = await issuer.issueTokens('alice')
        const answer = await request(app).get('/me').auth(token, { type: 'bearer' })
        expect(answer.status, `${alg} under ${kid}`).toBe(401)
        expectChallenge(answer, token)
      }
    }
  })
})

describe('replaceKeys()', () => {
  const [kept, removed, added] = ['kept', 'removed', 'added'].map(kid => createKey('HS256', kid))
  let userData: ReturnType<typeof createTestUserData>
  let byKept: string
  let byRemoved: string

  const get = (token: string) =>
    request(createEchoApp(userData.authenticate())).get('/me').auth(token, { type: 'bearer' })
  const tokenOf = (key: KeyOptions) =>
    forgeToken({ header: { kid: key.kid, alg: 'HS256' }, secret: key.key as Buffer })

  beforeEach(() => {
    userData = createTestUserData(database, { keys: [kept!, removed!] })
    byKept = tokenOf(kept!)
    byRemoved = tokenOf(removed!)
  })

  it('refuses the tokens of a removed key at once, cached or not', async () => {
    expect((await get(byRemoved)).status).toBe(200)
    userData.replaceKeys([kept!])
    for (const token of [byRemoved, tokenOf(removed!)]) {
      const answer = await get(token)
      expect(answer.status).toBe(401)
      expect(expectChallenge(answer, token)).toMatchObject({ error: 'invalid_token' })
    }
  })

  it('keeps the snapshots of a key that stays', async () => {
    expect((await get(byKept)).status).toBe(200)
    userData.replaceKeys([added!, kept!])
    database.commands.clear()
    expect((await get(byKept)).status).toBe(200)
    expect(database.commands.loads()).toHaveLength(0)
  })

  it('accepts a new key, and signs with it if it is the first', async () => {
    userData.replaceKeys([added!, kept!])
    expect((await get(tokenOf(added!))).status).toBe(200)
    const { access_token: issued } = await userData.issueTokens('alice')
    expect(decodeProtectedHeader(issued).kid).toBe('added')
    expect((await get(issued)).status).toBe(200)
  })

  it('refuses the tokens of the old key if a new one has its kid', async () => {
    expect((await get(byRemoved)).status).toBe(200)
    userData.replaceKeys([kept!, createKey('HS256', 'removed')])
    expect((await get(byRemoved)).status).toBe(401)
  })

  it('accepts a removed key again once it is put back', async () => {
    expect((await get(byRemoved)).status).toBe(200)
    userData.replaceKeys([kept!])
    userData.replaceKeys([kept!, removed!])
    expect((await get(byRemoved)).status).toBe(200)
  })

  it('refuses a token whose key is removed while its data is loaded', async () => {
    const verifying = userData.verifyToken(byRemoved)
    await Promise.resolve()
    userData.replaceKeys([kept!])
    await expect(verifying).rejects.toMatchObject({ code: 'invalid_token' })
  })

  it('changes nothing if one of the new keys is wrong', async () => {
    const weak = { kid: 'weak', alg: 'HS256', key: 'short' } as const
    for (const keys of [[], [added!, weak], [weak], [added!, added!], undefined as never]) {
      expect(() => userData.replaceKeys(keys)).toThrow(OptionError)
    }
    expect((await get(byRemoved)).status).toBe(200)
    expect((await get(tokenOf(added!))).status).toBe(401)
  })

  it('checks its argument as createCustomUserData() does', () => {
    const wrong = [{ ...added!, kid: '' }, { ...added!, kid: 1 }, { ...added!, alg: 'none' }, null]
    for (const key of wrong) {
      expect(() => userData.replaceKeys([key as KeyOptions]), JSON.stringify(key)).toThrow(OptionError)
    }
  })
})

describe('a secret without a kid among the keys', () => {
  it('has the kid that it has as the only key, so that its tokens stay valid when keys are added', async () => {
    const alone = createKeyRing({ secret: SECRET })
    const among = createKeyRing({ keys: [createKey('ES256'), { alg: 'HS256', key: SECRET }] })
    const header = { alg: 'HS256', typ: 'at+jwt', kid: alone.signer().kid }
    expect(among.find(header)).toMatchObject([{ kid: KID, alg: 'HS256' }])
  })

  it('is the only kind of key that needs no kid', () => {
    const { alg, key } = createKey('ES256')
    expect(() => createKeyRing({ keys: [{ alg, key }] })).toThrow('keys[0].kid is missing')
  })
})
