import { Credentials } from 'realm-web'
import { expect, test, vi } from 'vitest'
import type { EmailToken } from 'express-custom-user-data/app-services'
import { createManualClock } from '../../support/clock.js'
import { openProxiedDatabase, useDatabase } from '../../support/database.js'
import { logIn, newEmail, startEmailService } from '../support/email-service.js'
import { send } from '../support/members.js'
import { APP_ID, startRealmService } from '../support/realm-service.js'

const database = useDatabase()
const PASSWORD = 'a long password'
const SHORT = { loadTimeoutMs: 1_500, sessionTimeoutMs: 1_500, writeTimeoutMs: 1_500 }

/** A service whose connection to MongoDB can fail, and which finds that out soon. */
async function start() {
  const proxied = await openProxiedDatabase(database, {
    serverSelectionTimeoutMS: 800,
    connectTimeoutMS: 800,
  })
  const mails: EmailToken[] = []
  const service = await startEmailService(proxied, 'by mail', {
    service: {
      timeoutMs: 2_000,
      providers: {
        ...{ anonymous: true, apiKey: true, customFunction: ({ name }) => String(name) },
        emailPassword: { autoConfirm: true, sendPasswordReset: mail => void mails.push(mail) },
      },
    },
    instance: SHORT,
  })
  const api = `${service.baseUrl}/api/client/v2.0`
  return {
    ...service,
    mails,
    proxied,
    proxy: proxied.proxy,
    api,
    login: `${api}/app/${APP_ID}/auth/providers`,
  }
}

test.each(['cut', 'pause'] as const)(
  'while MongoDB is away each route answers 503 in time, and no host is named (%s)',
  async fault => {
    const { proxy, api, login, post, newClient } = await start()
    const email = newEmail()
    await post('register', { email, password: PASSWORD })
    const user = await logIn(newClient(), email, PASSWORD)
    const [access, refresh] = [{ token: user.accessToken ?? '' }, { token: user.refreshToken ?? '' }]
    const userpass = `${login}/local-userpass`
    const requests = [
      ['POST', `${login}/anon-user/login`, { body: {} }],
      ['POST', `${userpass}/login`, { body: { username: email, password: PASSWORD } }],
      ['POST', `${login}/custom-function/login`, { body: { name: 'new' } }],
      ['POST', `${login}/custom-function/login?link=true`, { ...access, body: { name: 'linked' } }],
      ['POST', `${login}/api-key/login`, { body: { key: 'a'.repeat(64) } }],
      ['POST', `${userpass}/register`, { body: { email: newEmail(), password: PASSWORD } }],
      ['POST', `${userpass}/confirm`, { body: { token: 'a', tokenId: 'b' } }],
      ['POST', `${userpass}/reset`, { body: { token: 'a', tokenId: 'b', password: PASSWORD } }],
      ['POST', `${api}/auth/session`, refresh],
      ['DELETE', `${api}/auth/session`, refresh],
      ['GET', `${api}/auth/profile`, access],
      ['DELETE', `${api}/auth/delete`, access],
      ['POST', `${api}/auth/api_keys`, { ...refresh, body: { name: 'a' } }],
      ['GET', `${api}/auth/api_keys`, refresh],
    ] as const
    proxy[fault]()
    await Promise.all(
      requests.map(async ([method, url, options]) => {
        expect(await send(method, url, options), `${method} ${url}`).toEqual({
          status: 503,
          body: { error: 'the service is not available for the moment', error_code: 'MaintenanceInProgress' },
        })
      }),
    )
    await proxy.restore()
    await vi.waitFor(() => user.refreshProfile(), { timeout: 15_000 })
    await user.refreshAccessToken()
  },
)

test('logins, registrations and refreshes that MongoDB interrupted can be repeated', async () => {
  const { proxy, api, login, post, newClient } = await start()
  const email = newEmail()
  await post('register', { email, password: PASSWORD })
  const user = await logIn(newClient(), email, PASSWORD)
  const repeat = (url: string, options: object, statuses: readonly number[]) =>
    vi.waitFor(
      async () => {
        const { status } = await send('POST', url, options)
        if (!statuses.includes(status)) throw new Error(`The answer is ${status}.`)
      },
      { timeout: 15_000, interval: 50 },
    )
  // Each answer takes a while, so each time another step of the work is cut.
  for (const commands of [1, 3, 5, 7]) {
    const requests = [
      [`${login}/local-userpass/login`, { body: { username: email, password: PASSWORD } }, [200]],
      [`${login}/custom-function/login`, { body: { name: `new ${commands}` } }, [200]],
      [
        `${login}/local-userpass/register`,
        { body: { email: `${commands}.${email}`, password: PASSWORD } },
        [201, 409],
      ],
      [`${api}/auth/session`, { token: user.refreshToken ?? '' }, [201]],
    ] as const
    proxy.delay(30)
    const answers = requests.map(([url, options]) => send('POST', url, options))
    await new Promise(resolve => setTimeout(resolve, commands * 30 + 15))
    proxy.cut()
    for (const { status } of await Promise.all(answers)) expect([200, 201, 503]).toContain(status)
    await proxy.restore()
    for (const [url, options, statuses] of requests) await repeat(url, options, statuses)
  }
})

test('sessions of before end also if the answer to the write of a reset is lost', async () => {
  const { proxied, proxy, api, post, newClient, mails } = await start()
  const email = newEmail()
  await post('register', { email, password: PASSWORD })
  const user = await logIn(newClient(), email, PASSWORD)
  await post('reset/send', { email })
  await expect.poll(() => mails).toHaveLength(1)
  proxied.client.on('commandStarted', ({ command }) => {
    if ('passwordHash' in Object(command['update']?.$set)) proxy.holdAnswers()
  })
  const { token, tokenId } = mails[0] ?? {}
  expect((await post('reset', { token, tokenId, password: 'another password' })).status).toBe(503)
  await proxy.restore()
  await vi.waitFor(() => logIn(newClient(), email, 'another password'), { timeout: 15_000 })
  expect((await send('POST', `${api}/auth/session`, { token: user.refreshToken ?? '' })).status).toBe(401)
})

test('an identity whose deletion was interrupted can log in again as a new user', async () => {
  const clock = createManualClock(Date.now())
  const { baseUrl, newClient, appServices } = await startRealmService(database, {
    service: { providers: { customFunction: ({ name }) => String(name) } },
    instance: { clock },
  })
  const credentials = Credentials.function({ name: `interrupted ${newEmail()}` })
  const user = await newClient().logIn(credentials)
  // What a deletion leaves that fails after the sessions have ended, and before the user is removed.
  const users = database.db.collection('custom_user_data_app_services_users')
  await users.updateOne({ identities: { $elemMatch: { id: credentials.payload.name } } }, [
    { $set: { deletedAt: new Date(clock.now()) } },
  ])
  const { status } = await send('DELETE', `${baseUrl}/api/client/v2.0/auth/session`, {
    token: user.refreshToken ?? '',
  })
  expect(status).toBe(204)
  await expect(newClient().logIn(credentials)).rejects.toMatchObject({ statusCode: 401 })
  clock.advance(61_000)
  await expect(newClient().logIn(credentials)).rejects.toMatchObject({ statusCode: 401 })
  const again = await newClient().logIn(credentials)
  expect(again.id).not.toBe(user.id)
  expect(await appServices.findUser(user.id)).toBeUndefined()
})

test('a deciding function that hangs is refused after the time of functions, and reported', async () => {
  const hang = () => new Promise<never>(() => undefined)
  const { post, reports } = await startEmailService(
    database,
    { confirmationFunction: hang, resetFunction: hang },
    { service: { functionTimeoutMs: 300 } },
  )
  const email = newEmail()
  for (const route of ['register', 'reset/call', 'register'])
    expect(await post(route, { email, password: PASSWORD })).toMatchObject({
      status: 400,
      body: { error_code: 'ExecutionTimeLimitExceeded' },
    })
  expect(reports).toHaveLength(3)
})

test('a database that is not there yet is 503', async () => {
  const { newClient, reports } = await startRealmService(database, {
    service: { database: () => undefined as never },
  })
  await expect(newClient().logIn(Credentials.anonymous())).rejects.toMatchObject({ statusCode: 503 })
  expect(reports[0]).toContain('option "database" returned no database')
})
