import { generateKeyPairSync } from 'node:crypto'
import supertest from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { partsOf } from '../attacks/forge.js'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { AUDIENCE, forgeToken, ISSUER, SECRET, validClaims } from '../support/user-data.js'
import { createService } from './service.js'
import type { Service } from './service.js'

// RFC 9068 and RFC 9457. test/attacks has the token types and claims that must be refused.

const database = useDatabase()
let service: Service
beforeAll(async () => {
  service = await createService(database)
})

describe('access tokens', () => {
  it('of this package name their type and have all claims of the profile', async () => {
    const [header, payload] = partsOf((await service.login('alice')).access_token)
    expect(decode(header)).toMatchObject({ typ: 'at+jwt', alg: 'HS256', kid: expect.any(String) })
    expect(decode(payload)).toEqual({
      iss: ISSUER,
      aud: AUDIENCE,
      sub: 'alice',
      client_id: AUDIENCE,
      sid: expect.any(String),
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: expect.any(Number),
    })
  })

  it('have unique ids', async () => {
    const tokens = await Promise.all([service.login('alice'), service.login('alice')])
    const ids = tokens.map(({ access_token }) => decode(partsOf(access_token)[1])['jti'])
    expect(new Set(ids).size).toBe(2)
  })

  it.each(['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'])(
    'without %s: invalid_token',
    async claim => {
      const answer = await service.me(forgeToken({ claims: { ...validClaims(), [claim]: undefined } }))
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toContain('error="invalid_token"')
    },
  )

  it('RS256 is served, by a private key that signs and a public one that verifies', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const byRsa = await createService(database, { keys: [{ kid: 'r', alg: 'RS256', key: privateKey }] })
    const { access_token } = await byRsa.login('alice')
    expect(decode(partsOf(access_token)[0])).toMatchObject({ alg: 'RS256', kid: 'r' })
    expect((await byRsa.me(access_token)).status).toBe(200)
  })

  it('a token of a client is refused, even if a user has the name of the client', async () => {
    await database.db.collection('custom_user_data').insertOne({ userId: 'client-1', secret: 'of the user' })
    const answer = await service.me(
      forgeToken({ claims: { ...validClaims('client-1'), client_id: 'client-1' } }),
    )
    expect(answer.status).toBe(401)
    expect(answer.text).not.toContain('of the user')
  })
})

/** One request for each way in which the guard answers a mistake of the client. */
const MISTAKES = [
  { title: 'no token', status: 401, authorization: undefined },
  { title: 'a malformed header', status: 400, authorization: 'Bearer a b' },
  { title: 'a token that is none', status: 401, authorization: 'Bearer junk' },
  { title: 'another scheme', status: 401, authorization: 'Basic YTpi' },
]

describe('errors', () => {
  it.each(MISTAKES)(
    '$title: problem details that agree with the status',
    async ({ status, authorization }) => {
      const answer = await get(service, authorization)
      expect(answer.status).toBe(status)
      expect(answer.type).toBe('application/problem+json')
      const { code } = answer.body as { code: string }
      expect(answer.body).toEqual({
        type: `urn:express-custom-user-data:error:${code}`,
        title: expect.any(String),
        status,
        code,
        detail: expect.any(String),
      })
    },
  )

  it("Express's own handler gives status and challenge too, to browsers and to HEAD", async () => {
    const plain = await createService(database, { plainErrors: true })
    for (const { status, authorization } of MISTAKES) {
      const html = await get(plain, authorization).set('Accept', 'text/html')
      const head = await withAuthorization(supertest(plain.app).head('/me'), authorization)
      for (const answer of [html, head]) {
        expect(answer.status).toBe(status)
        expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="api"/)
      }
      expect(html.text).not.toMatch(/node_modules|\n {4}at /)
    }
  })

  it('errorHandler() also gives status and challenge', async () => {
    for (const { status, authorization } of MISTAKES) {
      const head = await withAuthorization(supertest(service.app).head('/me'), authorization)
      expect(head.status).toBe(status)
      expect(head.headers['www-authenticate']).toMatch(/^Bearer realm="api"/)
    }
  })
})

describe('errors while MongoDB is away', () => {
  it('an answer reveals nothing of MongoDB, of the server or of the token', async () => {
    const proxied = await openProxiedDatabase(database, { serverSelectionTimeoutMS: 200 })
    const cut = await createService(proxied, { loadTimeoutMs: 10_000, sessionTimeoutMs: 10_000 })
    const { refresh_token } = await cut.login('alice')
    const causes: unknown[] = []
    cut.userData.events.on('load_failed', ({ error }) => causes.push(error.cause))
    proxied.proxy.cut()
    const token = forgeToken()
    const answers = [
      cut.me(token),
      cut.post('/login', { id: 'bob' }),
      cut.post('/refresh', { refresh_token }),
    ]
    for (const sent of answers) {
      const { status, headers, text } = await sent
      expect(status).toBe(503)
      expect(headers['retry-after']).toBe('1')
      expect(headers).not.toHaveProperty('www-authenticate')
      const whole = JSON.stringify(headers) + text
      for (const secret of [SECRET, token, refresh_token]) expect(whole).not.toContain(secret)
      expect(whole).not.toMatch(/mongodb|ECONN|node_modules|127\.0\.0\.1|\s{4}at /i)
    }
    // The open connection is reset, and new ones are refused. Which error a load meets depends on timing.
    const byNetwork = expect.stringMatching(/ECONNRE(?:FUSED|SET)/) as string
    expect(causes).toContainEqual(expect.objectContaining({ message: byNetwork }))
  })
})

function get({ app }: Service, authorization: string | undefined): supertest.Test {
  return withAuthorization(supertest(app).get('/me'), authorization)
}

function withAuthorization(request: supertest.Test, authorization: string | undefined): supertest.Test {
  return authorization === undefined ? request : request.set('Authorization', authorization)
}

function decode(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
}
