import express from 'express'
import type { RequestHandler } from 'express'
import session from 'express-session'
import passport from 'passport'
import supertest from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { readBearerToken, requireTokenForm } from '../../lib/authenticate/bearer-token.js'
import { withToken } from '../attacks/attack.js'
import { sendRaw } from '../attacks/raw-request.js'
import { serve } from '../attacks/server.js'
import { useDatabase } from '../support/database.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'
import { createService } from './service.js'

// Holes that other packages had in their handling of requests and users. test/attacks has the forged tokens.

const database = useDatabase()
beforeEach(async () => {
  const documents = database.db.collection('custom_user_data')
  await documents.deleteMany({})
  await documents.insertMany(['alice', 'bob', '__proto__'].map(userId => ({ userId, of: userId })))
})

function tokenOf(sub: string): string {
  return forgeToken({ claims: validClaims(sub) })
}

describe('one user, many requests', () => {
  it('a thousand identical requests get the same answer', async () => {
    const { app } = await createService(database)
    const server = await serve(app)
    const request = { path: '/me', ...withToken(tokenOf('alice')) }
    const statuses = new Map<number, number>()
    for (let sent = 0; sent < 1_000; sent++) {
      const { status } = await sendRaw(server.port, request)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
    server.close()
    expect([...statuses]).toEqual([[200, 1_000]])
  })

  it('concurrent requests never share a user, not even with one instance of the strategy', async () => {
    const app = express()
    const guard = passport.authenticate(createTestUserData(database).strategy(), {
      session: false,
    }) as RequestHandler
    app.get('/me', guard, (req, res) => res.json(req.user))
    const server = await serve(app)
    const users = Array.from({ length: 200 }, (_none, index) => (index % 2 === 0 ? 'alice' : 'bob'))
    const answers = await Promise.all(
      users.map(user => sendRaw(server.port, { path: '/me', ...withToken(tokenOf(user)) })),
    )
    server.close()
    for (const [index, { text }] of answers.entries()) {
      expect(text).toContain(`"id":"${users[index]!}","customData":{`)
      expect(text).toContain(`"of":"${users[index]!}"`)
    }
  })
})

describe('sessions of the app', () => {
  const keepVisit: RequestHandler = (req, _res, next) => {
    Object.assign(req.session, { seen: true })
    next()
  }
  const before = [session({ secret: 'of the app', resave: false, saveUninitialized: false }), keepVisit]

  it('are not changed: no new id and no stored user, by guard or by passport', async () => {
    const { app, userData } = await createService(database, { before })
    const throughPassport = new passport.Passport().use(userData.strategy()).authenticate('custom-user-data')
    app.get('/passport', throughPassport as RequestHandler, (req, res) => res.json(req.user))
    app.get('/session', (req, res) => res.json({ sessionId: req.sessionID, keys: Object.keys(req.session) }))
    const agent = supertest.agent(app)
    const { body: first } = await agent.get('/session')
    for (const path of ['/me', '/passport']) {
      const answer = await agent.get(path).auth(tokenOf('alice'), { type: 'bearer' })
      expect(answer.status).toBe(200)
      expect(answer.headers).not.toHaveProperty('set-cookie')
    }
    const { body: last } = await agent.get('/session')
    expect(last).toEqual({ sessionId: first.sessionId, keys: ['cookie', 'seen'] })
    expect((await agent.get('/me')).status).toBe(401)
  })
})

describe('the identity of the user', () => {
  const posing: RequestHandler = (req, _res, next) => {
    req.user = { id: 'bob', customData: { of: 'bob' }, claims: {} } as unknown as Express.User
    next()
  }

  it('comes only from the token, never from the query, the body, a header or earlier middleware', async () => {
    const { app } = await createService(database, { before: [express.json(), posing] })
    const ask = (): supertest.Test =>
      supertest(app)
        .post('/me?userId=bob&user=bob&sub=bob')
        .set('X-User-Id', 'bob')
        .send({ userId: 'bob', id: 'bob' })
    expect((await ask()).status).toBe(401)
    const { body } = await ask().auth(tokenOf('alice'), { type: 'bearer' })
    expect(body).toMatchObject({ id: 'alice', customData: { of: 'alice' } })
  })

  it('is removed by an optional guard if the request has no token', async () => {
    const userData = createTestUserData(database)
    const app = express().use(posing, userData.authenticate({ optional: true }))
    app.get('/me', (req, res) => res.json({ user: req.user ?? null }))
    expect((await supertest(app).get('/me')).body).toEqual({ user: null })
  })

  it.each([
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'role:admin',
    '$where',
    'a.b',
    '\u0000',
  ])('may be %j, like any other name', async sub => {
    const { me } = await createService(database)
    const { status, body } = await me(tokenOf(sub))
    expect(status).toBe(200)
    expect(body.id).toBe(sub)
    expect(body.customData.of).toBe(sub === '__proto__' ? sub : undefined)
  })

  it('does not change by a claim named __proto__, which is an ordinary claim', async () => {
    const userData = createTestUserData(database)
    const claims = JSON.parse(
      JSON.stringify(validClaims()).replace('{', '{"__proto__":{"isAdmin":true},'),
    ) as object
    const user = await userData.verifyToken(forgeToken({ claims }))
    expect(Object.hasOwn(user.claims, '__proto__')).toBe(true)
    for (const object of [user, user.claims, { ...user.claims }, {}]) {
      expect((object as { isAdmin?: boolean }).isAdmin).toBeUndefined()
    }
  })
})

describe('a query to MongoDB', () => {
  const operators = [
    { $ne: null },
    { $regex: '' },
    { $where: '1' },
    ['alice'],
    { _bsontype: 'ObjectId' },
  ].map(operator => ({ operator }))

  it.each(operators)('never contains $operator from any field of a login', async ({ operator }) => {
    const { post } = await createService(database)
    database.commands.clear()
    for (const body of [
      { id: operator },
      { id: 'alice', more: operator },
      { more: 1, id: 'alice', last: operator },
    ]) {
      const answer = await post('/login', body)
      expect(answer.status).toBe(400)
      expect(answer.body).toMatchObject({ error: 'invalid_request' })
    }
    expect(database.commands.named('find', 'aggregate', 'insert', 'update')).toHaveLength(0)
  })

  it.each(operators)('never contains $operator from a claim', async ({ operator }) => {
    const { me } = await createService(database)
    database.commands.clear()
    expect((await me(forgeToken({ claims: { ...validClaims(), sub: operator } }))).status).toBe(401)
    expect(database.commands.named('find', 'aggregate', 'insert', 'update')).toHaveLength(0)
    // In other claims an operator is the app's concern, and never reaches MongoDB.
    const answer = await me(forgeToken({ claims: { ...validClaims(), extra: operator } }))
    expect(answer.status).toBe(200)
    expect(answer.body.claims.extra).toEqual(operator)
    const [query] = database.commands.loads()
    const filter = { userId: { $in: ['alice'], $not: { $type: 'array' } } }
    expect(query!.command).toMatchObject({ find: 'custom_user_data', filter })
  })
})

describe('the header parser', () => {
  const runs = ['Bearer ', 'Bearer', ' ', 'a', '=', '.', '~', '\t', ',', 'Bearer a', 'Bearer a ', 'Bearer a=']

  it.each(runs)('takes time in proportion to the length, of %j again and again', run => {
    const SIZE = 16 * 1024
    const FACTOR = 16
    const short = fastest(run.repeat(SIZE / run.length))
    const long = fastest(run.repeat((FACTOR * SIZE) / run.length))
    // A parser that is quadratic takes 256 times as long; noise does not reach a quarter of that.
    expect(long).toBeLessThan((short + 0.05) * FACTOR * 4)
  })

  /** Measures the fastest of seven parses in milliseconds, with the value in each place of a header. */
  function fastest(value: string): number {
    const headers = [value, `Bearer ${value}`, `Bearer ${value}!`, `Bearer${value}\n`]
    const times = Array.from({ length: 7 }, () => {
      const began = performance.now()
      for (const header of headers) parse(header)
      return performance.now() - began
    })
    return Math.min(...times)
  }

  function parse(header: string): void {
    try {
      requireTokenForm(readBearerToken({ headers: { authorization: header } }) ?? '')
    } catch {
      // Most of these headers are refused.
    }
  }
})
