import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Express } from 'express'
import { CustomUserDataError, OptionError } from 'express-custom-user-data'
import type { LoginThrottleOptions } from 'express-custom-user-data'
import type { Db } from 'mongodb'
import request from 'supertest'
import type { Response } from 'supertest'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { openDatabase, openProxiedDatabase, useDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { listen } from '../support/guarded-app.js'
import { recordEvents } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const RIGHT = 'the right password'

const deadlines = holdDeadlines()
const database = useDatabase()
beforeAll(async () => {
  await database.db.collection('custom_user_data').insertOne({ userId: 'large', text: 'x'.repeat(1_000) })
})

interface Instance {
  app: Express
  userData: ReturnType<typeof createTestUserData>
  events: Record<string, unknown>[]
  /** The accounts whose credentials were looked at. */
  verified: unknown[]
}

interface Given {
  trustProxy?: boolean
  trouble?: () => unknown
  options?: object
  db?: Db
}

/** An instance behind a proxy that tells the client's address; what `trouble` throws is no failure of the client's. */
function start(
  loginThrottle: LoginThrottleOptions | false = {},
  { trustProxy = true, trouble, options = {}, db = database.db }: Given = {},
): Instance {
  // One session secret, so that each count is one document.
  const userData = createTestUserData({ db }, { loginThrottle, sessionSecrets: undefined, ...options })
  const verified: unknown[] = []
  const app = express().set('trust proxy', trustProxy)
  app.post(
    '/login',
    userData.login(async ({ email, username, password }) => {
      verified.push(email ?? username)
      if (password === 'trouble') await trouble?.()
      return password === RIGHT ? { id: String(email ?? username) } : null
    }),
  )
  return { app, userData, verified, events: recordEvents(userData) }
}

let account: string
let address: string
let tests = 0
beforeEach(() => {
  tests++
  account = `user${tests}@example.com`
  address = `198.51.100.${tests}`
})

interface Attempt {
  email?: unknown
  password?: string
  from?: string
}

function logIn({ app }: Instance, { email = account, password = 'wrong', from = address }: Attempt = {}) {
  return request(app).post('/login').set('X-Forwarded-For', from).send({ email, password })
}

/** Fails a number of times; fails itself unless each is answered as wrong credentials are. */
async function fail(instance: Instance, times: number, attempt: Attempt = {}): Promise<void> {
  for (let i = 0; i < times; i++) expect((await logIn(instance, attempt)).status, `failure ${i}`).toBe(401)
}

function expectThrottled(answer: Response, retryAfter: string | RegExp = /^\d+$/): void {
  expect(answer.status).toBe(429)
  expect(answer.body).toEqual({
    error: 'too_many_attempts',
    error_description: 'There were too many attempts to log in.',
  })
  expect(answer.headers['retry-after']).toMatch(retryAfter)
  expect(answer.headers['cache-control']).toBe('no-store')
  expect(answer.headers).not.toHaveProperty('www-authenticate')
}

const COLLECTION = 'custom_user_data_login_attempts'
const attempts = () => database.db.collection(COLLECTION)

describe('failed logins', () => {
  it('ASVS 6.3.1: are checked ten times for one account and address, and then the right password is refused too', async () => {
    const instance = start()
    await fail(instance, 10)
    expectThrottled(await logIn(instance, { password: RIGHT }))
    expect(instance.verified).toHaveLength(10)
    const { name, limit, retryAfterSeconds, ...rest } = instance.events.at(-1)!
    expect({ name, limit, rest }).toEqual({
      name: 'throttled',
      limit: 'account_and_address',
      rest: { accounts: [instance.userData.accountDigest(account)], address },
    })
    expect(retryAfterSeconds).toBeGreaterThan(890)
    expect(retryAfterSeconds).toBeLessThanOrEqual(900)
  })

  it('are counted for all instances together', async () => {
    const [one, two] = [start(), start()]
    await fail(one, 5)
    await fail(two, 5)
    for (const instance of [one, two]) expectThrottled(await logIn(instance, { password: RIGHT }))
  })

  it('are forgotten by a success', async () => {
    const instance = start()
    for (let round = 0; round < 3; round++) {
      await fail(instance, 9)
      expect((await logIn(instance, { password: RIGHT })).status).toBe(200)
    }
  })

  it('count together for all spellings of the name of an account', async () => {
    const instance = start({ accountAndAddressFailures: 4 })
    const name = `josé${tests}@example.com`
    const written = [name, name.toUpperCase(), name.normalize('NFD'), name.replace('@', '＠')]
    for (const email of written) await fail(instance, 1, { email })
    expectThrottled(await logIn(instance, { email: name }))
  })

  it('of another account from the same address are still checked', async () => {
    const instance = start()
    await fail(instance, 10)
    await fail(instance, 1, { email: 'another@example.com' })
  })

  it('are also counted by the field `username`, and by the account that the team names', async () => {
    const named = start({ accountAndAddressFailures: 1 })
    const byName = () =>
      request(named.app)
        .post('/login')
        .set('X-Forwarded-For', address)
        .send({ username: account, password: 'x' })
    expect((await byName()).status).toBe(401)
    expectThrottled(await byName())
    const userData = createTestUserData(database, { loginThrottle: { accountAndAddressFailures: 1 } })
    const app = express().post(
      '/login',
      userData.login(() => null, { account: ({ phone }) => String(phone) }),
    )
    const byPhone = () =>
      request(app)
        .post('/login')
        .send({ phone: `+49 ${account}` })
    expect((await byPhone()).status).toBe(401)
    expectThrottled(await byPhone())
  })

  it('without an account count only for their address', async () => {
    const instance = start({ addressFailures: 3, accountAndAddressFailures: 1, accountFailures: 1 })
    await fail(instance, 3, { email: null })
    expectThrottled(await logIn(instance, { email: null }))
    expect(instance.events.at(-1)).toMatchObject({ limit: 'address' })
  })

  it('from one address are checked a hundred times, for any accounts', async () => {
    const instance = start({ addressFailures: 5 })
    for (let i = 0; i < 5; i++) await fail(instance, 1, { email: `${i}.${account}` })
    expectThrottled(await logIn(instance, { email: `6.${account}` }))
    expect(instance.events.at(-1)).toMatchObject({ limit: 'address', address })
    await fail(instance, 1, { from: '203.0.113.99' })
  })

  it('do not include successes: any number of successes from one address is accepted', async () => {
    const instance = start({ addressFailures: 3, accountAndAddressFailures: 3 })
    for (let i = 0; i < 8; i++) expect((await logIn(instance, { password: RIGHT })).status).toBe(200)
  })
})

describe('two hundred guesses at once', () => {
  it('are checked ten times at most, by one instance and by two', async () => {
    const limits = { addressFailures: 1_000 }
    for (const instances of [[start(limits)], [start(limits), start(limits)]]) {
      account = `parallel${instances.length}@example.com`
      address = `203.0.113.${200 + instances.length}`
      const urls = await Promise.all(instances.map(async ({ app }) => serve(app)))
      const statuses = await Promise.all(
        Array.from({ length: 200 }, (_item, i) => guess(urls[i % urls.length]!)),
      )
      expect(instances.flatMap(({ verified }) => verified)).toHaveLength(10)
      expect(statuses.filter(status => status === 401)).toHaveLength(10)
      expect(statuses.filter(status => status === 429)).toHaveLength(190)
    }
  }, 120_000)

  async function serve(app: Express): Promise<string> {
    const server = await listen(app)
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/login`
  }

  async function guess(url: string): Promise<number> {
    const headers = { 'Content-Type': 'application/json', 'X-Forwarded-For': address, Connection: 'close' }
    const body = JSON.stringify({ email: account, password: 'wrong' })
    const answer = await fetch(url, { method: 'POST', headers, body })
    await answer.text()
    return answer.status
  }
})

describe('the wait', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1_000)

  it('ends with the window, which begins at the first failure, and Retry-After tells the end', async () => {
    const instance = start({ windowSeconds: 60, accountAndAddressFailures: 2 })
    await fail(instance, 1)
    pass(20)
    await fail(instance, 1)
    pass(10)
    expectThrottled(await logIn(instance), '30')
    pass(29)
    expectThrottled(await logIn(instance), '1')
    pass(1)
    expect((await logIn(instance, { password: RIGHT })).status).toBe(200)
  })

  it('is a day if the account is at its limit for all addresses', async () => {
    const instance = start({ accountFailures: 2 })
    for (const from of ['203.0.113.1', '203.0.113.2']) await fail(instance, 1, { from })
    expectThrottled(await logIn(instance, { from: '203.0.113.3' }), '86400')
    pass(86_400)
    await fail(instance, 1, { from: '203.0.113.3' })
  })

  it('does not apply for 90 days to an address from which the account has logged in', async () => {
    const instance = start({ accountFailures: 1 })
    expect((await logIn(instance, { password: RIGHT })).status).toBe(200)
    const day = 86_400
    pass(89 * day)
    await fail(instance, 1, { from: '203.0.113.1' })
    expectThrottled(await logIn(instance, { from: '203.0.113.2' }))
    expect((await logIn(instance, { password: RIGHT })).status).toBe(200)
    pass(91 * day)
    await fail(instance, 1, { from: '203.0.113.1' })
    expectThrottled(await logIn(instance, { password: RIGHT }))
  })
})

describe('ASVS 6.3.1: the owner of an account', () => {
  it('is let in from their own address while another address is at its limit', async () => {
    const instance = start()
    await fail(instance, 10, { from: '203.0.113.50' })
    expectThrottled(await logIn(instance, { from: '203.0.113.50' }))
    expect((await logIn(instance, { password: RIGHT })).status).toBe(200)
  })

  it('is let in from a known address while the account is at its limit for strangers', async () => {
    const instance = start({ accountFailures: 3 })
    expect((await logIn(instance, { password: RIGHT })).status).toBe(200)
    for (let i = 0; i < 3; i++) await fail(instance, 1, { from: `203.0.113.${60 + i}` })
    const stranger = await logIn(instance, { password: RIGHT, from: '203.0.113.70' })
    expectThrottled(stranger)
    expect(instance.events.at(-1)).toMatchObject({ limit: 'account', address: '203.0.113.70' })
    await fail(instance, 3)
    expect((await logIn(instance, { password: RIGHT })).status).toBe(200)
  })

  it('does not add to the count for strangers by failures from a known address', async () => {
    const instance = start({ accountFailures: 1 })
    expect((await logIn(instance, { password: RIGHT })).status).toBe(200)
    await fail(instance, 5)
    await fail(instance, 1, { from: '203.0.113.80' })
  })
})

describe('an address', () => {
  it('is a whole /64 of IPv6: a thousand addresses of one network get no more guesses than one address', async () => {
    const instance = start({ addressFailures: 10 })
    const froms = Array.from({ length: 1_000 }, (_item, i) => `2001:db8:0:${tests}::${(i * 7).toString(16)}`)
    for (const from of froms.slice(0, 10)) await fail(instance, 1, { from, email: `${from}@example.com` })
    for (const from of froms.slice(990)) {
      expectThrottled(await logIn(instance, { from, email: `${from}@example.com` }))
    }
    await fail(instance, 1, { from: `2001:db8:0:f${tests}::1` })
  })

  it('of IPv4 is the same if it is written as IPv6', async () => {
    const instance = start({ accountAndAddressFailures: 2 })
    await fail(instance, 1, { from: `::ffff:${address}` })
    await fail(instance, 1, { from: address })
    expectThrottled(await logIn(instance, { from: `::FFFF:${address}` }))
    expect(instance.events.at(-1)).toMatchObject({ address })
  })

  it('is not what X-Forwarded-For says, unless the app trusts its proxy', async () => {
    const instance = start({ accountAndAddressFailures: 3 }, { trustProxy: false })
    for (let i = 0; i < 3; i++) await fail(instance, 1, { from: `203.0.113.${90 + i}` })
    expectThrottled(await logIn(instance, { from: '203.0.113.99' }))
    expect(instance.events.at(-1)).toMatchObject({ address: '127.0.0.1' })
  })
})

describe('a fault of the server does not count as a failed login:', () => {
  it.each<[string, number, () => unknown]>([
    ['a verifyCredentials that never settles', 503, () => new Promise(() => undefined)],
    ['one that says so itself', 503, () => unavailable()],
  ])('%s counts nothing', async (_name, status, trouble) => {
    const instance = start(
      { accountAndAddressFailures: 2, addressFailures: 2, accountFailures: 2 },
      { trouble, options: { verifyCredentialsTimeoutMs: 300, sessionTimeoutMs: 3_600_000 } },
    )
    for (let i = 0; i < 4; i++) {
      const { answer } = await deadlines.passUntil(logIn(instance, { password: 'trouble' }))
      expect(answer.status).toBe(status)
    }
    await fail(instance, 2)
    expectThrottled(await logIn(instance))
  })

  it('a document that cannot be served counts nothing', async () => {
    const instance = start({ accountAndAddressFailures: 1 }, { options: { maxDocumentBytes: 500 } })
    const attempt = { email: 'large', password: RIGHT }
    for (let i = 0; i < 3; i++) expect((await logIn(instance, attempt)).status).toBe(500)
  })

  it('a body that is refused before its credentials are checked counts nothing', async () => {
    const instance = start({ accountAndAddressFailures: 1, addressFailures: 1 })
    for (let i = 0; i < 3; i++) expect((await logIn(instance, { email: { $gt: '' } })).status).toBe(400)
    await fail(instance, 1)
  })

  it('it gives strangers no further guesses, also if it comes from a known address', async () => {
    const trouble = () => unavailable()
    const instance = start({ accountFailures: 2 }, { trouble })
    expect((await logIn(instance, { password: RIGHT })).status).toBe(200)
    for (let i = 0; i < 5; i++) expect((await logIn(instance, { password: 'trouble' })).status).toBe(503)
    for (let i = 0; i < 2; i++) await fail(instance, 1, { from: `203.0.113.${100 + i}` })
    expectThrottled(await logIn(instance, { from: '203.0.113.110' }))
  })

  it('ASVS 16.5.3: a login is a 503 if nothing can be counted, and its credentials are not checked', async () => {
    const proxied = await openProxiedDatabase(database)
    const { proxy } = proxied
    const db = proxied.db
    const instance = start({}, { db, options: { sessionTimeoutMs: 400 } })
    await fail(instance, 1)
    proxy.pause()
    const { answer } = await deadlines.passUntil(logIn(instance, { password: RIGHT }))
    expect(answer).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } })
    expect(answer.headers).toMatchObject({ 'retry-after': '1' })
    expect(instance.verified).toHaveLength(1)
    proxy.resume()
    expect((await logIn(start(), { password: RIGHT })).status).toBe(200)
  })

  it('logins that were answered with 503 count nothing when MongoDB counts them later', async () => {
    const fresh = await openDatabase()
    const proxied = await openProxiedDatabase(fresh)
    const { proxy } = proxied
    const db = proxied.db
    const points = async () => {
      const stored = await fresh.db.collection(COLLECTION).find().toArray()
      return stored.map(({ failures }) => (Array.isArray(failures) ? failures.length : (failures as number)))
    }
    await fail(start({}, { db: fresh.db }), 1)
    const instance = start({ accountAndAddressFailures: 3 }, { db, options: { sessionTimeoutMs: 400 } })
    await fail(instance, 1)
    proxied.commands.clear()
    proxy.pause()
    for (let i = 0; i < 4; i++) expect((await deadlines.passUntil(logIn(instance))).answer.status).toBe(503)
    proxy.resume()
    const counted = () => proxied.commands.named('findAndModify').length
    await expect.poll(counted, { timeout: 10_000 }).toBeGreaterThanOrEqual(8)
    await expect.poll(points, { timeout: 10_000 }).toEqual([2, 2])
    await fail(instance, 1)
    await fresh.close()
  })

  function unavailable(): never {
    throw new CustomUserDataError('credentials_unavailable', 'Not now.')
  }
})

describe('the stored attempts', () => {
  it('contain only digests of accounts, spellings and addresses', async () => {
    const instance = start({ accountAndAddressFailures: 2 })
    await fail(instance, 1)
    expect((await logIn(instance, { password: RIGHT })).status).toBe(200)
    await fail(instance, 2)
    const stored = await attempts().find().toArray()
    for (const { _id, expressCustomUserData, expiresAt } of stored) {
      expect(_id).toMatch(/^(account|address):[\w-]{16}:[\w-]{43}$/)
      expect(expressCustomUserData).toBe('login_attempt')
      expect(expiresAt).toBeInstanceOf(Date)
    }
    const text = JSON.stringify(stored)
    for (const part of ['example.com', 'user', address, '127.0.0.1', RIGHT]) {
      expect(text.replaceAll('expressCustomUserData', '')).not.toContain(part)
    }
  })

  it('expire by an index that covers only documents with our mark', async () => {
    await fail(start(), 1)
    expect(await attempts().indexes()).toMatchObject([
      { name: '_id_' },
      {
        name: 'custom_user_data_login_attempt_expiry',
        key: { expiresAt: 1 },
        expireAfterSeconds: 0,
        partialFilterExpression: { expressCustomUserData: 'login_attempt' },
      },
    ])
  })

  it('are counted even if the index cannot be made, with a warning that contains the command', async () => {
    const fresh = await openDatabase()
    const name = 'custom_user_data_login_attempt_expiry'
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
    await fresh.db.collection(COLLECTION).createIndex({ theirs: 1 }, { name })
    const instance = start({ accountAndAddressFailures: 2 }, { db: fresh.db })
    await fail(instance, 2)
    expectThrottled(await logIn(instance))
    const message = expect.stringMatching(/"expiresAt".*createIndex\(.*"expireAfterSeconds":0/) as string
    await expect
      .poll(() => instance.events)
      .toContainEqual(expect.objectContaining({ code: 'login_attempt_index_missing', message }))
    await fresh.close()
  })

  it('are written and read by commands that name the mark, in one round trip', async () => {
    const instance = start()
    await fail(instance, 1)
    database.commands.clear()
    await fail(instance, 1)
    const sent = database.commands
      .filter(({ command }) => JSON.stringify(command).includes(COLLECTION))
      // The index is made in the background.
      .filter(({ name }) => name !== 'createIndexes' && name !== 'listIndexes')
    expect(sent.map(({ name }) => name)).toEqual(['findAndModify', 'findAndModify'])
    for (const { command } of sent)
      expect(command['query']).toMatchObject({ expressCustomUserData: 'login_attempt' })
  })

  it('are in the collection that the option loginAttemptCollection names', async () => {
    const fresh = await openDatabase()
    const loginAttemptCollection = fresh.db.collection('guesses')
    await fail(start({}, { options: { loginAttemptCollection } }), 1)
    expect(await loginAttemptCollection.countDocuments()).toBe(2)
    await fresh.close()
  })
})

describe('a collection of the app', () => {
  const PAST = new Date('2020-01-01')

  it('that is named login_attempts loses nothing to ready() and logins', async () => {
    const fresh = await openDatabase()
    const theirs = fresh.db.collection('login_attempts')
    await theirs.insertMany(Array.from({ length: 300 }, (_item, user) => ({ user, expire: PAST })))
    const userData = createTestUserData(fresh, { loginThrottle: {} })
    await userData.ready()
    await fail(start({}, { db: fresh.db }), 1)
    expect(await theirs.indexes()).toHaveLength(1)
    expect(await theirs.countDocuments()).toBe(300)
    await fresh.close()
  })

  it('given as loginAttemptCollection is refused by ready() and by the first login, which name the option', async () => {
    const fresh = await openDatabase()
    const theirs = fresh.db.collection(COLLECTION)
    await theirs.insertOne({ user: 'alice', expiresAt: PAST })
    const userData = createTestUserData(fresh, { loginThrottle: {} })
    const refusal = {
      code: 'foreign_collection',
      message: expect.stringContaining('"loginAttemptCollection"') as string,
    }
    await expect(userData.ready()).rejects.toMatchObject(refusal)
    await expect(userData.forgetFailedLogins('alice')).rejects.toMatchObject(refusal)
    const instance = start({}, { db: fresh.db })
    const answer = await logIn(instance, { password: RIGHT })
    expect(answer).toMatchObject({ status: 500, body: { error: 'server_error' } })
    expect(instance.verified).toEqual([])
    expect(await theirs.find().toArray()).toMatchObject([{ user: 'alice', expiresAt: PAST }])
    expect(await theirs.indexes()).toHaveLength(1)
    await theirs.deleteMany({})
    await fail(instance, 1)
    await fresh.close()
  })

  it('is not checked if logins are not counted', async () => {
    const fresh = await openDatabase()
    await fresh.db.collection(COLLECTION).insertOne({ user: 'alice' })
    await createTestUserData(fresh, { loginThrottle: false }).ready()
    await fail(start(false, { db: fresh.db }), 1)
    await fresh.close()
  })
})

it('loginThrottle: false counts nothing and stores nothing', async () => {
  const fresh = await openDatabase()
  const instance = start(false, { db: fresh.db })
  await fail(instance, 30)
  expect(await fresh.db.collection(COLLECTION).countDocuments()).toBe(0)
  await fresh.close()
})

it.each([
  true,
  { accountAndAddressFailures: 0 },
  { accountAndAddressFailures: 101 },
  { accountFailures: 101 },
  { addressFailures: 0 },
  { windowSeconds: 0 },
  { windowSeconds: 86_401 },
  { perSecond: 1 },
])('limits that are no limits, or above the hundred of NIST, are refused at creation: %j', loginThrottle => {
  expect(() => createTestUserData(database, { loginThrottle: loginThrottle as never })).toThrow(OptionError)
})
