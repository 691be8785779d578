import express from 'express'
import request from 'supertest'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { letExchangesAge } from '../support/exchange-times.js'
import { createTestUserData } from '../support/user-data.js'

const TTL_SECONDS = 3600

const database = useDatabase()
let clock: ManualClock
let app: express.Express
let refreshToken: string
beforeAll(async () => {
  await database.db.collection('custom_user_data').insertOne({ userId: 'alice', version: 1 })
})
beforeEach(async () => {
  // Far off, so that MongoDB, which goes by its own clock, does not clean up what expires here.
  clock = createManualClock(4_000_000_000_000)
  app = createApp()
  refreshToken = await logIn()
})

function createApp(from: Pick<TestDatabase, 'db'> = database, options = {}) {
  const userData = createTestUserData(from, { clock, refreshTokenTtlSeconds: TTL_SECONDS, ...options })
  const created = express()
  created.post(
    '/login',
    userData.login(() => ({ id: 'alice' })),
  )
  created.post('/refresh', userData.refresh())
  created.post('/logout', userData.logout())
  return created.get('/me', userData.authenticate(), (req, res) => res.json(req.user))
}

async function logIn(): Promise<string> {
  return String((await request(app).post('/login').send({ email: 'a' })).body.refresh_token)
}

const refresh = (token: string, from = app) => request(from).post('/refresh').send({ refresh_token: token })
const logOut = (token: string) => request(app).post('/logout').send({ refresh_token: token })

async function expectInvalidGrant(token: string): Promise<void> {
  const answer = await refresh(token)
  expect(answer.body).toEqual({ error: 'invalid_grant', error_description: expect.any(String) })
  expect(answer.status).toBe(400)
  expect(answer.headers['cache-control']).toBe('no-store')
  expect(answer.headers).not.toHaveProperty('www-authenticate')
}

const NOBODYS = `${'A'.repeat(22)}.0.${'A'.repeat(43)}.${'A'.repeat(22)}`

/** The same session and generation, with another secret. */
function withOtherSecret(token: string): string {
  const [sid, generation, , seal] = token.split('.')
  return [sid, generation, 'A'.repeat(43), seal].join('.')
}

describe('a refresh', () => {
  it('answers as a login does, with a new pair of tokens', async () => {
    const answer = await refresh(refreshToken)
    expect(answer.status).toBe(200)
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 1800,
      refresh_token: expect.stringMatching(/^[\w-]{22}\.1\.[\w-]{43}\.[\w-]{22}$/),
      user: { id: 'alice', customData: { _id: expect.any(String), userId: 'alice', version: 1 } },
    })
    expect(answer.body.refresh_token).not.toBe(refreshToken)
    const me = await request(app).get('/me').auth(answer.body.access_token, { type: 'bearer' })
    expect(me.body.customData).toEqual(answer.body.user.customData)
  })

  it('accepts a form', async () => {
    const answer = await request(app).post('/refresh').type('form').send({ refresh_token: refreshToken })
    expect(answer.status).toBe(200)
  })

  it('stays in the session', async () => {
    const first = await refresh(refreshToken)
    const second = await refresh(first.body.refresh_token)
    const sidOf = (text: string) => text.split('.')[0]
    expect(sidOf(second.body.refresh_token)).toBe(sidOf(refreshToken))
    expect(second.body.refresh_token).toMatch(/^[\w-]{22}\.2\./)
  })

  it('loads the data again, and does not change the snapshots of older access tokens', async () => {
    const login = await request(app).post('/login').send({ email: 'a' })
    const collection = database.db.collection('custom_user_data')
    await collection.updateOne({ userId: 'alice' }, { $set: { version: 2 } })
    const answer = await refresh(login.body.refresh_token)
    expect(answer.body.user.customData.version).toBe(2)
    const old = await request(app).get('/me').auth(login.body.access_token, { type: 'bearer' })
    expect(old.body.customData.version).toBe(1)
    await collection.updateOne({ userId: 'alice' }, { $set: { version: 1 } })
  })
})

describe('a refresh as OAuth clients ask for it (RFC 6749 6)', () => {
  const ask = (body: object) => request(app).post('/refresh').type('form').send(body)

  it('takes grant_type=refresh_token, and parameters without a value as if they were missing', async () => {
    const first = await ask({ grant_type: 'refresh_token', refresh_token: refreshToken, client_id: 'app' })
    expect(first.status).toBe(200)
    const next = { refresh_token: String(first.body.refresh_token), grant_type: '', scope: '' }
    expect((await ask(next)).status).toBe(200)
  })

  it.each([
    [{ grant_type: 'password' }, 'unsupported_grant_type'],
    [{ grant_type: 'authorization_code' }, 'unsupported_grant_type'],
    [{ grant_type: 'refresh_token', scope: 'admin' }, 'invalid_scope'],
    [{ scope: 'openid profile' }, 'invalid_scope'],
    [{ grant_type: ['refresh_token', 'refresh_token'] }, 'invalid_request'],
    [{ scope: ['a', 'b'] }, 'invalid_request'],
  ])('refuses what it cannot give, and consumes nothing: %j', async (parameters, error) => {
    const answer = await ask({ ...parameters, refresh_token: refreshToken })
    expect(answer).toMatchObject({ status: 400, body: { error } })
    expect((await request(app).post('/refresh').send({ refresh_token: refreshToken })).status).toBe(200)
  })
})

describe('a refresh token', () => {
  it('is valid until its successor was used, and for the tolerance after that', async () => {
    const next = await refresh(refreshToken)
    expect((await refresh(refreshToken)).body.refresh_token).toBe(next.body.refresh_token)
    const latest = await refresh(next.body.refresh_token)
    expect((await refresh(refreshToken)).body.refresh_token).toBe(latest.body.refresh_token)
    await letExchangesAge(database.db, 30_000)
    await expectInvalidGrant(refreshToken)
  })

  it('has one successor, even if it is exchanged several times at once', async () => {
    for (let round = 0; round < 5; round++) {
      const token = await logIn()
      const answers = await Promise.all(Array.from({ length: 2 + round }, () => refresh(token)))
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
      expect(new Set(answers.map(({ body }) => body.refresh_token as string)).size).toBe(1)
    }
  })

  it('expires at its exact millisecond, and no exchange extends that', async () => {
    const other = await logIn()
    clock.advance(TTL_SECONDS * 1000 - 1)
    const next = await refresh(refreshToken)
    expect(next.status).toBe(200)
    clock.advance(1)
    await expectInvalidGrant(other)
    await expectInvalidGrant(next.body.refresh_token)
  })

  it('that was never issued is refused', async () => {
    await expectInvalidGrant(NOBODYS)
    await expectInvalidGrant(withOtherSecret(refreshToken))
    await expectInvalidGrant(refreshToken.replace('.0.', '.1.'))
  })

  it.each([
    'a',
    '...',
    'null',
    '[object Object]',
    '{"$gt":""}',
    NOBODYS.replace('.0.', '.00.'),
    NOBODYS.replace('.0.', '.-1.'),
    `${NOBODYS}=`,
    `${NOBODYS}\n`,
    NOBODYS.replace('A', 'ä'),
  ])('that is malformed is refused without a query: %j', async token => {
    database.commands.clear()
    await expectInvalidGrant(token)
    expect(database.commands.named('find', 'aggregate', 'update')).toHaveLength(0)
  })

  it('is not accepted as an access token, and an access token is not accepted as a refresh token', async () => {
    const login = await request(app).post('/login').send({ email: 'a' })
    await expectInvalidGrant(login.body.access_token)
    const me = await request(app).get('/me').auth(login.body.refresh_token, { type: 'bearer' })
    expect(me.status).toBe(401)
  })

  it('is refused if its stored session has no expiry', async () => {
    const sessions = database.db.collection<{ _id: string }>('custom_user_data_sessions')
    const _id = refreshToken.split('.')[0]!
    for (const expiresAt of [null, '', 0, '9999-01-01', { $gt: 0 }]) {
      await sessions.updateOne({ _id }, { $set: { expiresAt } })
      await expectInvalidGrant(refreshToken)
    }
    await sessions.updateOne({ _id }, { $unset: { expiresAt: 1 } })
    await expectInvalidGrant(refreshToken)
  })

  it('is not used up by a refresh that MongoDB could not serve', async () => {
    const proxied = await openProxiedDatabase(database)
    const { proxy } = proxied
    const slow = createApp({ db: proxied.db }, { sessionTimeoutMs: 50 })
    proxy.pause()
    const answer = await refresh(refreshToken, slow)
    proxy.resume()
    expect(answer.status).toBe(503)
    expect(answer.headers['retry-after']).toBe('1')
    expect(answer.body.error).toBe('temporarily_unavailable')
    expect((await refresh(refreshToken)).status).toBe(200)
  })

  it('is not used up if the user is refused or the data cannot be loaded', async () => {
    await database.db.collection('custom_user_data').insertOne({ userId: 'bob', text: 'x'.repeat(1000) })
    const strict = createTestUserData(database, { clock, maxDocumentBytes: 500 })
    const { refresh_token: bobs } = await createTestUserData(database, { clock }).issueTokens('bob')
    const refused = await refresh(bobs, express().post('/refresh', strict.refresh()))
    expect(refused.status).toBe(500)
    expect((await refresh(bobs)).body.user.id).toBe('bob')
  })
})

describe('a logout', () => {
  it('is answered with 204, and ends the session', async () => {
    const answer = await logOut(refreshToken)
    expect(answer.status).toBe(204)
    expect(answer.text).toBe('')
    expect(answer.headers['cache-control']).toBe('no-store')
    await expectInvalidGrant(refreshToken)
  })

  it('ends a session that has been refreshed', async () => {
    const next = await refresh(refreshToken)
    await logOut(next.body.refresh_token)
    await expectInvalidGrant(next.body.refresh_token)
    await expectInvalidGrant(refreshToken)
  })

  it('does not end other sessions of the user', async () => {
    const other = await logIn()
    await logOut(refreshToken)
    expect((await refresh(other)).status).toBe(200)
  })

  it('at the same time as a refresh makes the token unusable, whichever came first', async () => {
    for (let round = 0; round < 5; round++) {
      const token = await logIn()
      const [, refreshed] = await Promise.all([logOut(token), refresh(token)])
      expect([200, 400]).toContain(refreshed.status)
      await expectInvalidGrant(token)
    }
  })

  it('of a token that is unknown, used, expired or malformed is no error (RFC 7009 2.2)', async () => {
    await refresh(refreshToken)
    const expired = await logIn()
    clock.advance(TTL_SECONDS * 1000)
    for (const token of ['a', NOBODYS, refreshToken, expired]) {
      expect((await logOut(token)).status).toBe(204)
    }
  })

  it('without the secret of the token ends no session', async () => {
    expect((await logOut(withOtherSecret(refreshToken))).status).toBe(204)
    expect((await refresh(refreshToken)).status).toBe(200)
  })

  it.each(['json', 'form'])('takes the parameters of RFC 7009 2.1, and ignores the hint (%s)', async type => {
    const ask = (body: object) => request(app).post('/logout').type(type).send(body)
    for (const hint of ['refresh_token', 'access_token', 'anything']) {
      const token = await logIn()
      expect((await ask({ token, token_type_hint: hint })).status).toBe(204)
      await expectInvalidGrant(token)
    }
    expect((await ask({ token: refreshToken, refresh_token: refreshToken })).status).toBe(204)
    await expectInvalidGrant(refreshToken)
  })

  it('refuses two different tokens, and a token that came twice, and ends neither session', async () => {
    const other = await logIn()
    const ask = (body: object) => request(app).post('/logout').type('form').send(body)
    for (const body of [{ token: other, refresh_token: refreshToken }, { token: [other, refreshToken] }]) {
      expect(await ask(body)).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
    }
    for (const token of [other, refreshToken]) expect((await refresh(token)).status).toBe(200)
  })

  it('can be repeated without an error', async () => {
    for (const turn of ['once', 'twice']) expect((await logOut(refreshToken)).status, turn).toBe(204)
  })
})
