import { readFileSync } from 'node:fs'
import express from 'express'
import type { Express } from 'express'
import { hashPassword } from 'express-custom-user-data'
import type { TokenAnswer } from 'express-custom-user-data'
import type { Document } from 'mongodb'
import request from 'supertest'
import type { Response } from 'supertest'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { useDatabase } from '../support/database.js'
import {
  createSessionApp,
  expectInvalidGrant,
  getMe,
  logIn,
  recordEvents,
  refresh,
} from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

// Requirements of OWASP ASVS 5.0 for logins and sessions that no test of a single unit shows. `grep -rn ASVS test` finds the
// others.

const PASSWORD = 'correct horse battery staple'

const database = useDatabase()
beforeAll(async () => {
  await addUser('alice', PASSWORD)
})

const users = () => database.db.collection<Document & { _id: string }>('users')

async function addUser(id: string, password: string): Promise<void> {
  const passwordHash = await hashPassword(password)
  await users().insertOne({ _id: id, email: `${id}@example.com`, passwordHash })
}

function start(options: object = {}) {
  const userData = createTestUserData(database, { sessionTimeoutMs: 10_000, ...options })
  const app = express()
    .post('/password', userData.login(userData.passwordCredentials({ collection: users() })))
    .use(createSessionApp(userData))
  return { userData, app, events: recordEvents(userData) }
}

function logInAs(app: Express, id: string, password = PASSWORD): Promise<Response> {
  return request(app)
    .post('/password')
    .send({ email: `${id}@example.com`, password })
    .then()
}

describe('ASVS 1.2.4: no operator of a request reaches MongoDB', () => {
  const MARK = 'operator-of-a-request'
  const operators = [
    { $ne: MARK },
    { $regex: MARK },
    { $where: MARK },
    { $in: [MARK] },
    [MARK],
    { [MARK]: 1 },
  ]

  it.each(['/password', '/login', '/refresh', '/logout'])('in any field of POST %s', async path => {
    const { app } = start()
    const { access_token: token, refresh_token: good } = await logIn(app)
    database.commands.clear()
    const body = { email: 'alice@example.com', password: 'wrong', user: 'nobody', refresh_token: good }
    const fields = ['email', 'password', 'user', 'refresh_token']
    for (const operator of operators) {
      for (const field of fields) {
        await request(app)
          .post(path)
          .send({ ...body, [field]: operator })
        const form = `${field}[$ne]=${MARK}&${field}[$regex]=${MARK}`
        await request(app).post(path).type('form').send(form)
      }
      await request(app)
        .delete(`/sessions/${encodeURIComponent(JSON.stringify(operator))}`)
        .query({ 'sid[$ne]': MARK })
        .auth(token, { type: 'bearer' })
    }
    expect(operatorsWithMark(database.commands.map(({ command }) => command))).toEqual([])
  })

  /**
   * Finds the operators in all sent commands that hold a part of the request. An `$eq` over a text is harmless, because it
   * compares the text whatever it contains.
   */
  function operatorsWithMark(value: unknown): string[] {
    if (typeof value !== 'object' || value === null) return []
    return Object.entries(value).flatMap(([name, member]) => {
      const isComparison = name === '$eq' && typeof member === 'string'
      const isFound = name.startsWith('$') && !isComparison && JSON.stringify(member ?? null).includes(MARK)
      return [...(isFound || name === MARK ? [name] : []), ...operatorsWithMark(member)]
    })
  }
})

describe('ASVS 6.1.1: the numbers in the guide to the throttle', () => {
  const guide = readFileSync(new URL('../../docs/login-throttle.md', import.meta.url), 'utf8')
  const numberOf = (option: string): number => {
    const [, value] = new RegExp(`\\| \`${option}\` +\\| ([\\d,]+) +\\|`).exec(guide)!
    return Number(value!.replace(',', ''))
  }

  it.each([
    ['accountAndAddressFailures', 'windowSeconds', () => ({ user: 'one', from: '198.51.100.1' })],
    ['addressFailures', 'windowSeconds', (n: number) => ({ user: `u${n}`, from: '198.51.100.2' })],
    ['accountFailures', '', (n: number) => ({ user: 'two', from: `203.0.113.${n}` })],
  ])('say how many failures are checked: %s', async (option, window, attempt) => {
    const userData = createTestUserData(database, { loginThrottle: {}, sessionTimeoutMs: 10_000 })
    const app = express()
      .set('trust proxy', true)
      .post(
        '/login',
        userData.login(() => null),
      )
    const tryAs = ({ user, from }: { user: string; from: string }) =>
      request(app).post('/login').set('X-Forwarded-For', from).send({ email: user })
    const most = numberOf(option)
    for (let n = 0; n < most; n++) expect((await tryAs(attempt(n))).status, `failure ${n}`).toBe(401)
    const answer = await tryAs(attempt(most))
    expect(answer.status).toBe(429)
    const seconds = window === '' ? 24 * 60 * 60 : numberOf(window)
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(seconds - 60)
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(seconds)
  })
})

describe('a password', () => {
  it('ASVS 6.2.8: counts to its last byte, also beyond the 72 at which bcrypt stops', async () => {
    const { app } = start()
    const long = 'x'.repeat(72)
    await addUser('bytes', `${long}a`)
    expect((await logInAs(app, 'bytes', `${long}a`)).status).toBe(200)
    for (const twin of [`${long}b`, long, `${long}ab`]) {
      expect((await logInAs(app, 'bytes', twin)).status).toBe(401)
    }
  })

  it.each([64, 128, 1_024])('ASVS 6.2.9: may have %i characters, each of which counts', async length => {
    const { app } = start()
    const password = 'é'.repeat(length - 1)
    await addUser(`long${length}`, `${password}a`)
    expect((await logInAs(app, `long${length}`, `${password}a`)).status).toBe(200)
    expect((await logInAs(app, `long${length}`, `${password}b`)).status).toBe(401)
  })

  it('ASVS 6.2.9: over 1,024 characters is malformed, and not cut', async () => {
    const { app } = start()
    await addUser('cut', 'x'.repeat(1_024))
    expect((await logInAs(app, 'cut', 'x'.repeat(1_025))).status).toBe(400)
  })

  it('ASVS 7.4.3: that was changed leaves no old session if the handler revokes them', async () => {
    const { app, userData } = start()
    await addUser('carol', 'old')
    const login = (await logInAs(app, 'carol', 'old')).body as TokenAnswer<object>
    expect((await getMe(app, login.access_token)).status).toBe(200)
    await users().updateOne({ _id: 'carol' }, { $set: { passwordHash: await hashPassword('new') } })
    await userData.revoke('carol')
    expect((await getMe(app, login.access_token)).status).toBe(401)
    expectInvalidGrant(await refresh(app, login.refresh_token))
    expect((await logInAs(app, 'carol', 'old')).status).toBe(401)
    const again = (await logInAs(app, 'carol', 'new')).body as TokenAnswer<object>
    expect((await getMe(app, again.access_token)).status).toBe(200)
  })
})

describe('a body that poisons prototypes', () => {
  const poisons = [
    '{"user":"alice","__proto__":{"isAdmin":true}}',
    '{"user":"alice","constructor":{"prototype":{"isAdmin":true}}}',
    '{"user":"alice","__proto__":"x","constructor":"x","hasOwnProperty":"x","toString":"x","then":"x"}',
    '{"user":"alice","__proto__":null}',
  ]

  it.each(poisons)('ASVS 15.3.6: changes no other object: %s', async body => {
    const { userData } = start()
    const seen: object[] = []
    const verify = userData.login(credentials => {
      seen.push(credentials)
      return { id: 'alice' }
    })
    const app = express().post('/login', verify).post('/refresh', userData.refresh())
    for (const path of ['/login', '/refresh']) {
      const { status } = await request(app).post(path).type('json').send(body)
      expect([200, 400]).toContain(status)
    }
    for (const object of [...seen, { ...seen[0] }, {}]) {
      expect((object as { isAdmin?: boolean }).isAdmin).toBeUndefined()
      expect(Object.getPrototypeOf(object)).toBe(Object.prototype)
    }
  })
})

it('ASVS 16.2.5: no printed text or warning contains a token or a password', async () => {
  const printed: string[] = []
  const keep = (...parts: unknown[]) => printed.push(parts.map(part => toText(part)).join(' ')) > 0
  const spies = [process.stdout, process.stderr].map(stream =>
    vi.spyOn(stream, 'write').mockImplementation(keep),
  )
  const consoles = (['log', 'info', 'warn', 'error'] as const).map(name =>
    vi.spyOn(console, name).mockImplementation(keep),
  )
  process.on('warning', keep)
  const secrets = [PASSWORD, 'a wrong password of alice']
  try {
    const { app } = start()
    // This instance has no listeners, so Node prints its warnings.
    await users().insertOne({ _id: 'torn', email: 'torn@example.com', passwordHash: 'no hash' })
    const silent = createTestUserData(database)
    const verify = silent.passwordCredentials({ collection: users() })
    await logInAs(express().post('/password', silent.login(verify)), 'torn', secrets[1])
    const first = (await logInAs(app, 'alice')).body as TokenAnswer<object>
    await logInAs(app, 'alice', secrets[1])
    const second = (await refresh(app, first.refresh_token)).body as TokenAnswer<object>
    const third = (await refresh(app, second.refresh_token)).body as TokenAnswer<object>
    await refresh(app, first.refresh_token)
    for (const { access_token, refresh_token } of [first, second, third]) {
      secrets.push(access_token, refresh_token)
      await getMe(app, access_token)
      await getMe(app, `${access_token}x`)
    }
    await expect.poll(() => printed.join('\n')).toContain('no argon2 hash')
  } finally {
    process.off('warning', keep)
    for (const spy of [...spies, ...consoles]) spy.mockRestore()
  }
  const all = printed.join('\n')
  for (const secret of secrets) expect(all).not.toContain(secret)
})

function toText(part: unknown): string {
  return part instanceof Error ? `${part.stack ?? ''} ${JSON.stringify(part)}` : String(part)
}
