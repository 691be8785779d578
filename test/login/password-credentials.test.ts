import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import express from 'express'
import { hashPassword } from 'express-custom-user-data'
import type { PasswordCredentialsOptions, WarningEvent } from 'express-custom-user-data'
import { ObjectId } from 'mongodb'
import type { Document } from 'mongodb'
import request from 'supertest'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { verifyPassword } from '../../lib/login/argon2.js'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { bearerOf, createGuardedApp, listen } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

const ALICE = new ObjectId()
const PASSWORD = 'correct horse battery staple'
const WRONG = {
  status: 401,
  body: { error: 'invalid_credentials', error_description: 'The credentials are wrong.' },
}

const database = useDatabase()
let app: express.Express
let warnings: WarningEvent[]
beforeAll(async () => {
  const passwordHash = await hashPassword(PASSWORD)
  await database.db.collection<Document & { _id: unknown }>('users').insertMany([
    { _id: ALICE, email: 'alice@example.com', passwordHash },
    { _id: 'text id', email: 'text@example.com', passwordHash },
    { _id: 42, email: 'number@example.com', passwordHash, account: 'n42' },
    { _id: 1, email: 'nohash@example.com' },
    { _id: 2, email: 'nullhash@example.com', passwordHash: null },
    { _id: 3, email: 'unreadable@example.com', passwordHash: 'plain text' },
    { _id: 4, email: 'bcrypt@example.com', passwordHash: `$2b$10$${'a'.repeat(53)}` },
    { _id: 5, email: 'torn@example.com', passwordHash: passwordHash.slice(0, -10) },
    { _id: 6, email: 'odd@example.com', passwordHash: 42 },
    { _id: 'other', name: 'Alice', secret: await hashPassword('other') },
  ])
})
beforeEach(() => {
  app = createApp()
})

function createApp(options: Partial<PasswordCredentialsOptions> = {}, { db } = database, timeout = 10_000) {
  const userData = createTestUserData({ db }, { loadTimeoutMs: timeout })
  warnings = []
  userData.events.on('warning', warning => {
    if (warning.code === 'password_hash_unreadable') warnings.push(warning)
  })
  const verify = userData.passwordCredentials({ collection: db.collection('users'), ...options })
  return express().post('/login', userData.login(verify))
}

const logIn = (body: object, to = app) => request(to).post('/login').send(body)

describe('the right password', () => {
  it('logs the user in, by the hex digits of an ObjectId', async () => {
    const answer = await logIn({ email: 'alice@example.com', password: PASSWORD })
    expect(answer.status).toBe(200)
    expect(answer.body.user.id).toBe(ALICE.toHexString())
  })

  it('logs in a user whose _id is a text', async () => {
    expect((await logIn({ email: 'text@example.com', password: PASSWORD })).body.user.id).toBe('text id')
  })

  it('logs the user in with a form', async () => {
    const form = { email: 'alice@example.com', password: PASSWORD }
    expect((await request(app).post('/login').type('form').send(form)).status).toBe(200)
  })

  it('is a 500 if the id is not a known type and toUserId is missing', async () => {
    const body = { email: 'number@example.com', password: PASSWORD }
    expect((await logIn(body)).status).toBe(500)
    const told = createApp({ toUserId: user => String(user['account']) })
    expect((await logIn(body, told)).body.user.id).toBe('n42')
  })

  it('is searched in the fields that the options name', async () => {
    const named = createApp({ usernameField: 'name', hashField: 'secret' })
    expect((await logIn({ name: 'Alice', password: 'other' }, named)).body.user.id).toBe('other')
    expect(await logIn({ name: 'alice', password: 'other' }, named)).toMatchObject(WRONG)
  })

  it('ASVS 6.2.8: is verified exactly as it was sent', async () => {
    for (const password of [` ${PASSWORD}`, `${PASSWORD} `, PASSWORD.toUpperCase(), `${PASSWORD}\0`]) {
      expect(await logIn({ email: 'alice@example.com', password })).toMatchObject(WRONG)
    }
  })
})

describe('ASVS 6.3.8: the same answer', () => {
  it.each([
    ['a wrong password', 'alice@example.com', 'wrong'],
    ['an unknown user', 'nobody@example.com', PASSWORD],
    ['a name in another case', 'Alice@example.com', PASSWORD],
    ['a user without a hash', 'nohash@example.com', PASSWORD],
    ['a user with a hash of null', 'nullhash@example.com', PASSWORD],
    ['a user with a hash that is not text', 'odd@example.com', PASSWORD],
    ['the text that replaces a missing hash', 'unreadable@example.com', 'plain text'],
    ['a hash of another kind', 'bcrypt@example.com', PASSWORD],
    ['a torn hash', 'torn@example.com', PASSWORD],
  ])('is given for %s', async (_name, email, password) => {
    const answer = await logIn({ email, password })
    expect(answer).toMatchObject(WRONG)
    expect(answer.headers).not.toHaveProperty('www-authenticate')
  })

  it('comes with a warning if a hash cannot be read, without the hash or the password', async () => {
    await logIn({ email: 'unreadable@example.com', password: 'hunter2' })
    expect(warnings).toEqual([{ code: 'password_hash_unreadable', message: expect.any(String) }])
    expect(warnings[0]!.message).not.toMatch(/hunter2|plain text/)
    warnings.length = 0
    await logIn({ email: 'alice@example.com', password: 'wrong' })
    await logIn({ email: 'nobody@example.com', password: 'wrong' })
    expect(warnings).toEqual([])
  })

  it('comes with a warning that names the kind of the hash and the way out', async () => {
    await logIn({ email: 'bcrypt@example.com', password: PASSWORD })
    expect(warnings).toEqual([
      {
        code: 'password_hash_unreadable',
        message:
          'The field "passwordHash" of a user holds a bcrypt hash, so passwordCredentials() cannot log this user in. ' +
          'Give passwordCredentials() a verifyPassword that verifies such a hash, e.g. bcrypt.compare, and a decoyHash: ' +
          'see docs/bcrypt.md of this package.',
      },
    ])
  })

  it('comes with a warning if the hash is in another field than hashField', async () => {
    const misnamed = createApp({ hashField: 'hash' })
    await logIn({ email: 'alice@example.com', password: PASSWORD }, misnamed)
    await logIn({ email: 'nohash@example.com', password: PASSWORD }, misnamed)
    expect(warnings.map(({ message }) => message)).toEqual([
      'A user has no text in the field "hash", so this user cannot log in, but a hash in "passwordHash". ' +
        'Write hashField: "passwordHash".',
    ])
  })

  it('takes about the same work, whether or not the user exists', async () => {
    const cases = ['alice@example.com', 'nobody@example.com', 'nohash@example.com', 'unreadable@example.com']
    const times = new Map(cases.map(email => [email, [] as number[]]))
    for (let run = 0; run < 15; run++) {
      for (const email of cases) {
        const began = performance.now()
        await logIn({ email, password: 'wrong' })
        times.get(email)!.push(performance.now() - began)
      }
    }
    const median = (email: string) => times.get(email)!.sort((a, b) => a - b)[7]!
    for (const email of cases.slice(1)) expect(median(email), email).toBeGreaterThan(median(cases[0]!) / 3)
  })
})

describe('a name or password that is not text', () => {
  it('never reaches a query', async () => {
    await logIn({ email: 'nobody@example.com', password: 'wrong' })
    database.commands.clear()
    const values = [{ $gt: '' }, { $ne: null }, { $regex: '.*' }, ['alice@example.com'], 42, true, null, '']
    for (const value of values) {
      const bodies = [
        { email: value, password: PASSWORD },
        { email: 'alice@example.com', password: value },
      ]
      for (const body of bodies) {
        const answer = await logIn(body)
        expect(answer.status, JSON.stringify(body)).toBe(400)
        expect(answer.body.error).toBe('invalid_request')
      }
    }
    for (const body of [{ email: 'a' }, { password: 'a' }, { username: 'a', password: 'b' }]) {
      expect((await logIn(body)).status).toBe(400)
    }
    const form = request(app).post('/login').type('form')
    expect((await form.send('email[$gt]=&password[$gt]=')).status).toBe(400)
    expect(database.commands.named('find')).toHaveLength(0)
  })

  it('ASVS 6.2.9: is refused like a name over 320 or a password over 1,024 characters', async () => {
    const email = 'alice@example.com'
    expect((await logIn({ email: 'a'.repeat(321), password: 'a' })).status).toBe(400)
    expect((await logIn({ email, password: 'a'.repeat(1025) })).status).toBe(400)
    expect(await logIn({ email: 'a'.repeat(320), password: 'a'.repeat(1024) })).toMatchObject(WRONG)
  })
})

it('while MongoDB is away a login is a 503, and not a refusal', async () => {
  const proxied = await openProxiedDatabase(database)
  const { proxy } = proxied
  proxy.pause()
  const answer = await logIn({ email: 'alice@example.com', password: PASSWORD }, createApp({}, proxied, 50))
  proxy.resume()
  expect(answer.status).toBe(503)
  expect(answer.headers['retry-after']).toBe('1')
  expect(answer.body.error).toBe('temporarily_unavailable')
})

describe('isRefused', () => {
  const isRefused = (user: Document) => user['email'] === 'text@example.com'
  const logInRefused = (password: string, options = { isRefused }) =>
    logIn({ email: 'text@example.com', password }, createApp(options))

  it('refuses its users as for a wrong password, also if the password is right', async () => {
    const app = createApp({ isRefused })
    const [refused, wrong] = [await logInRefused(PASSWORD), await logInRefused('wrong')]
    for (const answer of [refused, wrong]) expect(answer).toMatchObject(WRONG)
    expect(Object.keys(refused.headers as object)).toEqual(Object.keys(wrong.headers as object))
    expect((await logIn({ email: 'alice@example.com', password: PASSWORD }, app)).status).toBe(200)
  })

  it('gets the whole document, and only if the password is right', async () => {
    const seen: Document[] = []
    const spy = (user: Document) => seen.push(user) === 0
    await logInRefused('wrong', { isRefused: spy })
    expect(seen).toEqual([])
    expect((await logInRefused(PASSWORD, { isRefused: spy })).status).toBe(200)
    expect(seen).toMatchObject([{ _id: 'text id', email: 'text@example.com' }])
  })

  it('that throws is a 500 that does not reveal the reason', async () => {
    const answer = await logInRefused(PASSWORD, {
      isRefused: () => {
        throw new Error('hunter2')
      },
    })
    expect(answer.status).toBe(500)
    expect(answer.body).toEqual({ error: 'server_error', error_description: 'The server is misconfigured' })
  })
})

describe('simultaneous logins above the limit', () => {
  it('are answered with 503, while the logins in the queue are answered and other routes are served', async () => {
    // Reads of users must not fail by their deadline on a busy machine: that is a 503, too.
    const userData = createTestUserData(database, { loadTimeoutMs: 10_000, sessionTimeoutMs: 10_000 })
    const verify = userData.passwordCredentials({ collection: database.db.collection('users') })
    const crowded = createGuardedApp(userData).post('/password', userData.login(verify))
    const server = await listen(crowded)
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const post = async (password: string, i = 0) => {
      const body = JSON.stringify({ email: `crowd${i}@example.com`, password })
      const headers = { 'Content-Type': 'application/json' }
      return fetch(`${url}/password`, { method: 'POST', headers, body })
    }
    const answers = Array.from({ length: 99 + 2 * availableParallelism() + 60 }, (_item, i) =>
      post('wrong', i),
    )
    const me = await fetch(`${url}/me`, { headers: { Authorization: bearerOf('alice') } })
    expect(me.status).toBe(200)
    const settled = await Promise.all(answers)
    const refused = settled.filter(({ status }) => status === 503)
    expect(refused.length).toBeGreaterThan(0)
    // A slow machine answers few of the queued logins before their deadline.
    expect(settled.filter(({ status }) => status === 401).length).toBeGreaterThan(0)
    expect(new Set(settled.map(({ status }) => status))).toEqual(new Set([401, 503]))
    for (const answer of refused) {
      expect(answer.headers.get('retry-after')).toBe('1')
      expect(await answer.json()).toMatchObject({ error: 'temporarily_unavailable' })
    }
    expect((await post('wrong')).status).toBe(401)
    server.close()
    server.closeAllConnections()
  })
})

describe('a storm of logins from strangers', () => {
  it('does not keep a user out who comes from an address of an earlier login', async () => {
    const userData = createTestUserData(database, { loginThrottle: {} })
    const verify = userData.passwordCredentials({ collection: database.db.collection('users') })
    const behindProxy = express().set('trust proxy', true).post('/login', userData.login(verify))
    const logInFrom = (address: string) =>
      logIn({ email: 'alice@example.com', password: PASSWORD }, behindProxy).set('X-Forwarded-For', address)
    expect((await logInFrom('203.0.113.1')).status).toBe(200)
    const attempts = database.db.collection('custom_user_data_login_attempts')
    await expect.poll(() => attempts.countDocuments({ 'known.0': { $exists: true } })).toBe(1)

    const storm = new AbortController()
    onTestFinished(() => storm.abort(new Error('The storm is over.')))
    const hash = await hashPassword('another password')
    let refused = 0
    // More guesses than there is room for. Each is followed by another one, so the queue stays full.
    const strangers = Array.from({ length: 150 }, async () => {
      while (!storm.signal.aborted) {
        await verifyPassword(hash, 'a guess', storm.signal, false).catch(() => refused++)
        await new Promise(resolve => setImmediate(resolve))
      }
    })
    await expect.poll(() => refused).toBeGreaterThan(0)
    const answer = await logInFrom('203.0.113.1')
    expect(answer.status).toBe(200)
    storm.abort(new Error('The storm is over.'))
    await Promise.all(strangers)
  })
})

describe('the login throttle', () => {
  it('counts by the name in the field that the team names', async () => {
    const userData = createTestUserData(database, { loginThrottle: { accountAndAddressFailures: 1 } })
    const collection = database.db.collection('users')
    const verify = userData.passwordCredentials({ collection, usernameField: 'name', hashField: 'secret' })
    const named = express().post('/login', userData.login(verify))
    expect((await logIn({ name: 'Alice', password: 'wrong' }, named)).status).toBe(401)
    expect((await logIn({ name: 'Alice', password: 'other' }, named)).status).toBe(429)
    expect((await logIn({ name: 'Bob', password: 'wrong', email: 'Alice' }, named)).status).toBe(401)
  })

  it('does not count a body without a name, and counts one without a password as a failure', async () => {
    const userData = createTestUserData(database, {
      loginThrottle: { accountAndAddressFailures: 2, addressFailures: 2 },
      sessionTimeoutMs: 10_000,
    })
    const verify = userData.passwordCredentials({ collection: database.db.collection('users') })
    const strict = express().set('trust proxy', true).post('/login', userData.login(verify))
    const from = (body: object) => logIn(body, strict).set('X-Forwarded-For', '203.0.113.1')
    for (const body of [{}, { password: 'a' }, { email: 42, password: 'a' }]) {
      for (let i = 0; i < 3; i++) expect((await from(body)).status).toBe(400)
    }
    expect((await from({ email: 'a@example.com', password: 'wrong' })).status).toBe(401)
    expect((await from({ email: 'a@example.com' })).status).toBe(400)
    expect((await from({ email: 'a@example.com' })).status).toBe(429)
  })
})

describe('hashPassword()', () => {
  it('makes argon2id hashes of 19 MiB and two passes, never the same twice', async () => {
    const [one, other] = await Promise.all([hashPassword('a'), hashPassword('a')])
    for (const hash of [one, other]) expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(one).not.toBe(other)
  })

  it('takes passwords of any characters', async () => {
    const password = `пароль 🔑 ${randomBytes(8).toString('hex')}`
    await database.db.collection('users').insertOne({
      email: 'unicode@example.com',
      passwordHash: await hashPassword(password),
    })
    expect((await logIn({ email: 'unicode@example.com', password })).status).toBe(200)
  })
})

describe('a name', () => {
  it('is compared exactly, even if the collection has another collation', async () => {
    const users = await database.db.createCollection('folded', { collation: { locale: 'en', strength: 2 } })
    await users.insertOne({
      _id: ALICE,
      email: 'Alice@example.com',
      passwordHash: await hashPassword(PASSWORD),
    })
    const folded = createApp({ collection: users })
    expect((await logIn({ email: 'alice@example.com', password: PASSWORD }, folded)).status).toBe(401)
    expect((await logIn({ email: 'Alice@example.com', password: PASSWORD }, folded)).status).toBe(200)
  })

  it('in a list of names does not match a user', async () => {
    const users = database.db.collection('lists')
    await users.insertOne({ email: ['alice@example.com'], passwordHash: await hashPassword(PASSWORD) })
    const answer = await logIn(
      { email: 'alice@example.com', password: PASSWORD },
      createApp({ collection: users }),
    )
    expect(answer.status).toBe(401)
  })
})

describe('isRefused and toUserId', () => {
  it.each<[string, Partial<PasswordCredentialsOptions>]>([
    ['isRefused', { isRefused: (() => Promise.resolve(false)) as never }],
    ['isRefused', { isRefused: (() => Promise.reject(new Error('theirs'))) as never }],
    ['toUserId', { toUserId: (() => Promise.resolve('alice')) as never }],
    ['toUserId', { toUserId: (() => Promise.reject(new Error('theirs'))) as never }],
  ])('must not be async: %s is a 500 that says so, and ends no process', async (name, options) => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    const userData = createTestUserData(database)
    const failed: string[] = []
    userData.events.on('request_failed', ({ message }) => failed.push(message))
    const verify = userData.passwordCredentials({ collection: database.db.collection('users'), ...options })
    const body = { email: 'alice@example.com', password: PASSWORD }
    const answer = await logIn(body, express().post('/login', userData.login(verify)))
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    process.off('unhandledRejection', note)
    expect(answer.status).toBe(500)
    expect(failed).toEqual([
      expect.stringMatching(
        new RegExp(`^passwordCredentials\\(\\): ${name} returned a promise\\b.*must not be async`),
      ),
    ])
    expect(unhandled).toEqual([])
  })
})
