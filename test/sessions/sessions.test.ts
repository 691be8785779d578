import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import type { CustomUserData, CustomUserDataOptions, TokenAnswer } from 'express-custom-user-data'
import { beforeEach, describe, expect, it } from 'vitest'
import type { SessionDocument } from '../../lib/sessions/session-document.js'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { letExchangesAge } from '../support/exchange-times.js'
import { holdDeadlines } from '../support/deadlines.js'
import type { TestDatabase } from '../support/database.js'
import { listen } from '../support/guarded-app.js'
import {
  createSessionApp,
  exchange,
  expectInvalidGrant,
  expectUnavailable,
  getMe,
  logIn,
  logOut,
  recordEvents,
  refresh,
  sidOf,
} from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>

interface Instance {
  userData: CustomUserData<Readonly<Record<string, unknown>>>
  app: Express
  events: Record<string, unknown>[]
}

const deadlines = holdDeadlines()
const database = useDatabase()
let clock: ManualClock
beforeEach(() => {
  clock = createManualClock()
})

/** An instance as a process of its own would have it: nothing is shared but the database and the options. */
function start(options: Options = {}, from: Pick<TestDatabase, 'db'> = database): Instance {
  const userData = createTestUserData(from, { clock, ...options })
  return { userData, app: createSessionApp(userData), events: recordEvents(userData) }
}

async function logInAt({ app }: Instance, user?: string): Promise<string> {
  return (await logIn(app, user)).refresh_token
}

const stored = (token: string) =>
  database.db.collection<SessionDocument>('custom_user_data_sessions').findOne({ _id: sidOf(token) })

async function expectEnded({ app }: Instance, ...tokens: string[]): Promise<void> {
  for (const token of tokens) expectInvalidGrant(await refresh(app, token))
}

/** Lets time pass since the exchanges of a session. */
const age = (token: string, ms: number) => letExchangesAge(database.db, ms, token)

const named = ({ events }: Instance, name: string) => events.filter(event => event['name'] === name)

describe('an exchanged refresh token', () => {
  it('gets the same successor from every instance, until the successor is used', async () => {
    const [one, two] = [start(), start()]
    const first = await logInAt(one)
    const second = await exchange(one.app, first)
    clock.advance(7 * 24 * 3_600_000)
    for (const { app } of [two, one, two]) expect(await exchange(app, first)).toBe(second)
    expect(await exchange(two.app, second)).toMatch(/^[\w-]{22}\.2\./)
  })

  it('ASVS 10.4.5: is a sign of theft after its successor was used, and ends the session', async () => {
    const instance = start({ reuseToleranceSeconds: 0 })
    const first = await logInAt(instance)
    const second = await exchange(instance.app, first)
    const third = await exchange(instance.app, second)
    await expectEnded(instance, first, third, second)
    expect(named(instance, 'reuse_detected')).toEqual([
      { name: 'reuse_detected', userId: 'alice', sid: sidOf(first), address: '127.0.0.1' },
    ])
  })

  it('is one event `reuse_detected`, however many requests come with it at once', async () => {
    const [one, two] = [start({ reuseToleranceSeconds: 0 }), start({ reuseToleranceSeconds: 0 })]
    const first = await logInAt(one)
    await exchange(one.app, await exchange(one.app, first))
    const answers = await Promise.all([one, two, one, two, one, two].map(({ app }) => refresh(app, first)))
    for (const answer of answers) expectInvalidGrant(answer)
    expect([...named(one, 'reuse_detected'), ...named(two, 'reuse_detected')]).toHaveLength(1)
  })

  it('is a sign of theft however old it is', async () => {
    for (const depth of [3, 6]) {
      const [one, two] = [start(), start()]
      const chain = [await logInAt(one)]
      for (let i = 0; i < depth; i++) chain.push(await exchange(one.app, chain.at(-1)!))
      await age(chain[0]!, 30_000)
      await expectEnded(two, chain[depth - 3]!, chain.at(-1)!)
      expect(named(two, 'reuse_detected')).toHaveLength(1)
    }
  })

  it('is a sign of theft after a restart too', async () => {
    const before = start()
    const first = await logInAt(before)
    const third = await exchange(before.app, await exchange(before.app, first))
    await age(first, 30_000)
    const after = start()
    await expectEnded(after, first, third)
    expect(named(after, 'reuse_detected')).toHaveLength(1)
  })

  it('that ends its session ends its access tokens in this process at once', async () => {
    const instance = start({ reuseToleranceSeconds: 0 })
    const login = await logIn(instance.app)
    expect((await getMe(instance.app, login.access_token)).status).toBe(200)
    await exchange(instance.app, await exchange(instance.app, login.refresh_token))
    await expectEnded(instance, login.refresh_token)
    expect((await getMe(instance.app, login.access_token)).status).toBe(401)
  })

  it('ends no other session of this user or another user', async () => {
    const instance = start({ reuseToleranceSeconds: 0 })
    const others = [await logInAt(instance), await logInAt(instance, 'bob')]
    const first = await logInAt(instance)
    await exchange(instance.app, await exchange(instance.app, first))
    await expectEnded(instance, first)
    for (const other of others) await exchange(instance.app, other)
  })

  it('emits the event `replayed` if it gets the current token, and the event tells whether its successor was used', async () => {
    const instance = start()
    const first = await logInAt(instance)
    const second = await exchange(instance.app, first)
    await exchange(instance.app, first)
    await exchange(instance.app, second)
    await exchange(instance.app, first)
    const ids = { userId: 'alice', sid: sidOf(first) }
    expect(instance.events).toEqual([
      { name: 'login', ...ids, address: '127.0.0.1' },
      { name: 'refreshed', ...ids },
      { name: 'replayed', ...ids, successorUsed: false },
      { name: 'refreshed', ...ids },
      { name: 'replayed', ...ids, successorUsed: true },
    ])
  })
})

describe('a refresh token that was exchanged within reuseToleranceSeconds', () => {
  it('gets the current token from every instance although its successor was used, without a further exchange', async () => {
    const [one, two] = [start(), start()]
    const chain = [await logInAt(one)]
    for (let i = 0; i < 5; i++) chain.push(await exchange(one.app, chain.at(-1)!))
    const before = await stored(chain[0]!)
    for (const old of chain.slice(0, 5)) {
      for (const { app } of [one, two]) expect(await exchange(app, old)).toBe(chain[5])
    }
    expect(await stored(chain[0]!)).toEqual(before)
    expect(await exchange(two.app, chain[5]!)).toMatch(/^[\w-]{22}\.6\./)
    expect([one, two].flatMap(instance => named(instance, 'reuse_detected'))).toEqual([])
  })

  it('comes with an access token that works, and with the custom data of now', async () => {
    const instance = start()
    const first = await logInAt(instance, 'dora')
    await exchange(instance.app, await exchange(instance.app, first))
    await database.db.collection('custom_user_data').insertOne({ userId: 'dora', color: 'red' })
    const { body } = await refresh(instance.app, first)
    const { access_token: access, user } = body as TokenAnswer<object>
    expect(user).toMatchObject({ id: 'dora', customData: { color: 'red' } })
    expect((await getMe(instance.app, access)).status).toBe(200)
  })

  it('is a delayed request of a browser: another tab refreshes twice while it is on its way', async () => {
    const proxied = await openProxiedDatabase(database)
    const [slow, fast] = [start({}, proxied), start()]
    await slow.userData.ready()
    const first = await logInAt(fast)
    proxied.proxy.pause()
    const delayed = refresh(slow.app, first).then(answer => answer)
    const third = await exchange(fast.app, await exchange(fast.app, first))
    await proxied.proxy.restore()
    const { status, body } = await delayed
    expect({ status, body: body as unknown }).toMatchObject({ status: 200, body: { refresh_token: third } })
    await exchange(fast.app, third)
  })

  // Real time passes as well, so the times within the tolerance are ten seconds shorter.
  it.each([
    [30, 20_000],
    [120, 110_000],
  ])(
    'of %i s is answered until the tolerance is over, and then ends its session',
    async (seconds, withinMs) => {
      const [one, two] = [
        start({ reuseToleranceSeconds: seconds }),
        start({ reuseToleranceSeconds: seconds }),
      ]
      const first = await logInAt(one)
      const third = await exchange(one.app, await exchange(one.app, first))
      await age(first, withinMs)
      expect(await exchange(two.app, first)).toBe(third)
      await age(first, 10_000)
      await expectEnded(two, first, third)
      expect(named(two, 'reuse_detected')).toHaveLength(1)
    },
  )

  it('is measured from its own exchange, not from the last one', async () => {
    const instance = start()
    const first = await logInAt(instance)
    const second = await exchange(instance.app, first)
    await age(first, 10_000)
    const third = await exchange(instance.app, second)
    await age(first, 10_000)
    expect(await exchange(instance.app, first)).toBe(third)
    await age(first, 10_000)
    // The second token was exchanged twenty seconds ago.
    expect(await exchange(instance.app, second)).toBe(third)
    await expectEnded(instance, first, third)
  })

  it('does not start a new tolerance when it comes again', async () => {
    const instance = start()
    const first = await logInAt(instance)
    await exchange(instance.app, await exchange(instance.app, first))
    for (let i = 0; i < 2; i++) {
      await age(first, 10_000)
      await exchange(instance.app, first)
    }
    await age(first, 10_000)
    await expectEnded(instance, first)
  })

  it('is not measured by the clocks of the processes, which may differ', async () => {
    const ahead = createManualClock(clock.now() + 3_600_000)
    const [one, two] = [start(), start({ clock: ahead })]
    const first = await logInAt(one)
    const third = await exchange(two.app, await exchange(one.app, first))
    clock.advance(60_000)
    for (const { app } of [one, two]) expect(await exchange(app, first)).toBe(third)
    await age(first, 30_000)
    await expectEnded(one, first)
  })

  it('does not move the idle end of the session', async () => {
    const instance = start({ refreshTokenIdleSeconds: 60 })
    const first = await logInAt(instance)
    const third = await exchange(instance.app, await exchange(instance.app, first))
    clock.advance(59_999)
    expect(await exchange(instance.app, first)).toBe(third)
    clock.advance(1)
    await expectEnded(instance, first, third)
  })

  it('gets nothing after a logout, a revocation or the end of the session in another process', async () => {
    const [one, two] = [start({ refreshTokenTtlSeconds: 1_800 }), start({ refreshTokenTtlSeconds: 1_800 })]
    const ends = [
      (token: string) => logOut(one.app, token).then(({ status }) => expect(status).toBe(204)),
      (token: string) => one.userData.revoke({ sid: sidOf(token) }),
      () => one.userData.revoke('erin'),
      async () => {
        await Promise.resolve()
        clock.advance(1_800_000)
      },
    ]
    for (const end of ends) {
      const first = await logInAt(one, 'erin')
      await exchange(one.app, await exchange(one.app, first))
      await exchange(two.app, first)
      await end(first)
      await expectEnded(two, first)
      await expectEnded(one, first)
    }
    expect([one, two].flatMap(instance => named(instance, 'reuse_detected'))).toEqual([])
  })

  it('counts as stolen if a client refreshed a hundred times since, which no browser does', async () => {
    const instance = start({ reuseToleranceSeconds: 120 })
    const chain = [await logInAt(instance)]
    for (let i = 0; i < 101; i++) chain.push(await exchange(instance.app, chain.at(-1)!))
    expect((await stored(chain[0]!))!.issues).toHaveLength(100)
    expect(await exchange(instance.app, chain[1]!)).toBe(chain[101])
    await expectEnded(instance, chain[0]!, chain[101]!)
  })

  it('is remembered for two minutes only, so that the document of a session stays small', async () => {
    const instance = start({ reuseToleranceSeconds: 0 })
    let token = await logInAt(instance)
    for (let i = 0; i < 5; i++) {
      await age(token, 121_000)
      token = await exchange(instance.app, token)
      expect((await stored(token))!.issues).toHaveLength(1)
    }
  })

  it.each([null, 'text', 7, {}, [null], ['text'], [{ issuedAt: 7, secretName: 7 }]])(
    'is refused if its stored times were changed to %j, and the current token works',
    async issues => {
      const instance = start()
      const first = await logInAt(instance)
      const second = await exchange(instance.app, first)
      await database.db
        .collection('custom_user_data_sessions')
        .updateOne({ _id: sidOf(first) as never }, { $set: { issues } })
      await expectEnded(instance, first)
      const third = await exchange(instance.app, second)
      expect(await exchange(instance.app, second)).toBe(third)
    },
  )
})

describe('with reuseToleranceSeconds: 0 an exchanged refresh token', () => {
  it('gets its successor until that is used, so a lost answer logs nobody out', async () => {
    const [one, two] = [start({ reuseToleranceSeconds: 0 }), start({ reuseToleranceSeconds: 0 })]
    const first = await logInAt(one)
    const second = await exchange(one.app, first)
    clock.advance(3_600_000)
    expect(await exchange(two.app, first)).toBe(second)
    await exchange(two.app, second)
    await expectEnded(one, first)
  })

  it('gets the same successor by parallel refreshes', async () => {
    const instances = [start({ reuseToleranceSeconds: 0 }), start({ reuseToleranceSeconds: 0 })]
    const first = await logInAt(instances[0]!)
    const successors = await Promise.all(
      Array.from({ length: 10 }, (_item, i) => exchange(instances[i % 2]!.app, first)),
    )
    expect(new Set(successors).size).toBe(1)
    expect(await stored(first)).toMatchObject({ generation: 1, revokedAt: null })
  })
})

describe('an exchanged refresh token that is answered long after the last exchange', () => {
  it('counts as a use of its session, so that the end of the session ends its access token in every process', async () => {
    const [one, two] = [start(), start()]
    const first = await logInAt(one)
    await exchange(one.app, first)
    const { idleExpiresAt } = (await stored(first))!
    clock.advance(24 * 3_600_000)
    await exchange(two.app, first)
    expect(await stored(first)).toMatchObject({ lastUsedAt: new Date(clock.now()), idleExpiresAt })
  })
})

describe('a token that we did not issue', () => {
  it.each(['.0.', '.1.', '.2.'])(
    'ends nothing, although it names a session and a generation: %s',
    async generation => {
      const instance = start()
      const first = await logInAt(instance)
      const third = await exchange(instance.app, await exchange(instance.app, first))
      const own = `${sidOf(first)}${generation}${'A'.repeat(43)}.${'A'.repeat(22)}`
      await expectEnded(instance, own)
      expect((await logOut(instance.app, own)).status).toBe(204)
      expect(named(instance, 'reuse_detected')).toHaveLength(0)
      await exchange(instance.app, third)
    },
  )

  it('ends neither session if it joins the id of one and the secret of another', async () => {
    const instance = start()
    const [mine, theirs] = [await logInAt(instance), await logInAt(instance, 'bob')]
    const mixed = mine.replace(sidOf(mine), sidOf(theirs))
    await expectEnded(instance, mixed)
    await logOut(instance.app, mixed)
    for (const token of [mine, theirs]) await exchange(instance.app, token)
  })

  it('is refused if its session does not exist', async () => {
    const instance = start()
    const token = await logInAt(instance)
    await expectEnded(instance, token.replace(sidOf(token), 'A'.repeat(22)))
  })
})

describe('rotateRefreshTokens: false', () => {
  it('returns the same refresh token each time', async () => {
    const instance = start({ rotateRefreshTokens: false })
    const token = await logInAt(instance)
    for (let i = 0; i < 3; i++) expect(await exchange(instance.app, token)).toBe(token)
    expect(await stored(token)).toMatchObject({ generation: 0, previous: null })
  })

  it('notes the use of a session, and moves its idle end', async () => {
    const instance = start({ rotateRefreshTokens: false, refreshTokenIdleSeconds: 60 })
    const token = await logInAt(instance)
    for (let i = 0; i < 3; i++) {
      clock.advance(59_999)
      await exchange(instance.app, token)
    }
    expect((await stored(token))!.lastUsedAt).toEqual(new Date(clock.now()))
    clock.advance(60_000)
    await expectEnded(instance, token)
  })

  it('accepts tokens that were exchanged before, and detects the theft of older tokens', async () => {
    const before = start()
    const first = await logInAt(before)
    const second = await exchange(before.app, first)
    const third = await exchange(before.app, second)
    const after = start({ rotateRefreshTokens: false })
    for (const token of [first, second, third]) expect(await exchange(after.app, token)).toBe(third)
    await age(first, 30_000)
    await expectEnded(after, first, third)
  })
})

describe('the life of a session', () => {
  const HOUR = 3_600_000

  it('ASVS 7.3.1: ends exactly when it was not used for its idle time', async () => {
    const instance = start({ refreshTokenIdleSeconds: 3600 })
    const [used, unused] = [await logInAt(instance), await logInAt(instance)]
    clock.advance(HOUR - 1)
    const next = await exchange(instance.app, used)
    clock.advance(1)
    await expectEnded(instance, unused)
    clock.advance(HOUR - 2)
    await exchange(instance.app, next)
  })

  it('ASVS 7.3.2, 10.4.8: ends at its absolute end, which no exchange moves', async () => {
    const instance = start({ refreshTokenTtlSeconds: 10 * 3600, refreshTokenIdleSeconds: 3600 })
    let token = await logInAt(instance)
    const end = new Date(clock.now() + 10 * HOUR)
    for (let i = 0; i < 20; i++) {
      clock.advance(HOUR / 2 - 1)
      token = await exchange(instance.app, token)
      expect((await stored(token))!.expiresAt).toEqual(end)
    }
    clock.advance(19)
    token = await exchange(instance.app, token)
    clock.advance(1)
    await expectEnded(instance, token)
  })

  it('is not prolonged when the clock jumps back', async () => {
    const instance = start({ refreshTokenTtlSeconds: 3600 })
    const token = await logInAt(instance)
    clock.setWall(clock.now() - HOUR)
    const next = await exchange(instance.app, token)
    expect((await stored(next))!.expiresAt).toEqual(new Date(clock.now() + 2 * HOUR))
  })

  it('does not depend on other logins: a user may have any number, and sees them all', async () => {
    const instance = start()
    const tokens = [await logInAt(instance, 'carol')]
    clock.advance(1)
    tokens.push(await logInAt(instance, 'carol'))
    const list = await instance.userData.sessions('carol')
    expect(list.map(({ sid }) => sid)).toEqual([...tokens].reverse().map(sidOf))
    for (const token of tokens) await exchange(instance.app, token)
  })
})

describe('a logout', () => {
  it('ends the session with the current token and with the previous token', async () => {
    for (const reuseToleranceSeconds of [0, 30]) {
      const [one, two] = [start({ reuseToleranceSeconds }), start({ reuseToleranceSeconds })]
      const first = await logInAt(one)
      const second = await exchange(one.app, first)
      expect((await logOut(one.app, second)).status).toBe(204)
      await expectEnded(two, first, second)
      await expectEnded(one, first, second)
      expect(named(one, 'revoked')).toEqual([
        { name: 'revoked', by: 'logout', userId: 'alice', sid: sidOf(first) },
      ])
      expect(named(two, 'reuse_detected')).toHaveLength(0)
    }
  })

  it('works with the previous token if the answer to a refresh was lost', async () => {
    const instance = start()
    const first = await logInAt(instance)
    const second = await exchange(instance.app, first)
    await logOut(instance.app, first)
    await expectEnded(instance, second)
  })

  it('is a 503 if it cannot be written, and can be repeated', async () => {
    const { instance, proxy, close } = await startBehindProxy()
    const token = await logInAt(instance)
    proxy.pause()
    const { answer } = await deadlines.passUntil(logOut(instance.app, token))
    expectUnavailable(answer)
    proxy.resume()
    expect((await logOut(start().app, token)).status).toBe(204)
    await expectEnded(start(), token)
    await close()
  })
})

describe('a stored session without a valid user id', () => {
  const lost = (token: string, userId: unknown) =>
    database.db
      .collection<{ _id: string }>('custom_user_data_sessions')
      .updateOne(
        { _id: sidOf(token) },
        userId === undefined ? { $unset: { userId: '' } } : { $set: { userId } },
      )

  it.each([undefined, null, 7, ['alice'], { id: 'alice' }, ''])(
    'gives no tokens: %j is a 500',
    async userId => {
      const instance = start()
      const token = await logInAt(instance)
      await lost(token, userId)
      const { status, body } = await refresh(instance.app, token)
      expect({ status, body: body as unknown }).toMatchObject({
        status: 500,
        body: { error: 'server_error' },
      })
      expect(body).not.toHaveProperty('access_token')
    },
  )
})

describe('a fault of the server', () => {
  it('an answer that never arrives does no harm: the same token gets the same successor', async () => {
    const instance = start()
    const server = await listen(instance.app)
    const { port } = server.address() as AddressInfo
    const token = await logInAt(instance)
    const body = JSON.stringify({ refresh_token: token })
    const head = `POST /refresh HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`
    const socket = connect(port, '127.0.0.1')
    // Told once the exchange is written, and before anything is answered.
    instance.userData.events.once('refreshed', () => socket.destroy())
    socket.write(`${head}\r\n\r\n${body}`)
    await once(socket, 'close')
    expect(await stored(token)).toMatchObject({ generation: 1 })
    const second = await exchange(instance.app, token)
    await exchange(instance.app, second)
    server.close()
  })

  it('any number of refreshes during an outage leave the token valid, and detect no theft', async () => {
    const { instance, proxy, close } = await startBehindProxy()
    const token = await logInAt(instance)
    proxy.pause()
    for (let i = 0; i < 5; i++) {
      const { answer } = await deadlines.passUntil(refresh(instance.app, token))
      expectUnavailable(answer)
    }
    proxy.resume()
    const next = await exchange(start().app, token)
    await exchange(start().app, next)
    expect(named(instance, 'reuse_detected')).toHaveLength(0)
    await close()
  })

  it('an exchange with an unknown outcome leaves the token valid', async () => {
    const { instance, proxy, close } = await startBehindProxy()
    const token = await logInAt(instance)
    const before = await stored(token)
    proxy.dropResponses()
    const exchanging = refresh(instance.app, token).then(answer => answer)
    await expect.poll(() => stored(token)).not.toEqual(before)
    const { answer } = await deadlines.passUntil(exchanging)
    expectUnavailable(answer)
    await proxy.restore()
    await exchange(start().app, await exchange(start().app, token))
    await close()
  })

  it('a MongoDB that is down is a 503 within the time limit, and the token is valid afterwards', async () => {
    const { instance, proxy, close } = await startBehindProxy()
    const token = await logInAt(instance)
    proxy.cut()
    const { answer, passedMs } = await deadlines.passUntil(refresh(instance.app, token))
    expectUnavailable(answer)
    expect(passedMs).toBeLessThan(2_000)
    await proxy.restore()
    await exchange(start().app, token)
    await close()
  })
})

/** An instance behind a proxy in front of the same database. */
async function startBehindProxy() {
  const proxied = await openProxiedDatabase(database)
  const { proxy } = proxied
  const db = proxied.db
  // Without work in the background an idle connection is left for the command that a fault is meant for.
  const instance = start({ sessionTimeoutMs: 400, maxSessionsPerUser: false }, { db })
  await instance.userData.ready()
  return {
    instance,
    proxy,
    close: async () => {
      await proxy.restore()
    },
  }
}
