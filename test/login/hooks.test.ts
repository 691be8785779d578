import { once } from 'node:events'
import { ObjectId } from 'mongodb'
import type { Document } from 'mongodb'
import { CustomUserDataError } from 'express-custom-user-data'
import type { CustomUserDataOptions, Hooks } from 'express-custom-user-data'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import {
  createSessionApp,
  exchange,
  getMe,
  logIn,
  logOut,
  recordEvents,
  refresh,
} from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let user: string
beforeEach(() => {
  user = new ObjectId().toHexString()
})

type Options = Partial<CustomUserDataOptions<Document>>

function start(hooks: Hooks, options: Options = {}) {
  const userData = createTestUserData(database, { hooks, ...options })
  return { app: createSessionApp(userData), userData, events: recordEvents(userData) }
}

const tryLogIn = (app: Parameters<typeof request>[0]) => request(app).post('/login').send({ user })
const documents = () => database.db.collection('custom_user_data').find({ userId: user }).toArray()
const sessionsOf = () => database.db.collection('custom_user_data_sessions').countDocuments({ userId: user })
const afterAllHooks = () => new Promise(resolve => setImmediate(() => setImmediate(resolve)))

describe('createCustomData', () => {
  it('creates a document before the first token, and the answer and the snapshot have it', async () => {
    const { app } = start({ createCustomData: ({ id }) => ({ language: 'en', madeFor: id }) })
    const login = await logIn(app, user)
    const customData = { _id: user, userId: user, language: 'en', madeFor: user }
    expect(login.user).toEqual({ id: user, customData })
    expect((await getMe(app, login.access_token)).body).toMatchObject({ customData })
    expect(await documents()).toEqual([{ ...customData, _id: new ObjectId(user) }])
  })

  it.each([
    [true, { language: 'en' }],
    [false, { language: 'en', nickname: null }],
  ])(
    'writes undefined as the collection is told by ignoreUndefined: %j',
    async (ignoreUndefined, customData) => {
      const collection = database.db.collection('custom_user_data', { ignoreUndefined })
      const { app } = start(
        { createCustomData: () => ({ language: 'en', nickname: undefined }) },
        { collection, projection: { _id: 0, userId: 0 }, maxDocumentBytes: ignoreUndefined ? 45 : 100 },
      )
      expect((await logIn(app, user)).user.customData).toEqual(customData)
    },
  )

  it('satisfies requireDocument', async () => {
    const { app } = start({ createCustomData: () => ({ language: 'en' }) }, { requireDocument: true })
    expect((await tryLogIn(app)).status).toBe(200)
  })

  it('runs for issueTokens() too, without a request', async () => {
    const calls: unknown[] = []
    const createCustomData = (...args: unknown[]) => (calls.push(args), { n: 1 })
    const answer = await start({ createCustomData }).userData.issueTokens(user)
    expect(calls).toEqual([[{ id: user }, undefined, { device: null, address: null }]])
    expect(answer.user.customData).toMatchObject({ n: 1 })
  })

  it('does not run for users who have a document, nor at a refresh', async () => {
    await database.db.collection('custom_user_data').insertOne({ userId: user })
    let calls = 0
    const createCustomData = () => {
      calls++
    }
    const { app } = start({ createCustomData })
    const login = await logIn(app, user)
    await database.db.collection('custom_user_data').deleteOne({ userId: user })
    await exchange(app, login.refresh_token)
    expect(calls).toBe(0)
  })

  it('creates one document for several parallel first logins, and all get it', async () => {
    const apps = [0, 1].map(n => start({ createCustomData: () => ({ n }) }).app)
    const logins = await Promise.all(Array.from({ length: 16 }, (_value, i) => tryLogIn(apps[i % 2]!)))
    const [made, ...others] = await documents()
    expect(others).toEqual([])
    for (const { status, body } of logins) {
      expect(status).toBe(200)
      expect(body.user.customData).toMatchObject({ n: made!['n'] as number })
    }
  })

  it('may run several times for parallel first logins, whose answers all have the one document', async () => {
    let calls = 0
    const bothRun = new Set<() => void>()
    // Each call waits until the other one runs too.
    const createCustomData = () =>
      new Promise<Document>(resolve => {
        const n = ++calls
        bothRun.add(() => resolve({ n }))
        if (bothRun.size === 2) for (const resume of bothRun) resume()
      })
    const { app } = start({ createCustomData })
    const logins = await Promise.all([tryLogIn(app), tryLogIn(app)])
    const [made, ...others] = await documents()
    expect({ calls, others }).toEqual({ calls: 2, others: [] })
    for (const { body } of logins) expect(body.user.customData).toMatchObject({ n: made!['n'] as number })
  })

  it.each<[string, Document]>([
    ['"$set"', { $set: { language: 'en' } }],
    ['"settings.$inc"', { settings: { $inc: { n: 1 } } }],
    ['"teams.1.$ref"', { teams: ['a', { $ref: 'teams', $id: 1 }] }],
    ['"address.city"', { 'address.city': 'Bonn' }],
    ['"deep.a.b"', { deep: { 'a.b': 1 } }],
    ['"a._bsontype"', { a: { _bsontype: 'ObjectId' } }],
  ])('refuses a document with the name %s, and the event says why', async (path, made) => {
    const { app, userData } = start({ createCustomData: () => made })
    const failed = once(userData.events, 'request_failed')
    expect((await tryLogIn(app)).status).toBe(500)
    expect(await failed).toMatchObject([
      {
        code: 'callback_failed',
        message: `createCustomData returned a document that cannot be inserted: ${path} is no name of a field. Rename the field.`,
      },
    ])
    expect(await documents()).toEqual([])
  })

  it('that returns a document which contains itself fails the login, and the process goes on', async () => {
    const made: Document = { language: 'en' }
    made['self'] = [made]
    const { app } = start({ createCustomData: () => made })
    expect((await tryLogIn(app)).status).toBe(500)
    expect(await documents()).toEqual([])
  })

  it.each([undefined, null])('creates no document if it returns %j, and the login goes on', async nothing => {
    const { app } = start({ createCustomData: () => nothing })
    expect((await logIn(app, user)).user).toEqual({ id: user, customData: {} })
    expect(await documents()).toEqual([])
  })

  it.each<[string, NonNullable<Hooks['createCustomData']>, number, string]>([
    ['false', () => false, 401, 'invalid_credentials'],
    [
      'one of our errors',
      () => {
        throw new CustomUserDataError('too_many_attempts', 'No more users today.')
      },
      429,
      'too_many_attempts',
    ],
    ['another error', () => Promise.reject(new Error('secret')), 500, 'server_error'],
    ['a text', () => 'nonsense' as never, 500, 'server_error'],
    ['the document of another user', () => ({ userId: 'bob' }), 500, 'server_error'],
    ['a document that loads would refuse', () => ({ text: 'x'.repeat(2_000) }), 500, 'server_error'],
    ['a never settling promise', () => new Promise(() => undefined), 503, 'temporarily_unavailable'],
  ])('refuses the login with %s, and nothing is stored', async (_name, createCustomData, status, error) => {
    const verifyCredentialsTimeoutMs = status === 503 ? 50 : 10_000
    const { app } = start({ createCustomData }, { verifyCredentialsTimeoutMs, maxDocumentBytes: 1_000 })
    const answer = await tryLogIn(app)
    expect(answer).toMatchObject({ status, body: { error } })
    expect(answer.text).not.toContain('secret')
    expect(await documents()).toEqual([])
    expect(await sessionsOf()).toBe(0)
  })
})

describe('the hook that runs after', () => {
  it('a refresh gets the user, and does not run after a refused refresh', async () => {
    const told: unknown[] = []
    const { app } = start({ afterRefresh: (given, req) => told.push([given, req?.path]) })
    const login = await logIn(app, user)
    await exchange(app, login.refresh_token)
    expect((await refresh(app, 'nonsense')).status).toBe(400)
    await afterAllHooks()
    expect(told).toEqual([[{ id: user }, '/refresh']])
  })

  it('a logout gets the user whose session ended, once, by each route', async () => {
    const told: unknown[] = []
    const { app, userData } = start({
      afterLogout: (given, req) => told.push([given, `${req?.baseUrl}${req?.path}`]),
    })
    const login = await logIn(app, user)
    await logOut(app, login.refresh_token)
    await logOut(app, login.refresh_token)
    await logOut(app, 'nonsense')
    const second = await logIn(app, user)
    const [third] = await Promise.all([logIn(app, user), logIn(app, user)])
    const auth = ['authorization', `Bearer ${third.access_token}`] as const
    const sid = second.refresh_token.split('.')[0]!
    await request(app)
      .delete(`/sessions/${sid}`)
      .set(...auth)
    await request(app)
      .delete(`/sessions/${sid}`)
      .set(...auth)
    await request(app)
      .post('/logout-all')
      .set(...auth)
    await userData.revoke(user)
    await afterAllHooks()
    const routes = ['/logout', `/sessions/${sid}`, '/logout-all']
    expect(told).toEqual(routes.map(route => [{ id: user }, route]))
  })

  it('a deletion gets the user and what was deleted', async () => {
    const told: unknown[] = []
    const { app, userData } = start({ afterDelete: (...args) => told.push(args) })
    await logIn(app, user)
    await userData.forUser(user).delete()
    await userData.forUser(user).update({ n: 1 }, { upsert: true })
    await userData.forUser(user).delete()
    await userData.deleteSessions(user)
    const both = [
      [{ id: user }, 'customData'],
      [{ id: user }, 'sessions'],
    ]
    await expect.poll(() => told).toEqual(both)
  })

  it('a deletion runs once, however often and on however many instances the deletion is repeated', async () => {
    const told: unknown[] = []
    const hooks: Hooks = { afterDelete: (_user, what) => told.push(what) }
    const [one, other] = [start(hooks), start(hooks)]
    await logIn(one.app, user)
    await one.userData.forUser(user).update({ n: 1 }, { upsert: true })
    for (let round = 0; round < 2; round++) {
      await Promise.all([one, other].map(({ userData }) => userData.forUser(user).delete()))
      await Promise.all([one, other].map(({ userData }) => userData.deleteSessions(user)))
    }
    // Closing waits for the removal of sessions.
    await Promise.all([one.userData.close(), other.userData.close()])
    await afterAllHooks()
    expect(told.sort()).toEqual(['customData', 'sessions'])
  })

  it.each<[keyof Hooks, (started: ReturnType<typeof start>) => Promise<unknown>]>([
    ['afterLogin', ({ app }) => logIn(app, user)],
    ['afterRefresh', async ({ app }) => exchange(app, (await logIn(app, user)).refresh_token)],
    ['afterLogout', async ({ app }) => logOut(app, (await logIn(app, user)).refresh_token)],
    ['afterDelete', async ({ app, userData }) => (await logIn(app, user), userData.deleteSessions(user))],
  ])('%s and throws is the event hook_failed, and the request succeeds', async (hook, act) => {
    const error = new Error('the mailer is down')
    const started = start({ [hook]: () => Promise.reject(error) })
    const failed = once(started.userData.events, 'hook_failed')
    await act(started)
    expect(await failed).toEqual([{ hook, error }])
  })

  it('a login may write the user’s document', async () => {
    await database.db.collection('custom_user_data').insertOne({ userId: user })
    const written = new Promise(resolve => {
      const { app } = start({
        afterLogin: async ({ id }) => {
          resolve(await userData.forUser(id).update({ lastLogin: new Date(0) }))
        },
      })
      const userData = createTestUserData(database)
      void logIn(app, user)
    })
    expect(await written).toMatchObject({ userId: user, lastLogin: new Date(0) })
  })
})
