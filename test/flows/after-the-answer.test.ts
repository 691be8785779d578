import express from 'express'
import type { Express } from 'express'
import type { LoginThrottleOptions } from 'express-custom-user-data'
import request from 'supertest'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { primaryAddress } from '../support/database.js'
import { recordEvents } from '../support/session-app.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import type { TcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData } from '../support/user-data.js'

const RIGHT = 'the right password'

const deadlines = holdDeadlines()
let database: TestDatabase
let proxied: TestDatabase
let proxy: TcpProxy
beforeAll(async () => {
  database = await openDatabase()
  const { host, port } = await primaryAddress(database.client)
  proxy = await startTcpProxy(host, port)
  proxied = await openDatabase({ proxyPort: proxy.port })
})
afterAll(async () => {
  await proxied.client.close()
  await proxy.close()
  await database.close()
})

let users = 0
let user: string
beforeEach(() => {
  user = `user-${users++}`
})
afterEach(async () => {
  proxied.client.removeAllListeners('commandStarted')
  proxied.client.removeAllListeners('commandSucceeded')
  await proxy.restore()
})

function start(loginThrottle: LoginThrottleOptions | false) {
  const db = proxied.client.db(database.db.databaseName)
  const userData = createTestUserData({ db }, { loginThrottle, sessionTimeoutMs: 400 })
  const verify = ({ email, password }: Record<string, unknown>) =>
    password === RIGHT ? { id: String(email) } : null
  const app = express().post('/login', userData.login(verify))
  return { app, userData, events: recordEvents(userData) }
}

const logIn = (app: Express, password = RIGHT) =>
  request(app)
    .post('/login')
    .send({ email: user, password })
    .then(({ status }) => status)

/** Holds the server's answers from the moment when such a command is sent. */
function holdAnswersTo(commandName: string): void {
  proxied.client.on('commandStarted', event => {
    if (event.commandName === commandName) proxy.holdAnswers()
  })
}

const storedSessions = () =>
  database.db.collection('custom_user_data_sessions').countDocuments({ userId: user })

describe('the counts of failed logins', () => {
  it('are corrected after the answer to a login, which does not wait for MongoDB', async () => {
    const { app, events } = start({ accountAndAddressFailures: 2 })
    expect(await logIn(app, 'wrong')).toBe(401)
    holdAnswersTo('update')
    expect(await logIn(app)).toBe(200)
    expect(events.filter(({ name }) => name === 'warning')).toEqual([])
  })

  it('are corrected before the next login of the same account is counted', async () => {
    const { app } = start({ accountAndAddressFailures: 2, addressFailures: 1_000 })
    proxy.delay(20)
    for (let round = 0; round < 3; round++) {
      expect(await logIn(app, 'wrong')).toBe(401)
      expect(await logIn(app)).toBe(200)
    }
  })

  it('stay too high with a warning if they cannot be corrected, and the login has succeeded', async () => {
    const { app, events } = start({ addressFailures: 1_000 })
    holdAnswersTo('update')
    expect(await logIn(app)).toBe(200)
    const warned = expect.poll(() => events.map(({ code }) => code)).toContain('login_attempts_not_corrected')
    await deadlines.passUntil(warned)
  })
})

describe('close()', () => {
  it('waits until the counts are corrected, so that the app can close its MongoDB client', async () => {
    const { app, userData, events } = start({ addressFailures: 1_000 })
    const sent: string[] = []
    proxied.client.on('commandSucceeded', ({ commandName }) => sent.push(commandName))
    proxy.delay(20)
    expect(await logIn(app)).toBe(200)
    sent.length = 0
    await userData.close()
    expect(sent).toContain('update')
    expect(events.filter(({ name }) => name === 'warning')).toEqual([])
  })

  it('waits until the session of a refused login is removed', async () => {
    const { app, userData } = start(false)
    await userData.disable(user)
    proxy.delay(20)
    expect(await logIn(app)).toBe(401)
    await userData.close()
    expect(await storedSessions()).toBe(0)
  })

  it('waits no longer than sessionTimeoutMs while MongoDB does not answer', async () => {
    const { app, userData } = start({ addressFailures: 1_000 })
    holdAnswersTo('update')
    expect(await logIn(app)).toBe(200)
    await deadlines.passUntil(userData.close())
  })
})

describe('a login of a disabled user, whose session is being stored', () => {
  it('leaves no session', async () => {
    const { app, userData } = start(false)
    await userData.disable(user)
    const sent: string[] = []
    proxied.client.on('commandStarted', ({ commandName }) => sent.push(commandName))
    proxy.delay(20)
    expect(await logIn(app)).toBe(401)
    await expect.poll(() => sent).toEqual(expect.arrayContaining(['findAndModify', 'delete']))
    await expect.poll(storedSessions).toBe(0)
  })

  it('warns if the session cannot be removed', async () => {
    const { app, userData, events } = start(false)
    await userData.disable(user)
    proxy.delay(20)
    holdAnswersTo('delete')
    expect(await logIn(app)).toBe(401)
    const warned = expect
      .poll(() => events.filter(({ name }) => name === 'warning'))
      .toMatchObject([{ code: 'session_not_removed', userId: user }])
    await deadlines.passUntil(warned)
  })
})
