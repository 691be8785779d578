import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFile, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import request from 'supertest'
import type { Response } from 'supertest'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openDatabase, useDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { primaryAddress } from '../support/database.js'
import {
  createSessionApp,
  exchange,
  expectInvalidGrant,
  getMe,
  logIn,
  recordEvents,
  refresh,
} from '../support/session-app.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import type { TcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData } from '../support/user-data.js'

type UserData = ReturnType<typeof createTestUserData>
type Tokens = Record<'access_token' | 'refresh_token', string>

const WRONG = {
  status: 401,
  body: { error: 'invalid_credentials', error_description: 'The credentials are wrong.' },
}

const database = useDatabase()
let proxy: TcpProxy
let proxied: TestDatabase
beforeAll(async () => {
  const { host, port } = await primaryAddress(database.client)
  proxy = await startTcpProxy(host, port)
  proxied = await openDatabase({ proxyPort: proxy.port })
})
afterAll(async () => {
  await proxied.client.close()
  await proxy.close()
})

let users = 0
let user: string
/** Two processes: the one that revokes, and one whose commands go through the proxy. */
let here: UserData
let there: UserData
beforeEach(async () => {
  user = `user-${users++}`
  here = createTestUserData(database)
  there = createTestUserData({ db: proxied.client.db(database.db.databaseName) })
  await Promise.all([here.ready(), there.ready()])
})
afterEach(async () => {
  proxied.client.removeAllListeners('commandStarted')
  await proxy.restore()
})

/** Every call that ends all sessions of a user. */
const WAYS: [string, (at: UserData, accessToken: string) => Promise<unknown>][] = [
  ['revoke(userId)', at => at.revoke(user)],
  ['deleteSessions(userId)', at => at.deleteSessions(user)],
  ['disable(userId) and enable(userId)', async at => at.disable(user).then(() => at.enable(user))],
  [
    'logoutAll()',
    async (at, accessToken) =>
      request(createSessionApp(at)).post('/logout-all').auth(accessToken, { type: 'bearer' }).expect(204),
  ],
]

/** Begins a login with the right credentials. It goes on when the test releases it. */
async function beginLogin(at: UserData) {
  let release = (): void => undefined
  const released = new Promise<void>(resolve => (release = resolve))
  let answer: Promise<Response> | undefined
  await new Promise<void>(checked => {
    const login = at.login(async () => {
      checked()
      await released
      return { id: user }
    })
    answer = request(express().post('/login', login))
      .post('/login')
      .send({})
      .then(response => response)
  })
  return { answer: answer!, release }
}

/** Holds the server's answers from the moment when the other process sends such a command; resolves at that moment. */
async function holdAnswerTo(commandName: string): Promise<void> {
  await new Promise<void>(resolve => {
    proxied.client.on('commandStarted', event => {
      if (event.commandName !== commandName) return
      proxied.client.removeAllListeners('commandStarted')
      proxy.holdAnswers()
      resolve()
    })
  })
}

/** Resolves when the server's clock has gone on by more than a command takes, so that the order of two moments is clear. */
async function serverTimePasses(): Promise<void> {
  const serverTime = async () => {
    const { localTime } = (await database.db.command({ hello: 1 })) as { localTime: Date }
    return localTime.getTime()
  }
  const until = (await serverTime()) + 200
  await expect.poll(serverTime).toBeGreaterThan(until)
}

const stored = () =>
  database.db.collection('custom_user_data_sessions').countDocuments({ userId: user, revokedAt: null })

async function expectDead(tokens: Tokens): Promise<void> {
  for (const at of [here, there])
    expectInvalidGrant(await refresh(createSessionApp(at), tokens.refresh_token))
}

describe.each(WAYS)('after %s has answered', (_name, end) => {
  it('a login that was in progress is refused like wrong credentials, and leaves no session', async () => {
    for (const [revoking, logging] of [
      [here, here],
      [here, there],
      [there, here],
    ] as const) {
      const { access_token: access } = await logIn(createSessionApp(revoking), user)
      const { answer, release } = await beginLogin(logging)
      await serverTimePasses()
      await end(revoking, access)
      release()
      expect(await answer).toMatchObject(WRONG)
      expect(await stored()).toBe(0)
      expect(await here.sessions(user)).toEqual([])
    }
  })

  it('a login whose session was being stored is refused', async () => {
    const { access_token: access } = await logIn(createSessionApp(here), user)
    const held = holdAnswerTo('findAndModify')
    const answer = request(createSessionApp(there))
      .post('/login')
      .send({ user })
      .then(response => response)
    await held
    await expect.poll(stored).toBe(2)
    await serverTimePasses()
    await end(here, access)
    proxy.resume()
    expect(await answer).toMatchObject(WRONG)
    expect(await stored()).toBe(0)
  })

  it('a login that had read the record before has no session: its refresh token is dead', async () => {
    const { access_token: access } = await logIn(createSessionApp(here), user)
    const held = holdAnswerTo('aggregate')
    const answer = request(createSessionApp(there))
      .post('/login')
      .send({ user })
      .then(response => response)
    await held
    await end(here, access)
    proxy.resume()
    const { status, body } = await answer
    if (status === 200) await expectDead(body as Tokens)
    else expect({ status, body: body as unknown }).toMatchObject(WRONG)
    expect(await stored()).toBe(0)
  })

  it('a refresh that was in progress gives no token that works', async () => {
    const { access_token: access, refresh_token: token } = await logIn(createSessionApp(here), user)
    const held = holdAnswerTo('findAndModify')
    const answer = refresh(createSessionApp(there), token).then(response => response)
    await held
    await end(here, access)
    proxy.resume()
    const { status, body } = await answer
    expect([200, 400]).toContain(status)
    if (status === 200) await expectDead(body as Tokens)
    await expectDead({ access_token: access, refresh_token: token })
  })

  it('a refresh whose token had been exchanged before gives no token that works', async () => {
    const { access_token: access, refresh_token: token } = await logIn(createSessionApp(here), user)
    const second = await exchange(createSessionApp(here), token)
    await exchange(createSessionApp(here), second)
    const held = holdAnswerTo('aggregate')
    const answer = refresh(createSessionApp(there), token).then(response => response)
    await held
    await end(here, access)
    proxy.resume()
    const { status, body } = await answer
    expect([200, 400]).toContain(status)
    if (status === 200) await expectDead(body as Tokens)
    await expectDead({ access_token: access, refresh_token: token })
  })

  it('a login that begins afterwards works at once, in this process and in another', async () => {
    for (let round = 0; round < 10; round++) {
      const { access_token: access } = await logIn(createSessionApp(here), user)
      await end(here, access)
      for (const at of [here, there]) {
        const tokens = await logIn(createSessionApp(at), user)
        await exchange(createSessionApp(at), tokens.refresh_token)
      }
    }
  })
})

describe('change the password, revoke, and issue new tokens in one handler', () => {
  it('accepts the new tokens each time, and never the old tokens', async () => {
    let password = 'password 0'
    const app = express()
      .post(
        '/login',
        here.login(({ given }) => (given === password ? { id: user } : null)),
      )
      .use(createSessionApp(here))
    const changing = express()
      .use(here.authenticate())
      .post('/password', (req, res, next) => {
        password = `password ${Number(password.split(' ')[1]) + 1}`
        const { id } = here.user(req)
        here
          .revoke(id)
          .then(() => here.issueTokens(id))
          // Express 4 does not handle the rejection of a handler.
          .then(answer => res.json(answer), next)
      })
    let tokens = (await request(app).post('/login').send({ given: password })).body as Tokens
    for (let round = 0; round < 50; round++) {
      const old = tokens
      const answer = await request(changing).post('/password').auth(old.access_token, { type: 'bearer' })
      expect(answer.status).toBe(200)
      tokens = answer.body as Tokens
      expectInvalidGrant(await refresh(app, old.refresh_token))
      expect((await getMe(app, old.access_token)).status).toBe(401)
      expect((await getMe(app, tokens.access_token)).status).toBe(200)
      tokens.refresh_token = await exchange(app, tokens.refresh_token)
    }
  })
})

describe('issueTokens(userId, { startedAt })', () => {
  it('is refused if the sessions were revoked since the check began', async () => {
    const startedAt = performance.now()
    await serverTimePasses()
    await here.revoke(user)
    await expect(here.issueTokens(user, { startedAt })).rejects.toMatchObject({ code: 'invalid_credentials' })
    await expect(there.issueTokens(user, { startedAt })).rejects.toMatchObject({
      code: 'invalid_credentials',
    })
    expect(await stored()).toBe(0)
  })

  it('works if they were revoked before; without startedAt the login begins with the call', async () => {
    for (let round = 0; round < 20; round++) {
      await here.revoke(user)
      for (const at of [here, there]) {
        const startedAt = performance.now()
        await at.issueTokens(user, { startedAt })
        await at.issueTokens(user)
      }
    }
  })

  it.each([NaN, -1, Date.now(), 'now'])('is a TypeError for %s, and nothing is stored', async startedAt => {
    await expect(here.issueTokens(user, { startedAt: startedAt as number })).rejects.toThrow(
      /startedAt.*performance\.now\(\)/,
    )
    expect(await stored()).toBe(0)
  })
})

describe('a login that may have begun before or after the revocation', () => {
  it('is a 503 with Retry-After after three reads, leaves no session, and works when it is repeated', async () => {
    const events = recordEvents(there)
    const app = createSessionApp(there)
    await logIn(app, user)
    await here.revoke(user)
    // An answer that was under way for so long leaves the server's time as uncertain.
    proxy.delay(400)
    const reads: unknown[] = []
    proxied.client.on('commandStarted', event => {
      if (event.commandName === 'aggregate') reads.push(event.command)
    })
    const answer = await request(app).post('/login').send({ user })
    expect(answer).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } })
    expect(answer.headers).toMatchObject({ 'retry-after': '1' })
    expect(reads).toHaveLength(3)
    expect(await stored()).toBe(0)
    expect(events.filter(({ name }) => name === 'login')).toHaveLength(1)
    proxy.resume()
    await proxy.restore()
    const tokens = await logIn(app, user)
    await exchange(app, tokens.refresh_token)
  })
})

it('a login whose session is revoked while its token is signed is refused, and is not the event login', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const userData = createTestUserData(database, {
    keys: [{ kid: 'one', alg: 'RS256', key: privateKey }],
    userDataInToken: { format: 'relaxed', maxTokenBytes: 300 },
  })
  await userData.ready()
  await userData.issueTokens(user)
  const events = recordEvents(userData)
  let revoked: Promise<unknown> | undefined
  // Emitted between the insert of the session and the signature of a smaller token.
  userData.events.on('snapshot_left_out', () => {
    const release = occupyThreads()
    revoked = userData.revoke(user).finally(release)
  })
  await expect(userData.issueTokens(user)).rejects.toMatchObject({ code: 'invalid_credentials' })
  await revoked
  expect(events.map(({ name }) => name)).toEqual(['revoked'])
})

/** Keeps Node's thread pool busy, so that no signature is made. Returns the function that frees it. */
function occupyThreads(): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'pipes-'))
  const pipes = Array.from({ length: Number(process.env['UV_THREADPOOL_SIZE'] ?? 4) }, (_, index) =>
    join(directory, String(index)),
  )
  execFileSync('mkfifo', pipes)
  // To open a pipe for reading takes a thread until somebody opens it for writing.
  for (const pipe of pipes) readFile(pipe, () => undefined)
  return () => {
    for (const pipe of pipes) writeFileSync(pipe, '')
    rmSync(directory, { recursive: true })
  }
}
