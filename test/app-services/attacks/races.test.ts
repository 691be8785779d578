import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import type { EmailToken } from 'express-custom-user-data/app-services'
import { useDatabase } from '../../support/database.js'
import { logIn, newEmail, startEmailService } from '../support/email-service.js'
import { send } from '../support/members.js'
import { APP_ID } from '../support/realm-service.js'

const database = useDatabase()
const PASSWORD = 'a long password'
const MANY = 20
const USERS = 'custom_user_data_app_services_users'

function times<Result>(run: (index: number) => Promise<Result>): Promise<Result[]> {
  return Promise.all(Array.from({ length: MANY }, (_, index) => run(index)))
}

/** How many answers had each status. */
async function statuses(answers: Promise<readonly { readonly status: number }[]>) {
  const counts: Record<number, number> = {}
  for (const { status } of await answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

async function start() {
  const mails: EmailToken[] = []
  const service = await startEmailService(database, 'by mail', {
    service: {
      providers: {
        anonymous: true,
        apiKey: true,
        customFunction: ({ name }) => String(name),
        emailPassword: {
          sendConfirmation: mail => void mails.push(mail),
          sendPasswordReset: mail => void mails.push(mail),
        },
      },
    },
  })
  const api = `${service.baseUrl}/api/client/v2.0`
  const login = (provider: string, body: object, token?: string) =>
    send('POST', `${api}/app/${APP_ID}/auth/providers/${provider}/login${token ? '?link=true' : ''}`, {
      body,
      ...(token !== undefined && { token }),
    })
  return { ...service, mails, api, login }
}

/** Registers and confirms an account. */
async function startConfirmed() {
  const service = await start()
  const email = newEmail()
  await service.post('register', { email, password: PASSWORD })
  await expect.poll(() => service.mails).toHaveLength(1)
  await service.post('confirm', { ...service.mails[0] })
  return { ...service, email }
}

test('of 20 registrations of one address at once one succeeds', async () => {
  const { post } = await start()
  const email = newEmail()
  expect(await statuses(times(() => post('register', { email, password: PASSWORD })))).toEqual({
    201: 1,
    409: MANY - 1,
  })
})

test('of 20 confirmations by one token at once one confirms', async () => {
  const { post, mails } = await start()
  await post('register', { email: newEmail(), password: PASSWORD })
  await expect.poll(() => mails).toHaveLength(1)
  expect(await statuses(times(() => post('confirm', { ...mails[0] })))).toEqual({ 200: 1, 400: MANY - 1 })
})

test('of 20 resets by one token at once one sets its password', async () => {
  const { post, mails, email } = await startConfirmed()
  await post('reset/send', { email })
  await expect.poll(() => mails).toHaveLength(2)
  const { token, tokenId } = mails[1] ?? {}
  const outcomes = await times(index => post('reset', { token, tokenId, password: `password ${index}` }))
  expect(outcomes.filter(({ status }) => status === 200)).toHaveLength(1)
  const winner = outcomes.findIndex(({ status }) => status === 200)
  const logins = await times(index => post('login', { username: email, password: `password ${index}` }))
  expect(logins.map(({ status }) => status === 200)).toEqual(outcomes.map((_, index) => index === winner))
})

test('20 first logins of one account at once are one user', async () => {
  const { login, email } = await startConfirmed()
  const answers = await times(() => login('local-userpass', { username: email, password: PASSWORD }))
  const ids = new Set(answers.map(({ body }) => (body as { user_id?: string }).user_id))
  expect(ids.size).toBe(1)
  expect([...ids][0]).toMatch(/^[0-9a-f]{24}$/)
})

test('an identity that 20 users link at once belongs to one of them', async () => {
  const { login, newClient } = await start()
  const users = await times(() => newClient().logIn(Credentials.anonymous(false)))
  const name = `linked ${newEmail()}`
  const answers = await times(index => login('custom-function', { name }, users[index]?.accessToken ?? ''))
  expect(await statuses(Promise.resolve(answers))).toEqual({ 200: 1, 409: MANY - 1 })
  const owner = users[answers.findIndex(({ status }) => status === 200)]
  expect((await login('custom-function', { name })).body).toMatchObject({ user_id: owner?.id })
})

test('a reset during 20 logins with the old password leaves none of their sessions', async () => {
  const { post, mails, email, login, api } = await startConfirmed()
  await post('reset/send', { email })
  await expect.poll(() => mails).toHaveLength(2)
  const { token, tokenId } = mails[1] ?? {}
  const [logins] = await Promise.all([
    times(() => login('local-userpass', { username: email, password: PASSWORD })),
    post('reset', { token, tokenId, password: 'another password' }),
  ])
  const tokens = logins.flatMap(({ body }) => (body as { refresh_token?: string }).refresh_token ?? [])
  for (const refreshToken of tokens)
    expect((await send('POST', `${api}/auth/session`, { token: refreshToken })).status).toBe(401)
})

test('20 deletions of one user at once, with a link and a new key, leave nothing of the user', async () => {
  const { newClient, email, api, login, appServices } = await startConfirmed()
  const user = await logIn(newClient(), email, PASSWORD)
  const [token, refreshToken] = [user.accessToken ?? '', user.refreshToken ?? '']
  const name = `left ${email}`
  const [deletions] = await Promise.all([
    times(() => send('DELETE', `${api}/auth/delete`, { token })),
    send('POST', `${api}/auth/api_keys`, { token: refreshToken, body: { name: 'late' } }),
    login('custom-function', { name }, token),
  ])
  for (const { status } of deletions) expect([204, 401]).toContain(status)
  expect(await appServices.findUser(user.id)).toBeUndefined()
  const { db } = database
  expect(await db.collection(USERS).countDocuments({ 'identities.data.email': email })).toBe(0)
  expect(
    await db.collection('custom_user_data_app_services_api_keys').countDocuments({ userId: user.id }),
  ).toBe(0)
  expect((await login('custom-function', { name })).body).not.toMatchObject({ user_id: user.id })
  expect((await send('POST', `${api}/auth/session`, { token: refreshToken })).status).toBe(401)
})

test('of 30 keys at once a user gets 20', async () => {
  const { newClient, email, api } = await startConfirmed()
  const user = await logIn(newClient(), email, PASSWORD)
  const create = (name: string) =>
    send('POST', `${api}/auth/api_keys`, { token: user.refreshToken ?? '', body: { name } })
  const names = Array.from({ length: 30 }, (_, index) => `key-${index}`)
  expect(await statuses(Promise.all(names.map(create)))).toEqual({ 201: 20, 400: 10 })
})
