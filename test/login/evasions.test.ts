import express from 'express'
import type { Express, RequestHandler } from 'express'
import { CustomUserDataError, hashPassword } from 'express-custom-user-data'
import type { CustomUserData, RequestFailedEvent } from 'express-custom-user-data'
import request from 'supertest'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { recordEvents } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const RIGHT = 'the right password'

type TestUserData = CustomUserData<Readonly<Record<string, unknown>>>
type Body = Readonly<Record<string, unknown>>
type Verify = (body: Body) => { id: string } | null | Promise<{ id: string } | null>

const database = useDatabase()
let clock: ManualClock
let name: string
let tests = 0
beforeEach(() => {
  clock = createManualClock()
  tests++
  name = `user${tests}@example.com`
})

// Hundreds of logins in a row, and MongoDB may be busy with other tests.
vi.setConfig({ testTimeout: 120_000 })

interface Instance {
  app: Express
  userData: TestUserData
  events: Record<string, unknown>[]
  failed: RequestFailedEvent[]
  /** How often the credentials were checked. */
  looked: () => number
}

/** An instance whose login route calls `verify`; the address is the one of `X-Forwarded-For`. */
function start(
  verify: Verify,
  loginThrottle = {},
  toRoute?: (userData: TestUserData) => RequestHandler,
): Instance {
  const patience = { sessionTimeoutMs: 600_000, loadTimeoutMs: 600_000, verifyCredentialsTimeoutMs: 600_000 }
  const userData = createTestUserData(database, { loginThrottle, clock, ...patience })
  let looked = 0
  const counting: Verify = body => {
    looked++
    return verify(body)
  }
  const app = express().set('trust proxy', true)
  app.post('/login', toRoute?.(userData) ?? userData.login(counting))
  const failed: RequestFailedEvent[] = []
  userData.events.on('request_failed', event => failed.push(event))
  return { app, userData, events: recordEvents(userData), failed, looked: () => looked }
}

async function post({ app }: Instance, body: object, from = `198.51.100.${tests}`): Promise<number> {
  const answer = await request(app).post('/login').set('X-Forwarded-For', from).send(body)
  return answer.status
}

/** The number of logins that are answered with 401, which is the number of checked guesses. */
async function countGuesses(times: number, guess: (i: number) => Promise<number>): Promise<number> {
  let guesses = 0
  for (let i = 0; i < times; i++) if ((await guess(i)) === 401) guesses++
  return guesses
}

/** Two accounts whose names differ in case: each has its own password. */
const bySpelling =
  (own: string): Verify =>
  ({ email, password }) =>
    email === own && password === RIGHT ? { id: own } : null

const createPasswords = (userData: TestUserData) =>
  userData.passwordCredentials({ collection: database.db.collection('people'), usernameField: 'name' })

describe('the limit of an account holds', () => {
  it('against a client that logs in to an account with a similar name in between, from one address', async () => {
    const own = name.replace('user', 'User')
    const instance = start(bySpelling(own))
    const guesses = await countGuesses(60, async i => {
      if (i % 9 === 8) await post(instance, { email: own, password: RIGHT })
      return post(instance, { email: name, password: `guess ${i}` })
    })
    expect(guesses).toBe(10)
  })

  it('against a client that does this from many addresses', async () => {
    const own = name.replace('user', 'User')
    const instance = start(bySpelling(own), { addressFailures: 1_000 })
    const guesses = await countGuesses(250, async i => {
      const from = `203.0.${Math.floor(i / 5)}.7`
      if (i % 50 === 49) await post(instance, { email: own, password: RIGHT })
      return post(instance, { email: name, password: `guess ${i}` }, from)
    })
    expect(guesses).toBe(100)
  })

  it('against a new e-mail with each guess if the callback reads the username', async () => {
    const instance = start(({ username, password }) =>
      username === name && password === RIGHT ? { id: name } : null,
    )
    const guesses = await countGuesses(300, i =>
      post(instance, { email: `x${i}`, username: name, password: 'x' }),
    )
    expect(guesses).toBe(10)
  })

  it('against a login of another account that names this one in the other field', async () => {
    const instance = start(({ username, password }) =>
      username === 'mallory' && password === RIGHT ? { id: 'mallory' } : null,
    )
    const guesses = await countGuesses(40, async i => {
      if (i % 9 === 8)
        expect(await post(instance, { username: 'mallory', email: name, password: RIGHT })).not.toBe(401)
      return post(instance, { username: name, password: `guess ${i}` })
    })
    expect(guesses).toBeLessThanOrEqual(10)
  })

  it('against a stranger with an address that is known for another account', async () => {
    const instance = start(
      ({ username, password }) => (username === 'mallory' && password === RIGHT ? { id: 'mallory' } : null),
      { accountFailures: 3 },
    )
    expect(await post(instance, { username: 'mallory', email: name, password: RIGHT })).toBe(200)
    expect(await countGuesses(9, () => post(instance, { username: name, password: 'x' }))).toBe(3)
  })

  it.each<[string, (userData: TestUserData) => RequestHandler]>([
    [
      'in an arrow function',
      userData => {
        const passwords = createPasswords(userData)
        return userData.login((body, req) => passwords(body, req))
      },
    ],
    [
      'in an async arrow function that renames the field',
      userData => {
        const passwords = createPasswords(userData)
        return userData.login(async ({ login = null, password = null }, req) => {
          await Promise.resolve()
          return passwords({ name: login, password }, req)
        })
      },
    ],
  ])('with passwordCredentials() %s', async (_name, toRoute) => {
    await database.db.collection('people').insertOne({ name, passwordHash: await hashPassword(RIGHT) })
    const instance = start(() => null, {}, toRoute)
    const body = { name, login: name }
    expect(await countGuesses(40, i => post(instance, { ...body, password: `guess ${i}` }))).toBe(10)
    expect(await post(instance, { ...body, password: RIGHT })).toBe(429)
    clock.advance(900_000)
    for (let round = 0; round < 3; round++) {
      expect(await countGuesses(9, () => post(instance, { ...body, password: 'x' }))).toBe(9)
      expect(await post(instance, { ...body, password: RIGHT })).toBe(200)
    }
  })

  it.each<[string, (text: string) => unknown]>([
    ['spaces around the name', text => ` ${text}\t`],
    ['a space that NFKC makes of another one', text => `\u3000${text}\u00a0`],
    ['invisible characters around the name', text => `\ufeff\u200b${text}\u2060\u0085`],
    ['a control character behind the name', text => `${text}\u0000`],
    ['wide letters', text => text.replace(/[a-z]/g, c => String.fromCodePoint(c.codePointAt(0)! + 0xfee0))],
    [
      'mathematical letters',
      text => text.replace(/[a-z]/g, c => String.fromCodePoint(c.codePointAt(0)! + 0x1d3b9)),
    ],
    ['the sign for Kelvin', text => text.replace('k', '\u212a')],
  ])('against %s', async (_name, spell) => {
    const instance = start(() => null, { addressFailures: 1_000 })
    name = `kate${name}`
    const spellings = [name, spell(name), spell(name.toUpperCase())]
    expect(await countGuesses(30, i => post(instance, { email: spellings[i % 3], password: 'x' }))).toBe(10)
  })

  it('for names that are numbers or booleans', async () => {
    const instance = start(() => null)
    const written = [50_000 + tests, String(50_000 + tests), ` ${50_000 + tests}`]
    expect(await countGuesses(30, i => post(instance, { email: written[i % 3], password: 'x' }))).toBe(10)
    expect(
      await countGuesses(30, () => post(instance, { username: true, password: 'x' }, '203.0.113.250')),
    ).toBe(10)
  })

  it('if a wrong password throws an error with a status of 400 to 499, which is answered like any refusal', async () => {
    for (const members of [{ status: 401 }, { statusCode: 404 }, { status: 499, statusCode: 499 }]) {
      name = `${name}x`
      const instance = start(() => {
        throw Object.assign(new Error('no such user'), members)
      })
      expect(await countGuesses(40, () => post(instance, { email: name, password: 'x' }))).toBe(10)
      expect(instance.events.filter(event => event['name'] === 'login_refused')).toHaveLength(10)
    }
  })

  it('if a wrong password throws a CustomUserDataError of 400 to 499, which becomes the answer', async () => {
    const instance = start(() => {
      throw new CustomUserDataError('invalid_request', 'No.')
    })
    const statuses = []
    for (let i = 0; i < 12; i++) statuses.push(await post(instance, { email: name, password: 'x' }))
    expect(statuses).toEqual([...Array<number>(10).fill(400), 429, 429])
  })

  it('if a wrong password throws any other error: three attempts per address and window are given back', async () => {
    const instance = start(() => {
      throw new Error('wrong')
    })
    const statuses = []
    for (let i = 0; i < 20; i++) statuses.push(await post(instance, { email: name, password: 'x' }))
    expect(statuses.filter(status => status === 500)).toHaveLength(13)
    expect(instance.looked()).toBe(13)
    expect(instance.events.filter(event => event['name'] === 'login_refused')).toEqual([])
    expect(instance.failed).toHaveLength(13)
    expect(instance.failed[0]).toMatchObject({ message: 'verifyCredentials failed. Caused by Error: wrong' })
  })

  it('after attempts of an earlier window were given back: nothing goes below zero', async () => {
    const fail: (() => void)[] = []
    const instance = start(({ password }) => {
      if (password !== 'trouble') return null
      return new Promise((_resolve, reject) => {
        fail.push(() => reject(new CustomUserDataError('credentials_unavailable', 'Not now.')))
      })
    })
    const pending = Array.from({ length: 9 }, () => post(instance, { email: name, password: 'trouble' }))
    await expect.poll(() => fail.length).toBe(9)
    clock.advance(900_000)
    expect(await post(instance, { email: name, password: 'x' })).toBe(401)
    for (const now of fail) now()
    expect(await Promise.all(pending)).toEqual(Array<number>(9).fill(503))
    expect(await countGuesses(30, () => post(instance, { email: name, password: 'x' }))).toBe(9)
  })

  it('after a success of an earlier window: it gives nothing to the next', async () => {
    let succeed: (() => void) | undefined
    const instance = start(({ password }) => {
      if (password !== RIGHT) return null
      return new Promise(resolve => (succeed = () => resolve({ id: name })))
    })
    const pending = post(instance, { email: name, password: RIGHT })
    await expect.poll(() => succeed).toBeDefined()
    clock.advance(900_000)
    expect(await countGuesses(9, () => post(instance, { email: `other${name}`, password: 'x' }))).toBe(9)
    succeed?.()
    expect(await pending).toBe(200)
    expect(await countGuesses(30, () => post(instance, { email: name, password: 'x' }))).toBe(10)
  })
})

describe('an attempt that is refused', () => {
  it('is counted neither for its address nor for the account', async () => {
    const instance = start(() => null, {
      accountAndAddressFailures: 2,
      addressFailures: 4,
      accountFailures: 4,
    })
    await countGuesses(2, () => post(instance, { email: name, password: 'x' }))
    for (let i = 0; i < 30; i++) expect(await post(instance, { email: name, password: 'x' })).toBe(429)
    const others = await countGuesses(9, i => post(instance, { email: `${i}${name}`, password: 'x' }))
    expect(others).toBe(2)
    expect(await countGuesses(9, i => post(instance, { email: name, password: 'x' }, `203.0.113.${i}`))).toBe(
      2,
    )
  })

  it('by its address is not counted for the account, so that one address cannot lock it for the others', async () => {
    const instance = start(() => null, { addressFailures: 1, accountFailures: 1 })
    expect(await post(instance, { email: `other${name}`, password: 'x' })).toBe(401)
    for (let i = 0; i < 20; i++) expect(await post(instance, { email: name, password: 'x' })).toBe(429)
    expect(await post(instance, { email: name, password: 'x' }, '203.0.113.201')).toBe(401)
  })

  it('extends no window', async () => {
    const instance = start(() => null)
    expect(await countGuesses(10, () => post(instance, { email: name, password: 'x' }))).toBe(10)
    for (let i = 0; i < 9; i++) {
      clock.advance(100_000 - 1)
      expect(await post(instance, { email: name, password: 'x' })).toBe(429)
    }
    clock.advance(9)
    expect(await countGuesses(30, () => post(instance, { email: name, password: 'x' }))).toBe(10)
  })

  it('never locks the owner out of a known address', async () => {
    const verify: Verify = ({ email, password }) => (password === RIGHT ? { id: String(email) } : null)
    const instance = start(verify, { addressFailures: 1_000 })
    expect(await post(instance, { email: name, password: RIGHT }, '192.0.2.1')).toBe(200)
    await countGuesses(150, i => post(instance, { email: name, password: 'x' }, `203.0.${i % 15}.9`))
    expect(await post(instance, { email: name, password: RIGHT }, '203.0.99.9')).toBe(429)
    expect(await post(instance, { email: name, password: RIGHT }, '192.0.2.1')).toBe(200)
  })
})

describe('two hundred guesses at once', () => {
  it.each<[string, (i: number) => [object, string], number]>([
    [
      'in many spellings, from one address',
      i => [{ email: i % 2 ? ` ${name}` : name.toUpperCase() }, '192.0.2.2'],
      10,
    ],
    ['in both fields', i => [{ email: `x${i}`, username: name }, '192.0.2.3'], 10],
    ['from two hundred addresses', i => [{ email: name }, `203.1.${i}.1`], 100],
    ['without a name', () => [{}, '192.0.2.4'], 100],
  ])('%s are let through as often as the limit says, at most', async (_name, guess, limit) => {
    const instance = start(() => null)
    const statuses = await Promise.all(
      Array.from({ length: 200 }, (_item, i) => {
        const [body, from] = guess(i)
        return post(instance, { ...body, password: `guess ${i}` }, from)
      }),
    )
    expect(new Set(statuses)).toEqual(new Set([401, 429]))
    expect(instance.looked()).toBeLessThanOrEqual(limit)
    expect(instance.looked()).toBeGreaterThan(0)
  })
})

describe('forgetFailedLogins()', () => {
  it('clears the counts of an account, in all its spellings and from all addresses', async () => {
    const instance = start(() => null, { accountFailures: 20, addressFailures: 1_000 })
    const guess = (i: number) =>
      post(instance, { email: i % 2 ? name : name.toUpperCase(), password: 'x' }, `203.0.113.${i % 2}`)
    expect(await countGuesses(40, guess)).toBe(20)
    expect(await post(instance, { email: name, password: 'x' }, '203.0.113.9')).toBe(429)
    await instance.userData.forgetFailedLogins(` ${name}`)
    expect(await countGuesses(40, guess)).toBe(20)
  })

  it('keeps the known addresses', async () => {
    const verify: Verify = ({ email, password }) => (password === RIGHT ? { id: String(email) } : null)
    const instance = start(verify, { accountFailures: 1 })
    expect(await post(instance, { email: name, password: RIGHT })).toBe(200)
    await instance.userData.forgetFailedLogins(name)
    expect(await post(instance, { email: name, password: 'x' }, '203.0.113.9')).toBe(401)
    expect(await post(instance, { email: name, password: RIGHT })).toBe(200)
  })

  it('changes nothing for an account without failures', async () => {
    const { userData } = start(() => null)
    await userData.forgetFailedLogins('nobody@example.com')
  })

  it.each([undefined, null, '', ' ', 5, { $ne: 1 }, ['a']])(
    'refuses a value that names no account: %j',
    async account => {
      const { userData } = start(() => null)
      await expect(userData.forgetFailedLogins(account as never)).rejects.toThrow(TypeError)
      await expect(userData.forgetFailedLogins(account as never)).rejects.toThrow(
        'forgetFailedLogins(): the account must be',
      )
    },
  )
})

it('forgetFailedLogins() does not show what it was given', async () => {
  const { userData } = start(() => null)
  const credentials = { email: name, password: 'hunter2' }
  const error: unknown = await userData
    .forgetFailedLogins(credentials as never)
    .catch((thrown: unknown) => thrown)
  expect(String(error)).toContain('(given: an object)')
})

describe('a warning says once', () => {
  const warnings = ({ events }: Instance) => events.filter(event => event['name'] === 'warning')

  it('that logins contain no account, and what to write', async () => {
    const instance = start(() => null)
    for (let i = 0; i < 3; i++) await post(instance, { phone: '1', password: 'x' })
    expect(warnings(instance)).toMatchObject([
      { code: 'login_account_unknown', message: expect.stringContaining('{ account: body => body.phone }') },
    ])
  })

  it('that logins contain no account, however many routes and functions log in', async () => {
    const instance = start(() => null)
    const { app, userData } = instance
    app.post(
      '/another',
      userData.login(() => null, { extendedJson: 'relaxed' }),
    )
    await request(app).post('/login').send({ phone: '1' })
    await request(app).post('/another').send({ phone: '1' })
    const login = { verifyCredentials: () => null, credentials: { phone: '1' }, address: '203.0.113.7' }
    await expect(userData.authenticateLogin(login)).rejects.toMatchObject({ code: 'invalid_credentials' })
    expect(warnings(instance)).toMatchObject([{ code: 'login_account_unknown' }])
  })

  it('that a login named two accounts, so that no failures are forgotten', async () => {
    const instance = start(({ username }) => ({ id: String(username) }))
    for (let i = 0; i < 3; i++) await post(instance, { username: name, email: 'other@example.com' })
    expect(warnings(instance)).toMatchObject([
      { code: 'login_account_unknown', message: expect.stringContaining('"email" and "username"') },
    ])
  })

  it('nothing about accounts if the option account or passwordCredentials() gives the account', async () => {
    const told = start(
      () => null,
      {},
      userData => userData.login(() => null, { account: () => undefined }),
    )
    const arrow = start(
      () => null,
      {},
      userData => {
        const passwords = createPasswords(userData)
        return userData.login(body => passwords(body, {} as never))
      },
    )
    for (const instance of [told, arrow]) {
      expect(await post(instance, { name, password: 'x' })).toBe(401)
      expect(warnings(instance)).toEqual([])
    }
  })

  it.each(['X-Forwarded-For', 'Forwarded'])('that %s has no effect without "trust proxy"', async header => {
    const instance = start(() => null)
    const send = () => request(instance.app).post('/login').set(header, 'for=192.0.2.1').send({ email: name })
    await send()
    expect(warnings(instance)).toEqual([])
    instance.app.set('trust proxy', false)
    await send()
    await send()
    expect(warnings(instance)).toMatchObject([
      { code: 'proxy_header_unused', message: expect.stringContaining('app.set("trust proxy", 1)') },
    ])
  })

  it('nothing about proxies if logins are not counted', async () => {
    const instance = start(() => null, false)
    instance.app.set('trust proxy', false)
    await request(instance.app).post('/login').set('X-Forwarded-For', '192.0.2.1').send({ email: name })
    expect(warnings(instance)).toEqual([])
  })
})

it.each([{ a: 1 }, Promise.resolve('alice'), Symbol('alice')])(
  'an account that is neither a text nor a number is a 500, and the credentials are not checked: %s',
  async account => {
    const looked: unknown[] = []
    const instance = start(
      () => null,
      {},
      userData =>
        userData.login(
          body => {
            looked.push(body)
            return null
          },
          { account: () => account as never },
        ),
    )
    expect(await post(instance, { email: name, password: 'x' })).toBe(500)
    expect(looked).toEqual([])
  },
)
