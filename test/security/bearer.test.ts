import { createHash } from 'node:crypto'
import express from 'express'
import supertest from 'supertest'
import type { Test } from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { forgeToken, validClaims } from '../support/user-data.js'
import { createService } from './service.js'
import type { Service } from './service.js'

// RFC 6750, and RFC 6749 for the token endpoints. test/attacks has malformed and repeated Authorization headers and hostile
// text in challenges, and checks the challenge of each 401.

const database = useDatabase()
let service: Service
beforeAll(async () => {
  service = await createService(database)
})

describe('challenges', () => {
  it('wrong credentials are a 401 without a Bearer challenge: no token was presented', async () => {
    const answer = await service.post('/login', { id: 'nobody' })
    expect(answer.status).toBe(401)
    expect(answer.body).toMatchObject({ error: 'invalid_credentials' })
    expect(answer.headers).not.toHaveProperty('www-authenticate')
  })

  it('without a token in the request, the challenge has no error', async () => {
    const answer = await service.me()
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="api"')
  })

  it.each([
    { title: 'a malformed header', status: 400, error: 'invalid_request', authorization: 'Bearer a b' },
    { title: 'junk for a token', status: 401, error: 'invalid_token', authorization: 'Bearer junk' },
    { title: 'an expired token', status: 401, error: 'invalid_token', authorization: bearer({ exp: 1 }) },
  ])('$title: $status, $error', async ({ status, error, authorization }) => {
    const answer = await service.me().set('Authorization', authorization)
    expect(answer.status).toBe(status)
    expect(answer.headers['www-authenticate']).toContain(`Bearer realm="api", error="${error}"`)
  })

  it('a user without a required document is refused with 403, insufficient_scope', async () => {
    const strict = await createService(database, { requireDocument: true })
    const answer = await strict.me(forgeToken())
    expect(answer.status).toBe(403)
    expect(answer.headers['www-authenticate']).toContain('error="insufficient_scope"')
  })

  it('a realm that would break the challenge is refused at creation', async () => {
    for (const realm of ['a"b', 'a\\b', 'a\r\nX: y', 'caf\u00e9', '']) {
      await expect(createService(database, { realm })).rejects.toThrow('option "realm"')
    }
  })
})

describe('tokens in other places', () => {
  const tokenPlaces = { query: 'access_token', form: 'access_token', cookie: 'access_token' }
  const formParser = express.urlencoded({ extended: false })
  let anywhere: Service
  let nowhere: Service
  beforeAll(async () => {
    const before = [formParser]
    anywhere = await createService(database, { tokenPlaces, before })
    nowhere = await createService(database, { before })
  })

  const token = forgeToken()
  const places: Readonly<Record<string, (service: Service) => Test>> = {
    query: ({ app }) => supertest(app).get(`/me?access_token=${token}`),
    form: ({ app }) => supertest(app).post('/me').type('form').send({ access_token: token }),
    cookie: ({ app }) => supertest(app).get('/me').set('Cookie', `access_token=${token}`),
  }

  it.each(Object.keys(places))('a token in the %s counts only if the option says so', async place => {
    expect((await places[place]!(nowhere)).status).toBe(401)
    expect((await places[place]!(anywhere)).status).toBe(200)
  })

  it.each(Object.keys(places))('a token in the %s and one in the header: 400, cached or not', async place => {
    const withBoth = (): Test => places[place]!(anywhere).auth(token, { type: 'bearer' })
    expect((await withBoth()).status).toBe(400)
    expect((await anywhere.me(token)).status).toBe(200)
    expect((await withBoth()).status).toBe(400)
  })

  it('a token in the query and one in the cookie: 400', async () => {
    const answer = await places['query']!(anywhere).set('Cookie', `access_token=${token}`)
    expect(answer.status).toBe(400)
  })

  it('no cache keeps the answer to an address that contains a token', async () => {
    expect((await places['query']!(anywhere)).headers['cache-control']).toBe('no-store')
  })

  it('a form counts only as the body of a POST with the content type of forms', async () => {
    const asJson = supertest(anywhere.app).post('/me').send({ access_token: token })
    expect((await asJson).status).toBe(401)
    const put = supertest(anywhere.app).put('/me').type('form').send({ access_token: token })
    expect((await put).status).toBe(401)
  })
})

describe('token endpoints', () => {
  it.each([
    { title: 'a login', path: '/login', body: { id: 'alice' }, status: 200 },
    { title: 'a refused login', path: '/login', body: { id: 'nobody' }, status: 401 },
    { title: 'a refused refresh', path: '/refresh', body: { refresh_token: 'x' }, status: 400 },
    { title: 'a malformed refresh', path: '/refresh', body: {}, status: 400 },
  ])('ASVS 14.3.2: no cache keeps the answer to $title', async ({ path, body, status }) => {
    const answer = await service.post(path, body)
    expect(answer.status).toBe(status)
    expect(answer.headers['cache-control']).toBe('no-store')
  })

  it('ASVS 14.3.2: no cache keeps the answer to a refresh', async () => {
    const { refresh_token } = await service.login('alice')
    const answer = await service.post('/refresh', { refresh_token })
    expect(answer.status).toBe(200)
    expect(answer.headers['cache-control']).toBe('no-store')
  })

  const strange = [{}, { $gt: '' }, [], ['x'], 1, true, null, '', 'x'.repeat(2_000)].map(value => ({ value }))

  it.each(strange)('ASVS 15.3.5: a refresh token that is $value is an invalid request', async ({ value }) => {
    const answer = await service.post('/refresh', { refresh_token: value })
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({ error: 'invalid_request' })
  })

  it('a refresh token that is unknown is an invalid grant', async () => {
    const { refresh_token } = await service.login('alice')
    const digest = createHash('sha256').update(refresh_token).digest('base64url')
    for (const unknown of ['x', `${refresh_token}x`, refresh_token.replace('.0.', '.1.'), digest]) {
      const answer = await service.post('/refresh', { refresh_token: unknown })
      expect(answer.status).toBe(400)
      expect(answer.body).toMatchObject({ error: 'invalid_grant' })
    }
  })

  it('ASVS 15.3.7: a repeated parameter is an invalid request', async () => {
    const { refresh_token } = await service.login('alice')
    const twice = `refresh_token=${refresh_token}&refresh_token=${refresh_token}`
    for (const path of ['/refresh', '/logout']) {
      const answer = await supertest(service.app).post(path).type('form').send(twice)
      expect(answer.status).toBe(400)
      expect(answer.body).toMatchObject({ error: 'invalid_request' })
    }
  })

  it.each(['/login', '/refresh', '/logout'])('%s takes only JSON and forms as bodies', async path => {
    for (const body of ['[]', '"text"', 'null', '{']) {
      const answer = await supertest(service.app).post(path).type('json').send(body)
      expect(answer.status).toBe(400)
      expect(answer.body).toMatchObject({ error: 'invalid_request' })
    }
  })
})

function bearer(claims: Record<string, unknown>): string {
  return `Bearer ${forgeToken({ claims: { ...validClaims(), ...claims } })}`
}
