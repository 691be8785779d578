import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT } from 'jose'
import request from 'supertest'
import { describe, expect, it, onTestFinished } from 'vitest'
import { runExample } from '../support/run-example.js'
import { getMe, logIn, MAIN, startServer } from './server-requests.js'

const API = 'https://api.example.com'

describe('the keys of the server example', () => {
  it.each(['ES256', 'RS256'])(
    'are a published key pair of %s if ACCESS_TOKEN_JWK contains one',
    async alg => {
      const { url } = await startServer({ ACCESS_TOKEN_JWK: JSON.stringify(createJwk(alg)) })
      const { access_token } = await logIn(url, 'alice@example.com')
      expect(headerOf(access_token)).toEqual({ alg, kid: 'pair', typ: 'at+jwt' })
      expect((await getMe(url, access_token)).status).toBe(200)
      const { keys } = (await request(url).get('/.well-known/jwks.json')).body
      expect(keys).toEqual([expect.objectContaining({ kid: 'pair', alg, use: 'sig' })])
      for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi']) expect(keys[0]).not.toHaveProperty(member)
    },
  )

  it('are not published if they are a secret', async () => {
    const { url } = await startServer()
    expect((await request(url).get('/.well-known/jwks.json')).body).toEqual({ keys: [] })
  })

  it.each([
    [{ ACCESS_TOKEN_JWK: '{"d":"hidden"' }, 'ACCESS_TOKEN_JWK: write a private JWK as JSON'],
    [{ ACCESS_TOKEN_JWK: '{"kid":"a","alg":"ES256"}' }, 'the private part "d" is missing'],
    [{ ACCESS_TOKEN_JWK: JSON.stringify(createJwk('ES256', 'RS256')) }, 'of type ec: RS256 needs rsa'],
    [
      { ACCESS_TOKEN_JWK: JSON.stringify(createJwk('ES256')), ACCESS_TOKEN_SECRET: 'hidden'.repeat(9) },
      'set one of the two',
    ],
    [{ TRUSTED_ISSUERS: 'hidden' }, 'TRUSTED_ISSUERS: write a JSON list'],
    [{ TRUSTED_ISSUERS: '{}' }, 'TRUSTED_ISSUERS: write a JSON list'],
    [{ TRUSTED_ISSUERS: '[{"issuer":"https://a"}]' }, 'trustedIssuers.0.audience'],
  ])('cause exit code 1 and a message with what to write if they are %j', async (env, message) => {
    const example = runExample(MAIN, { MONGODB_URI: 'mongodb://127.0.0.1:1/nothing', ...env })
    expect((await example.ended()).exitCode).toBe(1)
    expect(example.output()).toContain(message)
    expect(example.output()).not.toContain('hidden')
  })
})

describe('the trusted issuers of the server example', () => {
  it('vouch for their own users, who are separate from our users', async () => {
    const [first, second] = [await startIssuer('RS256'), await startIssuer('ES256')]
    const { url, db } = await startServer({
      TRUSTED_ISSUERS: JSON.stringify([first.trusted, second.trusted]),
    })
    const userId = `${first.trusted.issuer}|alice`
    await db.collection('custom_user_data').insertOne({ userId, language: 'de' })
    expect((await getMe(url, await first.sign())).body).toMatchObject({
      id: userId,
      customData: { language: 'de' },
    })
    expect((await getMe(url, await second.sign())).body).toEqual({
      id: `${second.trusted.issuer}|alice`,
      customData: {},
    })
  })

  it('cannot use tokens for another audience, or tokens that another issuer has signed', async () => {
    const [first, second] = [await startIssuer('RS256'), await startIssuer('RS256')]
    const { url } = await startServer({ TRUSTED_ISSUERS: JSON.stringify([first.trusted, second.trusted]) })
    for (const claims of [{ aud: 'https://other.example.com' }, { iss: second.trusted.issuer }]) {
      expect((await getMe(url, await first.sign(claims))).status).toBe(401)
    }
  })
})

function createKeyPair(alg: string): { privateKey: KeyObject; publicKey: KeyObject } {
  return alg === 'ES256'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 })
}

function createJwk(type: string, alg = type): object {
  return { ...createKeyPair(type).privateKey.export({ format: 'jwk' }), kid: 'pair', alg }
}

/** An issuer on loopback that publishes its signing key. */
async function startIssuer(alg: string) {
  const { privateKey, publicKey } = createKeyPair(alg)
  const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: 'theirs', alg, use: 'sig' }]
  const server = createServer((_req, res) => res.end(JSON.stringify({ keys }))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const sign = (claims: Record<string, unknown> = {}): Promise<string> =>
    new SignJWT({ iss: issuer, aud: API, sub: 'alice', client_id: 'app', jti: 'one', ...claims })
      .setProtectedHeader({ alg, kid: 'theirs', typ: 'at+jwt' })
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey)
  return { trusted: { issuer, audience: API, jwksUri: `${issuer}/jwks.json`, algorithms: [alg] }, sign }
}

function headerOf(token: string): unknown {
  return JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString())
}
