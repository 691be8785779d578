import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import express from 'express'
import type { Express, Request } from 'express'
import request from 'supertest'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { CustomUserData, CustomUserDataEvents } from 'express-custom-user-data'
import { createManualClock } from './support/clock.js'
import { useDatabase } from './support/database.js'
import { holdDeadlines } from './support/deadlines.js'
import { exchange, expectInvalidGrant, refresh, sidOf } from './support/session-app.js'
import { createTestUserData, forgeToken, SECRET, validClaims } from './support/user-data.js'

const RIGHT = 'the right password'
const ADDRESS = '203.0.113.7'

const NAMES = [
  'login',
  'login_refused',
  'throttled',
  'reuse_detected',
  'refresh_refused',
  'revoked',
  'enabled',
  'written',
  'session_end_refused',
  'fields_refused',
  'keys_replaced',
  'trusted_issuer_added',
  'trusted_issuer_removed',
] as const satisfies (keyof CustomUserDataEvents)[]

interface Instance {
  readonly app: Express
  readonly userData: CustomUserData<Readonly<Record<string, unknown>>>
  readonly events: Record<string, unknown>[]
}

holdDeadlines()
const database = useDatabase()
let user: string
let users = 0
beforeEach(() => {
  user = `user${++users}@example.com`
})
afterEach(() => {
  vi.restoreAllMocks()
})

/** An app behind a proxy that tells the client's address. */
function start(options: object = {}, trustProxy = true): Instance {
  const userData = createTestUserData(database, options)
  const events: Record<string, unknown>[] = []
  for (const name of NAMES) userData.events.on(name, (event: object) => events.push({ name, ...event }))
  const app = express()
    .set('trust proxy', trustProxy)
    .post(
      '/login',
      userData.login(({ email, password }) => (password === RIGHT ? { id: String(email) } : null)),
    )
    .post('/refresh', userData.refresh())
    .post('/logout', userData.logout())
    .use(userData.authenticate())
    .post('/logout-all', userData.logoutAll())
    .use('/sessions', userData.ownSessions())
    .use('/me', userData.ownData({ fields: ['language'], upsert: true }))
    .use(userData.errorHandler())
  return { app, userData, events }
}

function logIn({ app }: Instance, body: object = {}) {
  const credentials = { email: user, password: RIGHT, ...body }
  return request(app).post('/login').set('X-Forwarded-For', ADDRESS).send(credentials)
}

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
}

async function tokensOf(instance: Instance): Promise<Tokens> {
  return (await logIn(instance)).body as Tokens
}

const bearer = ({ access_token }: Tokens) => ({
  Authorization: `Bearer ${access_token}`,
  'X-Forwarded-For': ADDRESS,
})

describe('the accounts of a refused login', () => {
  it('are keyed digests, the same for all spellings, which accountDigest() gives for a name', async () => {
    const instance = start()
    for (const email of [user, user.toUpperCase()]) await logIn(instance, { email, password: 'wrong' })
    const digest = instance.userData.accountDigest(user)
    expect(digest).toMatch(/^[\w-]{43}$/)
    const refused = {
      name: 'login_refused',
      code: 'invalid_credentials',
      accounts: [digest],
      address: ADDRESS,
    }
    expect(instance.events).toEqual([refused, refused])
    expect(start({ secret: `another ${SECRET}` }).userData.accountDigest(user)).toBe(digest)
    expect(start({ sessionSecrets: [`another ${SECRET}`] }).userData.accountDigest(user)).not.toBe(digest)
  })

  it('are names in clear by option, without characters that a terminal would obey', async () => {
    const instance = start({ accountsInEvents: 'clear' })
    await logIn(instance, { email: 'mallory\u001b[2J', username: user, password: 'wrong' })
    expect(instance.events).toMatchObject([{ accounts: [String.raw`mallory\u{1b}[2J`, user] }])
  })

  it('are the accounts whose passwords were checked, also if logins are not counted', async () => {
    const { userData, events } = start({ accountsInEvents: 'clear', loginThrottle: false })
    const byPassword = userData.passwordCredentials({ collection: database.db.collection('users') })
    const verify = (body: Readonly<Record<string, unknown>>, req: Request) =>
      byPassword({ email: String(body['phone']), password: 'x' }, req)
    const app = express().post('/login', userData.login(verify))
    await request(app).post('/login').send({ phone: '+49 1' })
    expect(events).toMatchObject([{ name: 'login_refused', accounts: ['+49 1'] }])
  })

  it('are empty if the login names none', async () => {
    const instance = start()
    await request(instance.app).post('/login').send({ pin: '1' })
    expect(instance.events).toMatchObject([{ name: 'login_refused', accounts: [] }])
  })

  it('are also told of a throttled login', async () => {
    const instance = start({ loginThrottle: { accountAndAddressFailures: 1 } })
    for (let i = 0; i < 2; i++) await logIn(instance, { password: 'wrong' })
    const accounts = [instance.userData.accountDigest(user)]
    expect(instance.events).toMatchObject([
      { name: 'login_refused', accounts, address: ADDRESS },
      { name: 'throttled', accounts, address: ADDRESS, limit: 'account_and_address' },
    ])
  })
})

it.each([undefined, null, '', ' ', 5, ['a']])(
  'accountDigest() refuses a value that names no account: %j',
  value => {
    expect(() => start().userData.accountDigest(value as never)).toThrow(
      'accountDigest(): the account must be',
    )
  },
)

it('a login and a stolen refresh token tell the address of the client, as "trust proxy" says', async () => {
  for (const [trustProxy, address] of [
    [true, ADDRESS],
    [false, '127.0.0.1'],
  ] as const) {
    const instance = start({ reuseToleranceSeconds: 0 }, trustProxy)
    const first = (await tokensOf(instance)).refresh_token
    const second = await exchange(instance.app, first)
    await exchange(instance.app, second)
    expectInvalidGrant(await refresh(instance.app, first).set('X-Forwarded-For', ADDRESS))
    const ids = { userId: user, sid: sidOf(first), address }
    expect(instance.events).toEqual([
      { name: 'login', ...ids },
      { name: 'reuse_detected', ...ids },
      { name: 'refresh_refused', reason: 'ended', sid: sidOf(first), address },
    ])
  }
})

it('a refused refresh tells an ended session from a token that nobody issued, and shows no token', async () => {
  const instance = start()
  const { refresh_token: token } = await tokensOf(instance)
  await instance.userData.revoke({ sid: sidOf(token) })
  const madeUp = `${sidOf(token)}.0.${'a'.repeat(43)}.${'b'.repeat(22)}`
  for (const sent of [token, madeUp, 'nonsense'])
    expectInvalidGrant(await refresh(instance.app, sent).set('X-Forwarded-For', ADDRESS))
  const unknown = { name: 'refresh_refused', reason: 'unknown', sid: undefined, address: ADDRESS }
  expect(instance.events.slice(2)).toEqual([
    { name: 'refresh_refused', reason: 'ended', sid: sidOf(token), address: ADDRESS },
    unknown,
    unknown,
  ])
})

it('`revoked` says which method or route ended the sessions, and of which user', async () => {
  const instance = start()
  const { app, userData, events } = instance
  const sids: string[] = []
  const next = async () => {
    const tokens = await tokensOf(instance)
    sids.push(sidOf(tokens.refresh_token))
    return tokens
  }
  const replaced = await next()
  await logIn(instance, { refresh_token: replaced.refresh_token })
  await request(app)
    .post('/logout')
    .send({ refresh_token: (await next()).refresh_token })
  const own = await next()
  await request(app)
    .delete(`/sessions/${sidOf(own.refresh_token)}`)
    .set(bearer(own))
  await userData.revoke({ sid: sidOf((await next()).refresh_token) })
  await request(app)
    .post('/logout-all')
    .set(bearer(await tokensOf(instance)))
  await userData.revoke(user)
  await userData.disable(user)
  await userData.enable(user)
  await userData.deleteSessions(user)
  const [login, logout, ownSessions, revoke] = sids
  expect(events.filter(({ name }) => name !== 'login')).toEqual([
    { name: 'revoked', by: 'login', userId: user, sid: login },
    { name: 'revoked', by: 'logout', userId: user, sid: logout },
    { name: 'revoked', by: 'ownSessions', userId: user, sid: ownSessions },
    { name: 'revoked', by: 'revoke', userId: user, sid: revoke },
    { name: 'revoked', by: 'logoutAll', userId: user },
    { name: 'revoked', by: 'revoke', userId: user },
    { name: 'revoked', by: 'disable', userId: user },
    { name: 'enabled', userId: user },
    { name: 'revoked', by: 'deleteSessions', userId: user },
  ])
})

it.each(['revoke', 'disable', 'deleteSessions', 'eraseUser'] as const)(
  '`revoked` comes as soon as the revocation is stored, before %s() waits for anything else',
  async method => {
    const { userData } = start()
    const commands: string[] = []
    database.commands.clear()
    userData.events.once('revoked', () => {
      // The set-up sends commands too, but none of them names the user.
      for (const { name, command } of database.commands.named('find', 'findAndModify', 'aggregate', 'delete'))
        if (JSON.stringify(command).includes(user)) commands.push(name)
    })
    await userData[method](user)
    expect(commands).toEqual(['findAndModify'])
  },
)

it('each write to a document is `written`, and a change to the values that are stored is none', async () => {
  const instance = start({ hooks: { createCustomData: () => ({ language: 'en' }) } })
  const { app, userData, events } = instance
  const headers = bearer(await tokensOf(instance))
  for (const language of ['de', 'de']) await request(app).patch('/me').set(headers).send({ language })
  await request(app).put('/me').set(headers).send({ language: 'fr' })
  const document = userData.forUser(user)
  await document.update({ language: 'en' })
  await document.replace({ language: 'it' })
  await document.delete()
  await document.delete()
  await document.update({ language: 'en' })
  await request(app).patch('/me').set(headers).send({ language: 'de' })
  expect(events.filter(({ name }) => name === 'written')).toEqual(
    (
      [
        ['createCustomData', 'create'],
        ['ownData', 'update'],
        ['ownData', 'replace'],
        ['forUser', 'update'],
        ['forUser', 'replace'],
        ['forUser', 'delete'],
        ['ownData', 'create'],
      ] as const
    ).map(([by, change]) => ({ name: 'written', userId: user, by, change })),
  )
})

it('a refused field names the user and the field, without control characters and tokens of the request', async () => {
  const instance = start()
  const tokens = await tokensOf(instance)
  const body = { language: 'de', role: 'admin', 'a\u001bb': 1, [tokens.access_token]: 1 }
  const answer = await request(instance.app).patch('/me').set(bearer(tokens)).send(body)
  expect(answer.status).toBe(400)
  expect(instance.events.at(-1)).toEqual({
    name: 'fields_refused',
    userId: user,
    fields: ['role', String.raw`a\u{1b}b`, '[removed]'],
    address: ADDRESS,
  })
  await request(instance.app)
    .patch('/me')
    .set(bearer(tokens))
    .send(Object.fromEntries(Array.from({ length: 20 }, (_none, i) => [`${i}${'x'.repeat(99)}`, 1])))
  const { fields } = instance.events.at(-1) as { fields: string[] }
  expect(fields.map(({ length }) => length)).toEqual(Array(10).fill(64))
})

it('a refused DELETE of a session names the user and the session, and shows no refresh token', async () => {
  const instance = start()
  const [mine, other] = [
    await tokensOf(instance),
    (await instance.userData.issueTokens('other')).refresh_token,
  ]
  instance.events.length = 0
  for (const path of [sidOf(other), other]) {
    const answer = await request(instance.app).delete(`/sessions/${path}`).set(bearer(mine))
    expect(answer.status).toBe(404)
  }
  const refused = { name: 'session_end_refused', userId: user, address: ADDRESS }
  expect(instance.events).toEqual([
    { ...refused, sid: sidOf(other) },
    { ...refused, sid: undefined },
  ])
})

it('replaceKeys() names the new keys', () => {
  const { userData, events } = start()
  const key = (fill: string) => `${fill} a secret of this test, 32 bytes`
  userData.replaceKeys([
    { kid: 'new', alg: 'HS256', key: key('new') },
    { kid: 'old', alg: 'HS256', key: key('old') },
  ])
  expect(events).toEqual([{ name: 'keys_replaced', kids: ['new', 'old'] }])
})

it('addTrustedIssuer() and removeTrustedIssuer() name the issuer', () => {
  const { userData, events } = start()
  const issuer = 'https://idp.example.com'
  userData.addTrustedIssuer({ issuer, audience: 'https://api.example.com', algorithms: ['RS256'] })
  userData.removeTrustedIssuer(issuer)
  expect(events).toEqual([
    { name: 'trusted_issuer_added', issuer },
    { name: 'trusted_issuer_removed', issuer },
  ])
})

it('an event that records what happened is not printed if nobody listens', async () => {
  const printed = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const instance = start()
  instance.userData.events.removeAllListeners()
  await logIn(instance, { password: 'wrong' })
  await refresh(instance.app, 'nonsense')
  await instance.userData.revoke(user)
  expect(printed).not.toHaveBeenCalled()
})

describe('the channel `refused` and stats()', () => {
  interface Refused {
    readonly code: string
    readonly userId: string | undefined
    readonly reason: string | undefined
  }

  function listenToRefused(): Refused[] {
    const heard: Refused[] = []
    const onMessage = (message: unknown): void => {
      const { code, userId, reason } = message as Refused
      heard.push({ code, userId, reason })
    }
    subscribe('express-custom-user-data:refused', onMessage)
    onTestFinished(() => void unsubscribe('express-custom-user-data:refused', onMessage))
    return heard
  }

  const bare = (token: string) => ({ Authorization: `Bearer ${token}` })

  it('tell forged, expired, revoked and disabled apart, without a new member in the answers', async () => {
    const clock = createManualClock()
    const instance = start({ clock })
    const heard = listenToRefused()
    const [ended, disabled] = [await tokensOf(instance), await instance.userData.issueTokens('disabled')]
    await instance.userData.revoke({ sid: sidOf(ended.refresh_token) })
    await instance.userData.disable('disabled')
    const old = { ...validClaims(user, clock.now()), exp: clock.now() / 1000 - 60 }
    const wrong = [
      forgeToken({ claims: validClaims(user, clock.now()), secret: `not ${SECRET}` }),
      forgeToken({ header: { kid: 'unknown' } }),
      forgeToken({ claims: old }),
    ]
    const answers = []
    for (const token of [...wrong, ended.access_token, disabled.access_token, disabled.access_token])
      answers.push(await request(instance.app).get('/me').set(bare(token)))
    const code = 'invalid_token'
    expect(heard).toEqual([
      { code, userId: undefined, reason: 'forged' },
      { code, userId: undefined, reason: 'unknown_key' },
      { code, userId: user, reason: 'expired' },
      { code, userId: user, reason: 'revoked' },
      { code, userId: 'disabled', reason: 'disabled' },
      { code, userId: 'disabled', reason: 'disabled' },
    ])
    expect(instance.userData.stats()).toMatchObject({
      refused: { [code]: 6 },
      refusedTokens: { forged: 1, unknown_key: 1, expired: 1, revoked: 1, disabled: 2 },
    })
    for (const { status, body } of answers) {
      expect(status).toBe(401)
      expect(Object.keys(body as object).sort()).toEqual(['code', 'detail', 'status', 'title', 'type'])
    }
  })

  it('tell the reason also in a process that reads it from MongoDB', async () => {
    const [here, there] = [start(), start({ sessionCheckIntervalMs: 0 })]
    const heard = listenToRefused()
    const { access_token } = await tokensOf(here)
    await here.userData.disable(user)
    for (let turn = 0; turn < 2; turn++) await there.userData.verifyToken(access_token).catch(() => undefined)
    await here.userData.enable(user)
    await here.userData.verifyToken(access_token).catch(() => undefined)
    expect(heard.map(({ userId, reason }) => [userId, reason])).toEqual([
      [user, 'disabled'],
      [user, 'disabled'],
      [user, 'revoked'],
    ])
  })

  it('name the user whom a rule, a missing document or a failed load refuses', async () => {
    const userData = createTestUserData(database, { requireDocument: true })
    await database.db.collection('custom_user_data').insertOne({ userId: user })
    const heard = listenToRefused()
    const app = express()
      .use(userData.authenticate())
      .use(userData.allow(() => false))
    const tokens = [user, 'without a document'].map(id => forgeToken({ claims: validClaims(id) }))
    for (const token of tokens) await request(app).get('/').set(bare(token))
    await userData.close()
    await userData.verifyToken(forgeToken({ claims: validClaims('closed') })).catch(() => undefined)
    expect(heard).toEqual([
      { code: 'forbidden', userId: user, reason: undefined },
      { code: 'custom_data_missing', userId: 'without a document', reason: undefined },
      { code: 'closed', userId: 'closed', reason: undefined },
    ])
  })
})
