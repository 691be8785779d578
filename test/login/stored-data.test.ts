import express from 'express'
import type { Express } from 'express'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { OptionError } from 'express-custom-user-data'
import type { CustomUserData } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { expectInvalidGrant, sidOf } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const RIGHT = 'the right password'
const HOUR_MS = 3_600_000

holdDeadlines()
const database = useDatabase()
const sessions = () => database.db.collection<{ _id: string }>('custom_user_data_sessions')
const attempts = () => database.db.collection<{ _id: string }>('custom_user_data_login_attempts')

interface Instance {
  readonly app: Express
  readonly userData: CustomUserData<Readonly<Record<string, unknown>>>
}

/** An app whose users have other ids than the names with which they log in. */
function start(options: object = {}): Instance {
  const userData = createTestUserData(database, { loginThrottle: {}, ...options })
  const app = express()
    .post(
      '/login',
      userData.login(({ email, password }) => (password === RIGHT ? { id: `id of ${String(email)}` } : null)),
    )
    .post('/refresh', userData.refresh())
    .use(userData.authenticate())
    .get('/me', (_req, res) => res.json({}))
    .use(userData.errorHandler())
  return { app, userData }
}

let email: string
let userId: string
let tests = 0
beforeEach(() => {
  email = `stored${++tests}@example.com`
  userId = `id of ${email}`
})

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
}

async function logIn({ app }: Instance, password = RIGHT): Promise<Tokens> {
  const answer = await request(app).post('/login').set('User-Agent', 'curl/8').send({ email, password })
  return answer.body as Tokens
}

async function statusOf({ app }: Instance, { access_token }: Tokens): Promise<number> {
  return (await request(app).get('/me').auth(access_token, { type: 'bearer' })).status
}

/** Everything that is stored by this package, as text. */
async function storedText(): Promise<string> {
  return JSON.stringify([await sessions().find().toArray(), await attempts().find().toArray()])
}

describe('storedAbout()', () => {
  it('lists sessions that are alive or ended, the record, and the failed logins, without hashes of tokens', async () => {
    const instance = start()
    const [ended, alive] = [await logIn(instance), await logIn(instance)]
    await instance.userData.revoke({ sid: sidOf(ended.refresh_token) })
    await logIn(instance, 'wrong')
    const stored = await instance.userData.storedAbout(userId, { accounts: [email, 'nobody@example.com'] })
    const session = {
      clientId: 'https://api.example.com',
      device: 'curl',
      address: '127.0.0.1',
      ...{ createdAt: expect.any(Date), lastUsedAt: expect.any(Date), expiresAt: expect.any(Date) },
    }
    expect(stored).toEqual({
      sessions: [
        { ...session, sid: sidOf(alive.refresh_token), endedAt: null },
        { ...session, sid: sidOf(ended.refresh_token), endedAt: expect.any(Date) },
      ],
      record: null,
      failedLogins: [{ account: email, failures: 1, knownAddresses: 1, expiresAt: expect.any(Date) }],
    })
    await instance.userData.disable(userId)
    expect((await instance.userData.storedAbout(userId)).record).toEqual({
      revokedAt: expect.any(Date),
      disabledAt: expect.any(Date),
      expiresAt: null,
    })
  })

  it('has the most failures and known addresses of the counts under each secret, while a secret is being replaced', async () => {
    const [OLD, NEW] = ['the old secret of sessions, 32 bytes', 'the new secret of sessions, 32 bytes']
    const [before, during] = [start({ sessionSecrets: [OLD] }), start({ sessionSecrets: [NEW, OLD] })]
    await logIn(start({ sessionSecrets: [NEW] }))
    for (let i = 0; i < 3; i++) await logIn(before, 'wrong')
    const [stored] = (await during.userData.storedAbout(userId, { accounts: [email] })).failedLogins
    expect(stored).toMatchObject({ account: email, failures: 3, knownAddresses: 1 })
    const all = await attempts()
      .find<{ expiresAt: Date }>({ _id: /^account/ })
      .toArray()
    expect(all.filter(({ expiresAt }) => expiresAt > stored!.expiresAt)).toEqual([])
  })

  it('has nothing about a user of whom nothing is stored', async () => {
    const nothing = { sessions: [], record: null, failedLogins: [] }
    expect(await start().userData.storedAbout('nobody', { accounts: ['nobody'] })).toEqual(nothing)
  })
})

describe('eraseUser()', () => {
  it('leaves nothing of the user but the record of the revocation, for 25 hours', async () => {
    const instance = start()
    const [ended] = [await logIn(instance), await logIn(instance)]
    await instance.userData.revoke({ sid: sidOf(ended.refresh_token) })
    await logIn(instance, 'wrong')
    await instance.userData.disable(userId)
    const erased = await instance.userData.eraseUser(userId, { accounts: [email.toUpperCase()] })
    expect(erased).toEqual({ sessions: 2, failedLogins: 1, recordExpiresAt: expect.any(Date) })
    const { record, ...others } = await instance.userData.storedAbout(userId, { accounts: [email] })
    expect(others).toEqual({ sessions: [], failedLogins: [] })
    expect(record).toEqual({
      revokedAt: expect.any(Date),
      disabledAt: null,
      expiresAt: erased.recordExpiresAt,
    })
    expect(erased.recordExpiresAt.getTime()).toBe(record!.revokedAt!.getTime() + 25 * HOUR_MS)
    const [kept, ...more] = await sessions()
      .find({ _id: { $regex: `${userId}$` } })
      .toArray()
    expect(more).toEqual([])
    expect(Object.keys(kept!).sort()).toEqual(
      ['_id', 'expressCustomUserData', 'disabledAt', 'expiresAt', 'revokedAt'].sort(),
    )
    expect((await storedText()).split(userId)).toHaveLength(2)
  })

  it('lets no earlier token work again, in any process, and a later login works', async () => {
    const [here, there] = [start(), start({ sessionCheckIntervalMs: 0 })]
    const before = await logIn(here)
    expect(await statusOf(there, before)).toBe(200)
    await here.userData.eraseUser(userId)
    for (const instance of [here, there]) {
      expect(await statusOf(instance, before)).toBe(401)
      expectInvalidGrant(
        await request(instance.app).post('/refresh').send({ refresh_token: before.refresh_token }),
      )
    }
    expect(await statusOf(there, await logIn(here))).toBe(200)
  })

  it('ends logins in progress, and their sessions do not stay', async () => {
    const userData = createTestUserData(database)
    const startedAt = performance.now()
    await userData.eraseUser(userId)
    await expect(userData.issueTokens(userId, { startedAt })).rejects.toMatchObject({
      code: 'invalid_credentials',
    })
    await userData.close()
    expect((await start().userData.storedAbout(userId)).sessions).toEqual([])
  })

  it('removes sessions in batches, and keeps those of other users and issuers in the same collection', async () => {
    const [instance, other] = [start(), start({ issuer: 'https://other.example.com' })]
    await logIn(instance)
    const [template] = await sessions().find({ userId }).toArray()
    const copies = Array.from({ length: 1_500 }, (_none, i) => ({ ...template, _id: `copy ${tests} ${i}` }))
    await sessions().insertMany(copies)
    const [theirs, neighbour] = [await logIn(other), await instance.userData.issueTokens('neighbour')]
    const erased = await instance.userData.eraseUser(userId, { accounts: [email] })
    expect(erased).toMatchObject({ sessions: 1_501, failedLogins: 1 })
    expect(await statusOf(other, theirs)).toBe(200)
    expect(await statusOf(instance, neighbour)).toBe(200)
    const kept = await other.userData.storedAbout(userId, { accounts: [email] })
    expect(kept).toMatchObject({ sessions: [{ endedAt: null }], failedLogins: [{ knownAddresses: 1 }] })
  })

  it("keeps the record of a trusted issuer's user for 60 days, because its tokens may live so long", async () => {
    const trustedIssuers = [
      { issuer: 'https://idp.example.com', audience: 'https://api.example.com', algorithms: ['ES256'] },
    ]
    const { userData } = start({ trustedIssuers })
    const foreign = 'https://idp.example.com|alice'
    await userData.disable(foreign)
    await userData.eraseUser(foreign)
    const { record } = await userData.storedAbout(foreign)
    expect(record!.disabledAt).toBeNull()
    expect(record!.expiresAt!.getTime() - record!.revokedAt!.getTime()).toBe(60 * 24 * HOUR_MS)
  })

  it('can be repeated, emits `revoked`, and calls the hook afterDelete', async () => {
    const deleted: unknown[] = []
    const afterDelete = (...args: unknown[]) => deleted.push(args)
    const { userData } = start({ hooks: { afterDelete } })
    const revoked: unknown[] = []
    userData.events.on('revoked', event => revoked.push(event))
    for (let turn = 0; turn < 2; turn++)
      expect(await userData.eraseUser(userId)).toMatchObject({ sessions: 0 })
    expect(revoked).toEqual(Array(2).fill({ by: 'eraseUser', userId }))
    await expect.poll(() => deleted, { timeout: 10_000 }).toEqual(Array(2).fill([{ id: userId }, 'sessions']))
  })

  it('shortens the life of the record only after the sessions are removed, so that a failure revives none', async () => {
    const instance = start()
    await logIn(instance)
    database.commands.clear()
    await instance.userData.eraseUser(userId)
    const writes = database.commands
      .named('findAndModify', 'update', 'delete')
      .filter(({ command }) => Object.values(command).includes('custom_user_data_sessions'))
    // The first write is the revocation, which keeps the record for years.
    expect(writes.map(({ name }) => name)).toEqual(['findAndModify', 'delete', 'update'])
  })
})

describe.each(['storedAbout', 'eraseUser'] as const)('%s() refuses', name => {
  it.each([undefined, '', 5, { $ne: 1 }])('a value that is no user id: %j', async value => {
    await expect(start().userData[name](value as never)).rejects.toThrow(`${name}(): the user id must be`)
  })

  it.each([{ accounts: 'alice' }, { account: ['alice'] }])('wrong options: %j', async options => {
    await expect(start().userData[name]('alice', options as never)).rejects.toThrow(OptionError)
  })

  it('a value that names no account, without showing it', async () => {
    const accounts = [{ password: 'hunter2' }] as never
    await expect(start().userData[name]('alice', { accounts })).rejects.toThrow(
      `${name}(): the account must be the text that is typed at a login (given: an object).`,
    )
  })
})
