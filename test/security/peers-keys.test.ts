import { createPublicKey, createSecretKey, generateKeyPairSync } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Algorithm, KeyOptions, WarningEvent } from 'express-custom-user-data'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { forge, macWith, signAs } from '../attacks/forge.js'
import { serve } from '../attacks/server.js'
import type { LoopbackServer } from '../attacks/server.js'
import { useDatabase } from '../support/database.js'
import { AUDIENCE, createTestUserData } from '../support/user-data.js'
import { createService } from './service.js'
import type { Service } from './service.js'

// Holes that other packages had in their handling of keys. test/attacks has algorithm confusion, crit, iss as an array and
// JWE.

const database = useDatabase()

function createWith(options: object): void {
  createTestUserData(database, options)
}

function createWithKey(key: object): void {
  createWith({ keys: [{ kid: '1', ...key }] })
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const rsaJwk = createPublicKey(rsa).export({ format: 'jwk' })
// Only an issuer on loopback may have its keys on loopback by http.
const TRUSTED = { issuer: 'http://localhost/idp', audience: AUDIENCE, algorithms: ['RS256' as const] }

describe('keys at creation', () => {
  it('each key names its algorithm', () => {
    expect(() => createWithKey({ key: rsa })).toThrow('keys.0.alg')
    expect(() => createWith({ trustedIssuers: [{ ...TRUSTED, algorithms: undefined }] })).toThrow(
      'algorithms',
    )
    expect(() => createWith({ trustedIssuers: [{ ...TRUSTED, algorithms: [] }] })).toThrow('algorithms')
  })

  it.each<{ title: string; alg: Algorithm; key: KeyOptions['key'] }>([
    { title: 'RSA of 1024 bits', alg: 'RS256', key: rsaKey(1024) },
    { title: 'RSA with the exponent 1', alg: 'RS256', key: { ...rsaJwk, e: 'AQ' } },
    {
      title: 'DSA',
      alg: 'RS256',
      key: generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).privateKey,
    },
    {
      title: 'RSA-PSS',
      alg: 'RS256',
      key: generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey,
    },
    { title: 'P-256 for ES512', alg: 'ES512', key: ecKey('prime256v1') },
    { title: 'secp256k1 for ES256', alg: 'ES256', key: ecKey('secp256k1') },
    { title: 'RSA for ES256', alg: 'ES256', key: rsa },
    { title: 'RSA for HS256', alg: 'HS256', key: rsa },
    { title: 'a secret for RS256', alg: 'RS256', key: createSecretKey(Buffer.alloc(64, 'k')) },
  ])('a key unfit for its algorithm is refused: $title', ({ alg, key }) => {
    expect(() => createWithKey({ alg, key })).toThrow(TypeError)
  })

  it('an object that poses as a key is never converted to a text', () => {
    const asked: string[] = []
    const pose = {
      toString: () => asked.push('toString'),
      valueOf: () => asked.push('valueOf'),
      [Symbol.toPrimitive]: () => asked.push('toPrimitive'),
    }
    expect(() => createWithKey({ alg: 'HS256', key: pose })).toThrow(TypeError)
    expect(() => createWithKey({ alg: 'RS256', key: pose })).toThrow(TypeError)
    expect(() => createWith({ secret: pose })).toThrow(TypeError)
    expect(asked).toEqual([])
  })

  it('issuer and audience are names, not patterns', () => {
    for (const pattern of [/^https:/, /^https:/g, ['https://a.example.com', /b/]]) {
      expect(() => createWith({ issuer: pattern })).toThrow('option "issuer"')
      expect(() => createWith({ audience: pattern })).toThrow('option "audience"')
    }
  })

  it('a trusted issuer must have an audience', () => {
    for (const audience of [undefined, '', [], null, false]) {
      expect(() => createWith({ trustedIssuers: [{ ...TRUSTED, audience }] })).toThrow('audience')
    }
  })
})

describe('the dependencies', () => {
  it('jws has a version that checks MACs correctly, and is installed once', () => {
    const fromHere = createRequire(import.meta.url)
    const fromPassportJwt = createRequire(fromHere.resolve('passport-jwt'))
    const fromJsonwebtoken = createRequire(fromPassportJwt.resolve('jsonwebtoken'))
    const { version } = fromJsonwebtoken('jws/package.json') as { version: string }
    expect(version).toMatch(/^4\.0\.([1-9]|\d\d)|^4\.[1-9]|^3\.2\.([3-9]|\d\d)/)

    const lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
      packages: Record<string, { version: string }>
    }
    const locked = Object.entries(lock.packages).filter(([path]) => path.endsWith('node_modules/jws'))
    expect(locked.map(([, installed]) => installed.version)).toEqual([version])
  })
})

describe('the keys of a trusted issuer', () => {
  const ec = ecKey('prime256v1')
  const oct = createSecretKey(Buffer.alloc(32, 'k'))
  const warnings: WarningEvent[] = []
  let service: Service
  let server: LoopbackServer
  beforeAll(async () => {
    const keys: JsonWebKey[] = [
      { ...rsaJwk, kid: 'rsa' },
      { ...createPublicKey(ec).export({ format: 'jwk' }), kid: 'ec' },
      { ...oct.export({ format: 'jwk' }), kid: 'oct' },
      { ...rsa.export({ format: 'jwk' }), kid: 'private' },
      { ...createPublicKey(rsaKey(1024)).export({ format: 'jwk' }), kid: 'weak' },
    ]
    server = await serve((_req, res) => res.end(JSON.stringify({ keys })))
    service = await createService(database, { trustedIssuers: [{ ...TRUSTED, jwksUri: server.url }] })
    service.userData.events.on('warning', warning => warnings.push(warning))
  })
  afterAll(async () => {
    await service.userData.close()
    server.close()
  })

  it.each([
    { kid: 'rsa', alg: 'RS256', key: rsa, status: 200 },
    { kid: 'rsa', alg: 'PS256', key: rsa, status: 401 },
    { kid: 'rsa', alg: 'RS512', key: rsa, status: 401 },
    { kid: 'ec', alg: 'ES256', key: ec, status: 401 },
    { kid: 'oct', alg: 'HS256', key: oct, status: 401 },
    { kid: 'private', alg: 'RS256', key: rsa, status: 401 },
  ])(
    'a key that names no algorithm serves the algorithms of the options: $kid by $alg is $status',
    async row => {
      const { kid, alg, key, status } = row
      const token = forge({ alg, kid, key }, { claims: { iss: TRUSTED.issuer } })
      expect((await service.me(token)).status).toBe(status)
    },
  )

  it('keys that are unfit or secret are named in one warning', () => {
    expect(warnings.map(({ code }) => code)).toEqual(['key_ignored'])
    for (const kid of ['ec', 'oct', 'private', 'weak']) expect(warnings[0]!.message).toContain(`"${kid}"`)
  })
})

describe('an issuer that publishes no key', () => {
  it.each(['', 'null', '""', '[]', '{}', '{"keys":[]}', '{"keys":[{}]}', '{"keys":[{"kty":"oct","k":""}]}'])(
    '%j verifies nothing, least of all an empty key',
    async answer => {
      const server = await serve((_req, res) => res.end(answer))
      const service = await createService(database, { trustedIssuers: [{ ...TRUSTED, jwksUri: server.url }] })
      const signer = { alg: 'RS256', kid: '1', key: rsa }
      const claims = { iss: TRUSTED.issuer }
      for (const sign of [macWith(''), (input: string) => signAs('RS256', rsa, input)]) {
        // No key is fetched for an algorithm that the issuer may not use.
        for (const [alg, status] of [
          ['HS256', 401],
          ['RS256', 503],
        ] as const) {
          expect((await service.me(forge(signer, { header: { alg }, claims, sign }))).status).toBe(status)
        }
      }
      await service.userData.close()
      server.close()
    },
  )
})

function rsaKey(modulusLength: number) {
  return generateKeyPairSync('rsa', { modulusLength }).privateKey
}

function ecKey(namedCurve: string) {
  return generateKeyPairSync('ec', { namedCurve }).privateKey
}
