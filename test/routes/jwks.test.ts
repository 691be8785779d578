import { generateKeyPairSync } from 'node:crypto'
import express from 'express'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import type { CustomUserData, KeyOptions } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { createGuardedApp, serve } from '../support/http-server.js'
import { AUDIENCE, createTestUserData } from '../support/user-data.js'

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

describe('the published key set', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const ecJwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  const keys: KeyOptions[] = [
    { kid: 'rsa', alg: 'PS256', key: rsa.privateKey },
    { kid: 'ec', alg: 'ES384', key: ec.publicKey.export({ format: 'pem', type: 'spki' }).toString() },
    { kid: 'ec-jwk', alg: 'ES256', key: { ...ecJwk, key_ops: ['sign'], ext: true, note: 'for nobody' } },
    { kid: 'secret', alg: 'HS256', key: 'a secret of 32 bytes or more, for nobody' },
  ]
  const database = useDatabase()

  function createApp(userData: CustomUserData<object>): express.Express {
    return express().use('/.well-known/jwks.json', userData.jwks())
  }

  it('has each public key with its name, its algorithm and its use', async () => {
    const app = createApp(createTestUserData(database, { keys }))
    const { body, headers } = await request(app).get('/.well-known/jwks.json').expect(200)
    expect(headers['content-type']).toMatch(/^application\/jwk-set\+json/)
    expect(body).toEqual({
      keys: [
        { kid: 'rsa', alg: 'PS256', use: 'sig', kty: 'RSA', n: expect.any(String), e: 'AQAB' },
        {
          kid: 'ec',
          alg: 'ES384',
          use: 'sig',
          kty: 'EC',
          crv: 'P-384',
          x: expect.any(String),
          y: expect.any(String),
        },
        { kid: 'ec-jwk', alg: 'ES256', use: 'sig', kty: 'EC', crv: 'P-256', x: ecJwk.x, y: ecJwk.y },
      ],
    })
  })

  it('has no secret and no private member, of any key', async () => {
    const app = createApp(createTestUserData(database, { keys }))
    const { body, text } = await request(app).get('/.well-known/jwks.json')
    for (const key of body.keys) {
      expect(Object.keys(key as object).filter(member => PRIVATE_MEMBERS.includes(member))).toEqual([])
    }
    expect(text).not.toContain(ecJwk.d)
    expect(text).not.toContain('secret')
  })

  it('is empty if there is only a secret', async () => {
    const app = createApp(createTestUserData(database))
    await request(app).get('/.well-known/jwks.json').expect(200, { keys: [] })
  })

  it('follows replaceKeys()', async () => {
    const userData = createTestUserData(database, { keys })
    const app = createApp(userData)
    userData.replaceKeys(keys.slice(2))
    const { body } = await request(app).get('/.well-known/jwks.json')
    expect(body.keys).toMatchObject([{ kid: 'ec-jwk' }])
  })

  it('may be cached for ten minutes', async () => {
    const app = createApp(createTestUserData(database, { keys }))
    const { headers } = await request(app).get('/.well-known/jwks.json')
    expect(headers['cache-control']).toBe('public, max-age=600')
  })

  it('answers HEAD as GET, and any other method with 405', async () => {
    const app = createApp(createTestUserData(database, { keys }))
    await request(app)
      .head('/.well-known/jwks.json')
      .expect(200)
      .expect('cache-control', 'public, max-age=600')
    for (const method of ['post', 'put', 'patch', 'delete', 'options'] as const) {
      const { headers, text } = await request(app)[method]('/.well-known/jwks.json').expect(405)
      expect(headers['allow']).toBe('GET, HEAD')
      expect(headers).not.toHaveProperty('cache-control')
      expect(text).toBe('')
    }
  })

  it('is enough for another instance to accept our tokens', async () => {
    // Only an issuer on loopback may have its keys on loopback by http.
    const issuer = 'http://localhost/ours'
    const ours = createTestUserData(database, { keys, issuer })
    const server = await serve(createApp(ours))
    const jwksUri = `${server.origin}/.well-known/jwks.json`
    const theirs = createTestUserData(database, {
      issuer: 'https://theirs.example.com',
      trustedIssuers: [
        {
          issuer,
          audience: AUDIENCE,
          algorithms: ['PS256', 'ES256'],
          jwksUri,
          userIdPrefix: 'ours|',
        },
      ],
    })
    theirs.events.on('warning', ({ code }) => {
      expect(code).toBe('key_ignored')
    })
    await theirs.ready()
    const guarded = createGuardedApp(theirs)
    const { access_token: token } = await ours.issueTokens('alice')
    const { body } = await request(guarded).get('/me').auth(token, { type: 'bearer' }).expect(200)
    expect(body.id).toBe('ours|alice')
    // Another key signs from now on; its public half was published before.
    ours.replaceKeys([keys[2]!, keys[0]!])
    const { access_token: next } = await ours.issueTokens('alice')
    await request(guarded).get('/me').auth(next, { type: 'bearer' }).expect(200)
    await theirs.close()
    await server.close()
  })
})
