import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { compileFunction } from 'node:vm'
import express from 'express'
import { hashPassword } from 'express-custom-user-data'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const EMAIL = 'ann@example.com'
const PASSWORD = 'a long password'

const database = useDatabase()
const users = () => database.db.collection('users')
const challenges = () => database.db.collection('challenges')
beforeEach(async () => {
  for (const name of ['users', 'challenges', 'custom_user_data_login_attempts'])
    await database.db.collection(name).deleteMany({})
})

/** Runs the first blocks of JavaScript of a guide, with the names that it does not declare itself. */
function runGuide(page: string, blocks: number, names: Readonly<Record<string, unknown>>): void {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
  const found = [...text.matchAll(/```js\n([^]*?)```/g)].slice(0, blocks).map(([, code = '']) => code)
  expect(found).toHaveLength(blocks)
  const code = found.join('\n').replaceAll(/^import .*$/gm, '')
  Reflect.apply(compileFunction(code, Object.keys(names)), undefined, Object.values(names))
}

/** An app with the routes of a guide. */
function createApp(page: string, blocks: number, names: Readonly<Record<string, unknown>>) {
  const userData = createTestUserData(database, { loginThrottle: { accountAndAddressFailures: 3 } })
  const app = express()
  const given = { app, express, userData, hashPassword, createHash, randomBytes, users: users() }
  runGuide(page, blocks, { ...given, ...names })
  app.use(userData.errorHandler())
  const post = (path: string, body: object) => request(app).post(path).send(body)
  return { userData, app, post }
}

describe('the guide to a new password', () => {
  function start() {
    const mails: string[] = []
    const sendMail = (_address: string, link: string) => Promise.resolve(mails.push(link))
    const logError = (error: unknown) => {
      throw error
    }
    const { userData, app, post } = createApp('password-reset.md', 1, { sendMail, logError })
    app.post('/login', userData.login(userData.passwordCredentials({ collection: users() })))
    /** Asks for a link, and waits for the mail, which is sent after the answer. */
    const ask = async (email: string) => {
      const before = mails.length
      expect((await post('/password/forgotten', { email })).status).toBe(202)
      await expect.poll(() => mails.length).toBe(before + 1)
      return mails.at(-1)!.split('#')[1]
    }
    const reset = (token: unknown, password = PASSWORD) => post('/password/reset', { token, password })
    return { userData, post, ask, reset, mails }
  }

  it('lets a link set a password once, and ends the sessions from before', async () => {
    const { insertedId } = await users().insertOne({ email: EMAIL })
    const { userData, post, ask, reset } = start()
    const before = await userData.issueTokens(insertedId.toHexString())
    const token = await ask(EMAIL)

    const answer = await reset(token)
    expect(answer.status).toBe(200)
    expect((await userData.verifyToken(String(answer.body.access_token))).id).toBe(insertedId.toHexString())
    await expect(userData.verifyToken(before.access_token)).rejects.toMatchObject({ code: 'invalid_token' })
    expect((await post('/login', { email: EMAIL, password: PASSWORD })).status).toBe(200)
    expect((await reset(token, 'another password')).status).toBe(400)
  })

  it('answers an unknown address in the same way, without a mail', async () => {
    await users().insertOne({ email: EMAIL })
    const { post, ask, mails } = start()
    expect((await post('/password/forgotten', { email: 'nobody@example.com' })).status).toBe(202)
    await ask(EMAIL)
    expect(mails).toHaveLength(1)
  })

  it('refuses a link that has expired, and a token that nobody sent', async () => {
    await users().insertOne({ email: EMAIL })
    const { ask, reset } = start()
    const token = await ask(EMAIL)
    expect((await reset('made up')).status).toBe(400)
    await users().updateOne({ email: EMAIL }, { $set: { 'resets.0.expiresAt': new Date(0) } })
    expect((await reset(token)).status).toBe(400)
  })

  it('lets no stranger cancel a link by asking for another one', async () => {
    await users().insertOne({ email: EMAIL })
    const { ask, reset } = start()
    const token = await ask(EMAIL)
    await ask(` ${EMAIL.toUpperCase()} `)
    expect((await reset(token)).status).toBe(200)
  })

  it.each([undefined, 'short', { $ne: 1 }])('refuses the password %j and keeps the link', async password => {
    await users().insertOne({ email: EMAIL })
    const { post, ask, reset } = start()
    const token = await ask(EMAIL)
    expect((await post('/password/reset', { token, password })).status).toBe(422)
    expect((await reset(token)).status).toBe(200)
  })

  it('opens an account that was locked by failed logins', async () => {
    await users().insertOne({ email: EMAIL, passwordHash: await hashPassword('forgotten') })
    const { post, ask, reset } = start()
    for (let n = 0; n < 3; n++) await post('/login', { email: EMAIL, password: `guess ${n}` })
    expect((await post('/login', { email: EMAIL, password: 'forgotten' })).status).toBe(429)
    await reset(await ask(EMAIL))
    expect((await post('/login', { email: EMAIL, password: PASSWORD })).status).toBe(200)
  })
})

describe('the guide to a second step', () => {
  const isCodeOf = (_userId: string, code: unknown) => Promise.resolve(code === '123456')

  async function start() {
    await users().insertOne({ email: EMAIL, passwordHash: await hashPassword(PASSWORD) })
    const { post, userData } = createApp('second-step.md', 2, { isCodeOf, challenges: challenges() })
    const challenge = async () => {
      const { body } = await post('/login/password', { email: EMAIL, password: PASSWORD })
      return (body as { challenge: string }).challenge
    }
    const sendCode = async (challenge: string, code: string) =>
      (await post('/login/code', { challenge, code })).status
    return { post, userData, challenge, sendCode }
  }

  it('counts a wrong code as a failed login', async () => {
    const { post } = await start()
    const statusOf = async (code: string) =>
      (await post('/login', { email: EMAIL, password: PASSWORD, code })).status
    expect(await statusOf('123456')).toBe(200)
    for (let n = 0; n < 3; n++) expect(await statusOf('0')).toBe(401)
    expect(await statusOf('123456')).toBe(429)
  })

  it('gives no challenge for a wrong password', async () => {
    const { post } = await start()
    const answer = await post('/login/password', { email: EMAIL, password: 'wrong' })
    expect(answer.status).toBe(401)
    expect(await challenges().countDocuments()).toBe(0)
  })

  it('gives tokens once for a challenge', async () => {
    const { challenge, sendCode } = await start()
    const sent = await challenge()
    expect(await sendCode(sent, '123456')).toBe(200)
    expect(await sendCode(sent, '123456')).toBe(401)
  })

  it('gives tokens to one of several requests at once', async () => {
    const { challenge, sendCode } = await start()
    const sent = await challenge()
    const all = await Promise.all([1, 2, 3, 4].map(async () => sendCode(sent, '123456')))
    expect(all.filter(status => status === 200)).toHaveLength(1)
  })

  it('accepts no code after five wrong ones', async () => {
    const { challenge, sendCode } = await start()
    const sent = await challenge()
    for (let n = 0; n < 5; n++) expect(await sendCode(sent, '0')).toBe(401)
    expect(await sendCode(sent, '123456')).toBe(401)
  })
})
