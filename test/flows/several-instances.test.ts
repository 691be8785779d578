import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import {
  createSessionApp,
  expectInvalidGrant,
  getMe,
  logIn,
  logOut,
  refresh,
  sidOf,
} from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const ISSUER = 'https://issuer.example.com'

const database = useDatabase()
beforeAll(async () => {
  await database.db.collection('customers').insertOne({ userId: '1', role: 'customer' })
  await database.db.collection('staff').insertOne({ userId: '1', role: 'admin' })
})

/** One instance among several on one database, which share the collections of this package. */
function start(collection: string, options: object) {
  const shared = { collection: database.db.collection(collection), loginThrottle: { windowSeconds: 60 } }
  const userData = createTestUserData(database, { ...shared, ...options })
  return { userData, app: createSessionApp(userData) }
}

const customers = () => start('customers', { issuer: 'https://customers.example.com', audience: 'customers' })
const staff = () => start('staff', { issuer: 'https://staff.example.com', audience: 'staff' })

describe('two instances with different issuers on one database', () => {
  it('do not accept the refresh tokens of each other', async () => {
    const [here, there] = [customers(), staff()]
    const { refresh_token } = await logIn(here.app, '1')
    expectInvalidGrant(await refresh(there.app, refresh_token))
    expect((await logOut(there.app, refresh_token)).status).toBe(204)
    expect((await refresh(here.app, refresh_token)).status).toBe(200)
  })

  it('do not list or end sessions of users with the same id at the other issuer', async () => {
    const [here, there] = [customers(), staff()]
    const { access_token, refresh_token } = await logIn(here.app, '1')
    expect(await there.userData.sessions('1')).toEqual([])
    await there.userData.revoke('1')
    await there.userData.disable('1')
    await there.userData.revoke({ sid: sidOf(refresh_token) })
    await there.userData.deleteSessions('1')
    expect((await getMe(here.app, access_token)).status).toBe(200)
    expect((await refresh(here.app, refresh_token)).status).toBe(200)
    expect((await logIn(here.app, '1')).user.id).toBe('1')
  })

  it('count failed logins separately', async () => {
    const [here, there] = [customers(), staff()]
    const failing = await Promise.all(Array.from({ length: 12 }, () => failLogin(there.app)))
    expect(failing).toContain(429)
    expect(await failLogin(here.app)).toBe(401)
  })
})

describe('two instances with one issuer and different audiences', () => {
  const api = () => start('customers', { issuer: ISSUER, audience: 'https://api.example.com' })
  const admin = () => start('customers', { issuer: ISSUER, audience: 'https://admin.example.com' })

  it('do not exchange the refresh tokens of each other: the new access token would be for another audience', async () => {
    const [here, there] = [api(), admin()]
    const { refresh_token } = await logIn(here.app, '1')
    expectInvalidGrant(await refresh(there.app, refresh_token))
    expect((await refresh(here.app, refresh_token)).status).toBe(200)
  })

  it('share their users, so revoking a user ends the sessions of both', async () => {
    const [here, there] = [api(), admin()]
    const { refresh_token } = await logIn(here.app, '1')
    expect(await there.userData.sessions('1')).not.toEqual([])
    await there.userData.revoke('1')
    expectInvalidGrant(await refresh(here.app, refresh_token))
  })

  it('keep their sessions if one of them gets another audience', async () => {
    const { refresh_token } = await logIn(api().app, '1')
    const audience = ['https://api.example.com', 'https://files.example.com']
    const { app } = start('customers', { issuer: ISSUER, audience })
    expect((await refresh(app, refresh_token)).status).toBe(200)
  })
})

async function failLogin(app: ReturnType<typeof createSessionApp>): Promise<number> {
  return (await request(app).post('/login').send({ email: 'alice@example.com' })).status
}

describe('the collection of custom data', () => {
  it.each(['sessionCollection', 'loginAttemptCollection'])('is refused as %s', option => {
    const collection = database.db.collection('one_for_all')
    const same = database.client.db(database.db.databaseName).collection('one_for_all')
    for (const given of [collection, same]) {
      expect(() => createTestUserData(database, { collection, [option]: given })).toThrow(
        `option "${option}": it is the collection of custom data, "one_for_all".`,
      )
    }
  })

  it('is refused if it has the name of a collection of this package', () => {
    const collection = database.db.collection('custom_user_data_sessions')
    expect(() => createTestUserData(database, { collection })).toThrow('option "sessionCollection"')
  })
})

describe('a process that starts after deleteSessions()', () => {
  it('refuses the access tokens of the deleted sessions once its streams are open', async () => {
    const here = start('customers', { changeStreams: 'auto' })
    const { access_token } = await logIn(here.app, 'leaver')
    await here.userData.deleteSessions('leaver')
    const { access_token: later } = await logIn(here.app, 'leaver')
    const there = start('customers', { changeStreams: 'auto' })
    await there.userData.ready()
    expect((await getMe(there.app, access_token)).status).toBe(401)
    expect((await getMe(there.app, later)).status).toBe(200)
    await here.userData.close()
    await there.userData.close()
  })
})
