import type { Express } from 'express'
import type { CustomUserData, TokenAnswer } from 'express-custom-user-data'
import request from 'supertest'
import type { Response } from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SessionDocument } from '../../lib/sessions/session-document.js'
import { openDatabase } from '../support/database.js'
import { letExchangesAge } from '../support/exchange-times.js'
import type { TestDatabase } from '../support/database.js'
import {
  createSessionApp,
  exchange,
  expectInvalidGrant,
  getMe,
  logIn,
  logOut,
  recordEvents,
  refresh,
  sidOf,
} from '../support/session-app.js'
import { AUDIENCE, createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

// Requirements for sessions that no test of test/sessions shows. test/sessions-load tests them with several processes.

interface Instance {
  userData: CustomUserData<Readonly<Record<string, unknown>>>
  app: Express
  events: Record<string, unknown>[]
}

let databases: TestDatabase[]
let instances: [Instance, Instance]
beforeAll(async () => {
  databases = [await openDatabase(), await openDatabase()]
  const { databaseName } = databases[0]!.db
  // The two instances share nothing but the database, like two processes.
  instances = databases.map(({ client }) => start(client.db(databaseName))) as typeof instances
})
afterAll(async () => {
  for (const database of databases) await database.close()
})

function start(db: TestDatabase['db'], options: object = {}): Instance {
  const userData = createTestUserData({ db }, { sessionTimeoutMs: 10_000, ...options })
  return { userData, app: createSessionApp(userData), events: recordEvents(userData) }
}

function claimsOf({ access_token: token }: TokenAnswer<object>): Record<string, unknown> {
  const payload = Buffer.from(token.split('.')[1]!, 'base64url').toString()
  return JSON.parse(payload) as Record<string, unknown>
}

const stored = (token: string) =>
  databases[0]!.db.collection<SessionDocument>('custom_user_data_sessions').findOne({ _id: sidOf(token) })

/** Sends the same request to both instances at once, many times. */
function fromBoth(times: number, send: (app: Express) => PromiseLike<Response>): Promise<Response[]> {
  return Promise.all(Array.from({ length: times }, (_none, n) => send(instances[n % 2]!.app)))
}

describe('the answer of a refresh', () => {
  it('is for the same user, audience, client and session, even if the request asks for others', async () => {
    const [{ app }] = instances
    const login = await logIn(app)
    const wider = { audience: 'https://other.example.com', resource: 'https://other.example.com' }
    const other = { client_id: 'other', user: 'bob', sub: 'bob', sid: 'A'.repeat(22) }
    const answer = await refresh(app, login.refresh_token).send({ ...wider, ...other })
    expect(answer.status).toBe(200)
    const [before, after] = [claimsOf(login), claimsOf(answer.body as TokenAnswer<object>)]
    const { iat, exp, jti } = after
    expect(after).toEqual({ ...before, iat, exp, jti })
    expect(after).toMatchObject({ sub: 'alice', aud: AUDIENCE, client_id: AUDIENCE })
    expect(after).not.toHaveProperty('scope')
    expect(Number(exp) - Number(iat)).toBe(1_800)
    expect(jti).not.toBe(before['jti'])
    expect(answer.body).not.toHaveProperty('scope')
  })

  it('is refused for a scope, since none was granted (RFC 6749 6)', async () => {
    const [{ app }] = instances
    const { refresh_token: token } = await logIn(app)
    const answer = await refresh(app, token).send({ scope: 'admin' })
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_scope' } })
  })

  it('is refused for the password grant, also with right credentials (RFC 6749 5.2)', async () => {
    const [{ app }] = instances
    const grant = { grant_type: 'password', username: 'alice', password: 'right', user: 'alice' }
    const answer = await request(app).post('/refresh').type('form').send(grant)
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({ error: 'unsupported_grant_type' })
  })
})

describe('a token that is bound to a key', () => {
  it.each([{ jkt: 'thumbprint' }, { 'x5t#S256': 'thumbprint' }, {}, null])(
    'is not accepted as a bearer token, because its proof is not checked: %j',
    async cnf => {
      const [{ app }] = instances
      expect((await getMe(app, forgeToken({ claims: validClaims() }))).status).toBe(200)
      const answer = await getMe(app, forgeToken({ claims: { ...validClaims(), cnf } }))
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toContain('error="invalid_token"')
    },
  )
})

describe('a refresh token that is presented many times at once, to two instances', () => {
  it('ASVS 15.4.2: is exchanged once, and all requests get the same successor', async () => {
    const token = (await logIn(instances[0].app)).refresh_token
    const answers = await fromBoth(40, app => refresh(app, token))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    const successors = answers.map(({ body }) => (body as TokenAnswer<object>).refresh_token)
    expect(new Set(successors).size).toBe(1)
    expect(await stored(token)).toMatchObject({ generation: 1, revokedAt: null })
    const sid = sidOf(token)
    const told = instances.flatMap(({ events }) => events).filter(event => event['sid'] === sid)
    expect(told.filter(({ name }) => name === 'refreshed')).toHaveLength(1)
    expect(told.filter(({ name }) => name === 'replayed')).toHaveLength(39)
  })

  it('ends its session if its successor was used longer ago than the tolerance, and all requests are refused', async () => {
    const [{ app }] = instances
    const first = (await logIn(app)).refresh_token
    const third = await exchange(app, await exchange(app, first))
    await letExchangesAge(databases[0]!.db, 30_000, first)
    for (const answer of await fromBoth(20, at => refresh(at, first))) expectInvalidGrant(answer)
    expect(await stored(first)).toMatchObject({ generation: 2, revokedAt: expect.any(Date) })
    expectInvalidGrant(await refresh(app, third))
  })

  it('is refused after a simultaneous logout was answered', async () => {
    const token = (await logIn(instances[0].app)).refresh_token
    const refreshes = fromBoth(20, app => refresh(app, token))
    expect((await logOut(instances[1].app, token)).status).toBe(204)
    for (const answer of await fromBoth(4, app => refresh(app, token))) expectInvalidGrant(answer)
    for (const { status, body } of await refreshes) {
      if (status !== 200) continue
      const { refresh_token: successor } = body as TokenAnswer<object>
      expectInvalidGrant(await refresh(instances[0].app, successor))
    }
  })
})

describe('a client that loses answers', () => {
  it('to every one of its refreshes is still logged in, by whichever instance it asks next', async () => {
    let token = (await logIn(instances[0].app)).refresh_token
    const sid = sidOf(token)
    for (let n = 0; n < 20; n++) {
      const lost = await exchange(instances[n % 2]!.app, token)
      // The client knows only the token that it sent.
      const again = await exchange(instances[(n + 1) % 2]!.app, token)
      expect(again).toBe(lost)
      token = again
    }
    expect(await stored(token)).toMatchObject({ generation: 20, revokedAt: null })
    const told = instances.flatMap(({ events }) => events).filter(event => event['sid'] === sid)
    expect(told.filter(({ name }) => name === 'reuse_detected')).toEqual([])
  })

  it('in two tabs that refresh at the same time keeps its session in both', async () => {
    let token = (await logIn(instances[0].app)).refresh_token
    for (let n = 0; n < 10; n++) {
      const [one, two] = await Promise.all(instances.map(({ app }) => exchange(app, token)))
      expect(one).toBe(two)
      token = one!
    }
    expect(await stored(token)).toMatchObject({ generation: 10, revokedAt: null })
  })
})
