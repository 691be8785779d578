import { createPublicKey, createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Algorithm, KeyOptions } from 'express-custom-user-data'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { forge, partsOf, signAs } from '../attacks/forge.js'
import { serve } from '../attacks/server.js'
import type { LoopbackServer } from '../attacks/server.js'
import { useDatabase } from '../support/database.js'
import { AUDIENCE, createTestUserData } from '../support/user-data.js'
import { createService } from './service.js'
import type { Service } from './service.js'

// RFC 8725 and its successor. test/attacks has the forged tokens.

const database = useDatabase()

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const KEYS: Readonly<Record<Algorithm, KeyObject>> = {
  HS256: createSecretKey(randomBytes(32)),
  HS384: createSecretKey(randomBytes(48)),
  HS512: createSecretKey(randomBytes(64)),
  RS256: rsa,
  RS384: rsa,
  RS512: rsa,
  PS256: rsa,
  PS384: rsa,
  PS512: rsa,
  ES256: ecKey('prime256v1'),
  ES384: ecKey('secp384r1'),
  ES512: ecKey('secp521r1'),
}
const ALGORITHMS = Object.keys(KEYS) as Algorithm[]

describe('a key and its algorithm', () => {
  let service: Service
  beforeAll(async () => {
    const keys = ALGORITHMS.map(alg => ({ kid: `for ${alg}`, alg, key: KEYS[alg] }))
    service = await createService(database, { keys })
  })

  it.each(ALGORITHMS)('a token signed with %s is accepted by only one of twelve keys', async alg => {
    const accepted: string[] = []
    for (const owner of ALGORITHMS) {
      const { status } = await service.me(signedFor(owner, alg))
      if (status === 200) accepted.push(owner)
      else expect(status).toBe(401)
    }
    expect(accepted).toEqual([alg])
  })

  it('one RSA key under six names serves one algorithm for each name', async () => {
    expect((await service.me(signedFor('PS256', 'PS384'))).status).toBe(401)
    expect((await service.me(signedFor('PS384', 'PS384'))).status).toBe(200)
  })

  it('a key cannot be for "none" or for an algorithm in another spelling', () => {
    for (const alg of ['none', 'None', '', 'hs256', 'HS1', 'RSA-OAEP']) {
      expect(() => createWith({ kid: '1', alg: alg as Algorithm, key: randomBytes(64) })).toThrow(TypeError)
    }
  })

  it('a signature with any one byte changed is refused', async () => {
    const [header, payload, signature] = partsOf(signedFor('HS256', 'HS256'))
    const bytes = Buffer.from(signature, 'base64url')
    for (const index of bytes.keys()) {
      const changed = Buffer.from(bytes)
      changed[index]! ^= 0x80
      const { status } = await service.me(`${header}.${payload}.${changed.toString('base64url')}`)
      expect(status).toBe(401)
    }
  })
})

describe('a key at creation', () => {
  it('a secret under 32 bytes is refused, and 32 random bytes are taken', () => {
    for (const size of [0, 1, 16, 31]) {
      expect(() => createTestUserData(database, { secret: randomBytes(size) })).toThrow(`has ${size} bytes`)
    }
    expect(() => createTestUserData(database, { secret: randomBytes(32) })).not.toThrow()
  })

  it('a secret that is found in public code is refused, however long it is', () => {
    const secret = 'my-32-character-ultra-secure-and-ultra-long-secret'
    expect(() => createTestUserData(database, { secret })).toThrow('known from public code')
  })

  it.each(['EdDSA', 'Ed25519'])('a key for %s is refused, with what to do about it', alg => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const create = () => createWith({ kid: '1', alg: alg as Algorithm, key: privateKey })
    expect(create).toThrow(/write one of HS256, .*ES512.*attach\(\)/)
  })
})

describe('two issuers', () => {
  // Only an issuer on loopback may have its keys on loopback by http.
  const A = { issuer: 'http://localhost/a', key: ecKey('prime256v1') }
  const B = { issuer: 'http://localhost/b', key: ecKey('prime256v1') }
  const servers: LoopbackServer[] = []
  let service: Service
  beforeAll(async () => {
    const trustedIssuers = await Promise.all(
      [A, B].map(async ({ issuer, key }) => {
        const server = await serve((_req, res) => res.end(JSON.stringify(toKeySet(key))))
        servers.push(server)
        return { issuer, audience: AUDIENCE, algorithms: ['ES256' as const], jwksUri: server.url }
      }),
    )
    service = await createService(database, { trustedIssuers })
  })
  afterAll(async () => {
    await service.userData.close()
    for (const server of servers) server.close()
  })

  it.each([
    { title: "A's key for A", key: A.key, issuer: A.issuer, status: 200 },
    { title: "A's key for B", key: A.key, issuer: B.issuer, status: 401 },
    { title: "B's key for A", key: B.key, issuer: A.issuer, status: 401 },
    { title: "B's key for B", key: B.key, issuer: B.issuer, status: 200 },
  ])('$title: $status, even if both have the same kid', async ({ key, issuer, status }) => {
    const token = forge({ alg: 'ES256', kid: 'same', key }, { claims: { iss: issuer } })
    const answer = await service.me(token)
    expect(answer.status).toBe(status)
    // The same subject of two issuers is two users.
    if (status === 200) expect(answer.body.id).toBe(`${issuer}|alice`)
  })
})

describe('kinds of tokens', () => {
  it('each kind of token is accepted only where it belongs', async () => {
    const service = await createService(database)
    const { access_token, refresh_token } = await service.login('alice')
    expect((await service.me(access_token)).status).toBe(200)
    expect((await service.me(refresh_token)).status).toBe(401)
    const refreshed = await service.post('/refresh', { refresh_token: access_token })
    expect(refreshed.body).toMatchObject({ error: 'invalid_grant' })
    await service.post('/logout', { refresh_token: access_token })
    expect((await service.post('/refresh', { refresh_token })).status).toBe(200)
  })
})

/** Forges a token for the key of one algorithm that is signed by another algorithm, with the same key where that is possible. */
function signedFor(owner: Algorithm, alg: Algorithm): string {
  const key = KEYS[familyOf(owner) === familyOf(alg) ? owner : alg]
  const sign = (input: string): Buffer => signAs(alg, key, input)
  return forge({ alg, kid: `for ${owner}`, key }, { sign })
}

function familyOf(alg: Algorithm): string {
  return alg.startsWith('PS') ? 'RS' : alg.slice(0, 2)
}

function ecKey(namedCurve: string): KeyObject {
  return generateKeyPairSync('ec', { namedCurve }).privateKey
}

function toKeySet(key: KeyObject): object {
  return { keys: [{ ...createPublicKey(key).export({ format: 'jwk' }), kid: 'same', alg: 'ES256' }] }
}

function createWith(key: KeyOptions): void {
  createTestUserData(database, { keys: [key] })
}
