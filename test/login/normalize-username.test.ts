import bcrypt from 'bcryptjs'
import express from 'express'
import { hashPassword } from 'express-custom-user-data'
import type { CustomUserDataOptions, PasswordCredentialsOptions } from 'express-custom-user-data'
import type { Document } from 'mongodb'
import request from 'supertest'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { recordEvents } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const PASSWORD = 'correct horse battery staple'
const WRONG = { status: 401, body: { error: 'invalid_credentials' } }

const database = useDatabase()
const users = () => database.db.collection<Document & { _id: string }>('users')
let passwordHash: string
beforeAll(async () => {
  passwordHash = await hashPassword(PASSWORD)
})
beforeEach(async () => {
  await users().deleteMany({})
})

const addUser = (_id: string, email: unknown) => users().insertOne({ _id, email, passwordHash })

function start(
  options: Partial<PasswordCredentialsOptions> = { normalizeUsername: true },
  instance: Partial<CustomUserDataOptions<Record<string, unknown>>> = {},
) {
  const userData = createTestUserData(database, instance)
  const verify = userData.passwordCredentials({ collection: users(), ...options })
  const app = express().post('/login', userData.login(verify))
  const logIn = (email: string, password = PASSWORD) => request(app).post('/login').send({ email, password })
  return { logIn, userData, events: recordEvents(userData) }
}

describe('normalizeUsername', () => {
  it.each([
    'alice@example.com',
    'Alice@Example.COM',
    ' alice@example.com\n',
    '\u00a0ALICE@EXAMPLE.COM\ufeff',
  ])('finds the stored name alice@example.com by %j', async typed => {
    await addUser('alice', 'alice@example.com')
    expect(await start().logIn(typed)).toMatchObject({ status: 200, body: { user: { id: 'alice' } } })
  })

  it('is off by default: names are compared exactly', async () => {
    await addUser('alice', 'alice@example.com')
    const { logIn } = start({})
    expect(await logIn('Alice@example.com')).toMatchObject(WRONG)
    expect(await logIn(' alice@example.com')).toMatchObject(WRONG)
  })

  it('finds a name that is stored with capital letters only by the same letters', async () => {
    await addUser('bob', 'Bob@example.com')
    const { logIn } = start()
    expect(await logIn('Bob@example.com')).toMatchObject({ status: 200, body: { user: { id: 'bob' } } })
    for (const typed of ['bob@example.com', 'BOB@example.com', 'Bob@example.com ']) {
      expect(await logIn(typed)).toMatchObject(WRONG)
    }
  })

  it('prefers the user with the normalized name', async () => {
    await addUser('raw', 'Bob@example.com')
    await addUser('normalized', 'bob@example.com')
    expect((await start().logIn('Bob@example.com')).body.user.id).toBe('normalized')
  })

  it('sends the same queries whether or not a user has one of the names', async () => {
    await addUser('alice', 'alice@example.com')
    await addUser('bob', 'Bob@example.com')
    const { logIn } = start()
    const asked: unknown[] = []
    for (const typed of ['Alice@example.com', 'Bob@example.com', 'Nobody@example.com']) {
      database.commands.clear()
      await logIn(typed, 'wrong')
      asked.push(database.commands.named('find').filter(({ command }) => command['find'] === 'users').length)
    }
    expect(asked).toEqual([2, 2, 2])
  })

  it('verifies one hash, whichever user is found', async () => {
    await addUser('alice', 'alice@example.com')
    await users().updateMany({}, { $set: { passwordHash: bcrypt.hashSync(PASSWORD, 4) } })
    const calls: string[] = []
    const { logIn } = start({
      normalizeUsername: true,
      decoyHash: bcrypt.hashSync('a random text', 4),
      verifyPassword: (password, hash) => {
        calls.push(hash)
        return bcrypt.compare(password, hash)
      },
    })
    for (const typed of ['Alice@example.com', 'Nobody@example.com']) await logIn(typed, 'wrong')
    expect(calls).toHaveLength(2)
  })

  it('refuses a name of white space alone with 400, so that no user with an empty name is found', async () => {
    await addUser('nameless', '')
    expect(await start().logIn(' \n\u00a0')).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    })
  })

  it('finds no user by one of several names in a list', async () => {
    await addUser('list', ['alice@example.com', 'Alice@example.com'])
    expect(await start().logIn('Alice@example.com')).toMatchObject(WRONG)
  })
})

describe('the login throttle with normalizeUsername', () => {
  const limits = (accountAndAddressFailures: number) => ({ loginThrottle: { accountAndAddressFailures } })
  const failuresOf = async (userData: ReturnType<typeof start>['userData'], account: string) => {
    const { failedLogins } = await userData.storedAbout('anybody', { accounts: [account] })
    return failedLogins[0]?.failures ?? 0
  }

  it('forgets the failures of all spellings of a normalized name at a login in any of them', async () => {
    await addUser('alice', 'alice@example.com')
    const { logIn, userData } = start(undefined, limits(4))
    await logIn('alice@example.com', 'wrong')
    await logIn('Alice@example.com', 'wrong')
    await logIn('ALICE@example.com', 'wrong')
    expect(await failuresOf(userData, 'alice@example.com')).toBe(3)
    expect((await logIn(' Alice@Example.com')).status).toBe(200)
    await expect.poll(() => failuresOf(userData, 'alice@example.com')).toBe(0)
  })

  it('forgets the failures of a name that is stored with capital letters, in both spellings, when its owner logs in', async () => {
    await addUser('bob', 'Carol@example.com')
    const { logIn, userData } = start(undefined, limits(4))
    for (const typed of ['Carol@example.com', 'carol@example.com', 'Carol@example.com'])
      await logIn(typed, 'wrong')
    expect(await failuresOf(userData, 'carol@example.com')).toBe(3)
    expect((await logIn('Carol@example.com')).status).toBe(200)
    await expect.poll(() => failuresOf(userData, 'carol@example.com')).toBe(0)
  })

  it('counts both spellings of a name as one account', async () => {
    await addUser('bob', 'Dave@example.com')
    const { logIn } = start(undefined, limits(3))
    for (const typed of ['Dave@example.com', 'dave@example.com', 'DAVE@example.com'])
      await logIn(typed, 'wrong')
    for (const typed of ['Dave@example.com', 'dave@example.com'])
      expect((await logIn(typed)).body).toMatchObject({ error: 'too_many_attempts' })
  })

  it('keeps the failures of another spelling without the option, because it may be another user', async () => {
    await addUser('bob', 'erin@example.com')
    await addUser('other', 'Erin@example.com')
    const { logIn, userData } = start({}, limits(4))
    await logIn('Erin@example.com', 'a guess')
    for (let i = 0; i < 2; i++) {
      expect((await logIn('erin@example.com')).status).toBe(200)
      await expect.poll(() => failuresOf(userData, 'erin@example.com')).toBe(1)
    }
  })

  it('does not let the owner of a raw name forget the failures of the others, and does not count their logins', async () => {
    await addUser('bob', 'Bob@example.com')
    await addUser('mallory', 'BOB@example.com')
    const { logIn, userData } = start(undefined, limits(4))
    await logIn('Bob@example.com', 'a guess')
    for (let i = 0; i < 5; i++) {
      expect((await logIn('BOB@example.com')).status).toBe(200)
      await expect.poll(() => failuresOf(userData, 'bob@example.com')).toBe(1)
    }
  })
})

describe('ready()', () => {
  const warningsOf = async (options?: Partial<PasswordCredentialsOptions>) => {
    const { userData, events } = start(options)
    await userData.ready()
    await userData.close()
    return events.filter(({ code }) => code === 'username_not_normalized')
  }

  it('is silent if all stored names are normalized, or are no texts', async () => {
    await addUser('alice', 'alice@example.com')
    await addUser('łukasz', 'łukasz and ß@example.com')
    await addUser('missing', undefined)
    await addUser('number', 42)
    await addUser('list', ['Alice'])
    expect(await warningsOf()).toEqual([])
  })

  it.each(['Bob@example.com', 'bob@example.com ', '\u00a0bob', 'bob\n', 'łUKASZ', 'Øre', 'ǅ'])(
    'warns of the stored name %j, which a login finds only in this form, without repeating it',
    async name => {
      await addUser('alice', 'alice@example.com')
      await addUser('bob', name)
      const warnings = await warningsOf()
      expect(warnings).toHaveLength(1)
      const { message } = warnings[0] as { message: string }
      expect(message).toMatch(/^The field "email" of \S+\.users holds names with capital letters/)
      expect(message).not.toContain(name)
    },
  )

  it('warns with a query that finds the names', async () => {
    await addUser('alice', 'alice@example.com')
    await addUser('bob', ' Bob')
    const [{ message }] = (await warningsOf()) as [{ message: string }]
    const filter = JSON.parse(/\.find\((.*)\)$/.exec(message)![1]!) as Document
    expect(await users().find(filter).toArray()).toMatchObject([{ _id: 'bob' }])
  })

  it('looks at no names without the option', async () => {
    await addUser('bob', 'Bob@example.com')
    expect(await warningsOf({})).toEqual([])
  })

  it('looks once at each collection, also at one that was given after the first call', async () => {
    await addUser('bob', 'Bob@example.com')
    const { userData, events } = start()
    for (let i = 0; i < 2; i++) await userData.ready()
    const codes = () => events.filter(({ code }) => code === 'username_not_normalized').length
    expect(codes()).toBe(1)
    userData.passwordCredentials({ collection: users(), normalizeUsername: true })
    for (let i = 0; i < 2; i++) await userData.ready()
    expect(codes()).toBe(2)
    await userData.close()
  })
})
