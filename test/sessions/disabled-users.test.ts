import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Express } from 'express'
import type { CustomUserData } from 'express-custom-user-data'
import request from 'supertest'
import { createManualClock } from '../support/clock.js'
import { openDatabase } from '../support/database.js'
import { primaryAddress } from '../support/primary-address.js'
import type { TestDatabase } from '../support/database.js'
import {
  createSessionApp,
  exchange,
  expectInvalidGrant,
  logIn,
  recordEvents,
  refresh,
} from '../support/session-app.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData } from '../support/user-data.js'

const clock = createManualClock()
const WRONG = {
  status: 401,
  body: { error: 'invalid_credentials', error_description: 'The credentials are wrong.' },
}

let database: TestDatabase
let userData: CustomUserData<Readonly<Record<string, unknown>>>
let app: Express
beforeAll(async () => {
  database = await openDatabase()
})
afterAll(() => database.close())
beforeEach(() => {
  userData = createTestUserData(database, { clock })
  app = createSessionApp(userData)
})

let users = 0
const newUser = () => `user-${users++}`
const tryLogIn = (user: string, at = app) => request(at).post('/login').send({ user })
const entries = () =>
  database.db
    .collection<{ _id: string }>('sessions')
    .find({ _id: /^disabled:/ })
    .toArray()

describe('a disabled user', () => {
  it('gets the answer of wrong credentials, in every process and after a restart', async () => {
    const user = newUser()
    await userData.disable(user)
    for (const at of [app, createSessionApp(createTestUserData(database, { clock }))]) {
      const answer = await tryLogIn(user, at)
      expect(answer).toMatchObject(WRONG)
      expect(answer.text).toBe((await request(at).post('/login').send({})).text)
    }
  })

  it('gets no tokens by issueTokens() either, and no session', async () => {
    const user = newUser()
    await userData.disable(user)
    await expect(userData.issueTokens(user)).rejects.toMatchObject({ code: 'invalid_credentials' })
    expect(await userData.sessions(user)).toEqual([])
  })

  it('cannot refresh in any process', async () => {
    const user = newUser()
    const { refresh_token: token } = await logIn(app, user)
    await userData.disable(user)
    const other = createSessionApp(createTestUserData(database, { clock }))
    expectInvalidGrant(await refresh(other, token))
    expectInvalidGrant(await refresh(app, token))
  })

  it('can log in again after enable(), and the old sessions have ended all the same', async () => {
    const user = newUser()
    const { refresh_token: old } = await logIn(app, user)
    await userData.disable(user)
    await userData.enable(user)
    const { refresh_token: token } = await logIn(app, user)
    await exchange(app, token)
    expectInvalidGrant(await refresh(app, old))
  })

  it('is none other: not one whose id begins or ends alike, or differs in case', async () => {
    await userData.disable('carol')
    for (const user of ['Carol', 'carol2', 'arol', 'disabled:carol', ':carol']) await logIn(app, user)
    expect(await tryLogIn('carol')).toMatchObject(WRONG)
  })

  it('who is disabled while logging in has no session afterwards, whichever came first', async () => {
    for (let round = 0; round < 10; round++) {
      const user = newUser()
      const [answer] = await Promise.all([tryLogIn(user), userData.disable(user)])
      const { access_token: access, refresh_token: token } = answer.body as Record<string, string>
      expect(await userData.sessions(user)).toEqual([])
      if (answer.status !== 200) continue
      expect((await request(app).get('/me').auth(access!, { type: 'bearer' })).status).toBe(401)
      expectInvalidGrant(await refresh(app, token!))
    }
  })

  it('is no session: nobody can list, refresh or revoke the entry', async () => {
    const user = newUser()
    await userData.disable(user)
    const { access_token: access } = await logIn(app, newUser())
    const answer = await request(app).delete(`/sessions/disabled:${user}`).auth(access, { type: 'bearer' })
    expect(answer.status).toBe(404)
    await userData.revoke({ sid: `disabled:${user}` })
    expectInvalidGrant(await refresh(app, `disabled:${user}`))
    expect(await tryLogIn(user)).toMatchObject(WRONG)
  })
})

it('disable() and enable() may come twice, and keep the first time', async () => {
  const user = newUser()
  const disabledAt = new Date(clock.now())
  await userData.disable(user)
  clock.advance(1_000)
  await userData.disable(user)
  expect(await entries()).toContainEqual({ _id: `disabled:${user}`, disabledAt })
  for (let i = 0; i < 2; i++) await userData.enable(user)
  await logIn(app, user)
})

it('disable() is told by the event `revoked`, and the login by `login_refused`', async () => {
  const user = newUser()
  const events = recordEvents(userData)
  await userData.disable(user)
  await tryLogIn(user)
  expect(events).toMatchObject([
    { name: 'revoked', userId: user },
    { name: 'login_refused', address: '127.0.0.1' },
  ])
})

it('the list is read from the primary and written with majority, whatever the database says', async () => {
  const user = newUser()
  const weak = database.client.db(database.db.databaseName, {
    readPreference: 'secondaryPreferred',
    writeConcern: { w: 1 },
  })
  const there = createTestUserData({ db: weak }, { clock })
  database.commands.clear()
  await there.disable(user)
  await tryLogIn(user, createSessionApp(there))
  await there.enable(user)
  const isList = ({ command }: { command: Record<string, unknown> }) =>
    JSON.stringify(command).includes('disabled:')
  const writes = database.commands.named('update', 'delete').filter(isList)
  expect(writes).toHaveLength(2)
  for (const { command } of writes) expect(command['writeConcern']).toMatchObject({ w: 'majority' })
  const reads = database.commands.named('find').filter(isList)
  expect(reads).toHaveLength(1)
  for (const { command } of reads)
    expect(command['$readPreference'] ?? { mode: 'primary' }).toEqual({ mode: 'primary' })
})

it('ASVS 16.5.3: a list that cannot be read is a 503, and lets nobody in', async () => {
  const { host, port } = await primaryAddress(database.client)
  const proxy = await startTcpProxy(host, port)
  const proxied = await openDatabase({ proxyPort: proxy.port })
  const db = proxied.client.db(database.db.databaseName)
  const patient = createTestUserData({ db }, { clock })
  await patient.ready()
  const impatient = createTestUserData({ db }, { clock, sessionTimeoutMs: 300 })
  proxy.pause()
  const answer = await tryLogIn(newUser(), createSessionApp(impatient))
  expect(answer).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } })
  await expect(impatient.disable('a')).rejects.toMatchObject({ code: 'sessions_unavailable' })
  await expect(impatient.enable('a')).rejects.toMatchObject({ code: 'sessions_unavailable' })
  proxy.resume()
  await proxied.client.close()
  await proxy.close()
})
