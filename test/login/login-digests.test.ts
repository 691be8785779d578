import { createHash, generateKeyPairSync } from 'node:crypto'
import express from 'express'
import type { Express } from 'express'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { OptionError } from 'express-custom-user-data'
import type { CustomUserData } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { createTestUserData } from '../support/user-data.js'

const OLD = 'the old session secret of this test'
const NEW = 'the new session secret of this test'
const RIGHT = 'the right password'

/** A key of ES256 adds no session secret. */
const KEYS = [{ kid: 'es', alg: 'ES256' as const, key: makeKey() }]

holdDeadlines()
const database = useDatabase()
const attempts = () => database.db.collection<{ _id: string }>('custom_user_data_login_attempts')

interface Process {
  readonly app: Express
  readonly userData: CustomUserData<Readonly<Record<string, unknown>>>
}

/** One process of an app, with these session secrets and no others. */
function start(sessionSecrets: string[], limits: object = { accountAndAddressFailures: 4 }): Process {
  const userData = createTestUserData(database, { keys: KEYS, sessionSecrets, loginThrottle: limits })
  const app = express().set('trust proxy', true)
  app.post(
    '/login',
    userData.login(({ email, password }) => (password === RIGHT ? { id: String(email) } : null)),
  )
  return { app, userData }
}

let name: string
let tests = 0
beforeEach(() => {
  name = `rotation${++tests}@example.com`
})

async function logIn({ app }: Process, { password = 'wrong', from = '198.51.100.7' } = {}): Promise<number> {
  const answer = await request(app)
    .post('/login')
    .set('X-Forwarded-For', from)
    .send({ email: name, password })
  return answer.status
}

async function statuses(processes: readonly Process[], times: number): Promise<number[]> {
  const found: number[] = []
  for (let i = 0; i < times; i++) found.push(await logIn(processes[i % processes.length]!))
  return found
}

/** The processes that run side by side while a secret is replaced: added at the end, put first, removed. */
const STEPS: [before: string[], after: string[]][] = [
  [[OLD], [OLD, NEW]],
  [
    [OLD, NEW],
    [NEW, OLD],
  ],
  [[NEW, OLD], [NEW]],
]

describe('while a session secret is replaced', () => {
  it.each(STEPS)('two processes count failed logins together: %j and %j', async (before, after) => {
    const processes = [start(before), start(after)]
    expect(await statuses(processes, 6)).toEqual([401, 401, 401, 401, 429, 429])
  })

  it.each(STEPS)('a lock is not forgotten: from %j to %j', async (before, after) => {
    expect(await statuses([start(before)], 5)).toEqual([401, 401, 401, 401, 429])
    expect(await logIn(start(after), { password: RIGHT })).toBe(429)
  })

  it.each(STEPS)('a known address stays known: from %j to %j', async (before, after) => {
    const limits = { accountFailures: 1 }
    const [earlier, later] = [start(before, limits), start(after, limits)]
    expect(await logIn(earlier, { password: RIGHT })).toBe(200)
    expect(await logIn(later, { from: '203.0.113.9' })).toBe(401)
    expect(await logIn(later, { from: '203.0.113.10' })).toBe(429)
    expect(await logIn(later, { password: RIGHT })).toBe(200)
  })

  it('forgetFailedLogins() forgets the failures that every process counted', async () => {
    const [before, after] = [start([OLD]), start([OLD, NEW])]
    expect(await statuses([before, after], 5)).toEqual([401, 401, 401, 401, 429])
    await after.userData.forgetFailedLogins(name)
    expect(await logIn(before)).toBe(401)
    expect(await logIn(after)).toBe(401)
  })
})

describe('the stored counts of failed logins', () => {
  it('hold neither names, addresses nor hashes of them that anybody could compute', async () => {
    await logIn(start([OLD]), { from: '203.0.113.77' })
    const stored = JSON.stringify(await attempts().find().toArray())
    const texts = [name, JSON.stringify(name), '203.0.113.77']
    const hashes = texts.flatMap(text =>
      (['base64url', 'hex'] as const).map(form => createHash('sha256').update(text).digest(form)),
    )
    for (const text of [...texts, ...hashes]) expect(stored).not.toContain(text)
  })

  it('cannot be found with another secret', async () => {
    const [one, other] = [start([OLD]), start([NEW])]
    await logIn(one, { from: '203.0.113.78' })
    const ids = async () => (await attempts().find().toArray()).map(({ _id }) => _id)
    const before = await ids()
    await logIn(other, { from: '203.0.113.78' })
    expect((await ids()).filter(id => !before.includes(id))).toHaveLength(2)
  })
})

it('forgetFailedLogins() is refused without keys of its own, because such an instance counts no logins', async () => {
  const userData = createTestUserData(database, {
    ...{ issuer: undefined, audience: undefined, secret: undefined, sessionSecrets: undefined },
    trustedIssuers: [
      { issuer: 'https://idp.example.com', audience: 'https://api.example.com', algorithms: ['ES256'] },
    ],
  } as object)
  await expect(userData.forgetFailedLogins('alice')).rejects.toThrow(OptionError)
})

function makeKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}
