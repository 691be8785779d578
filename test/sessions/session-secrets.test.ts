import { createPublicKey, createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyOptions } from 'express-custom-user-data'
import { createCustomUserData, OptionError } from 'express-custom-user-data'
import type { Response } from 'supertest'
import { describe, expect, it } from 'vitest'
import { prepareSessionSecrets, toSessionSecret } from '../../lib/sessions/session-secrets.js'
import { useDatabase } from '../support/database.js'
import { letExchangesAge } from '../support/exchange-times.js'
import {
  createSessionApp,
  exchange,
  expectInvalidGrant,
  logIn,
  logOut,
  recordEvents,
  refresh,
} from '../support/session-app.js'
import { AUDIENCE, createTestUserData, ISSUER, KID, SECRET } from '../support/user-data.js'

const OLD = randomBytes(32)
const NEW = randomBytes(32)

const database = useDatabase()

type Secrets = readonly (string | Uint8Array)[]

/** An instance as a process of its own would have it. */
function start(sessionSecrets: Secrets | undefined, options: object = {}) {
  const userData = createTestUserData(database, { ...options, sessionSecrets })
  return { userData, app: createSessionApp(userData), events: recordEvents(userData) }
}

const logInAt = async ({ app }: ReturnType<typeof start>) => (await logIn(app)).refresh_token

describe('rotated session secrets', () => {
  it('do not fork a session: all instances with both secrets answer with the same successor', async () => {
    const [before, both, after] = [start([OLD]), start([NEW, OLD]), start([NEW])]
    const first = await logInAt(before)
    const second = await exchange(both.app, first)
    expect(await exchange(start([NEW, OLD]).app, first)).toBe(second)
    const third = await exchange(before.app, second)
    expect(await exchange(both.app, second)).toBe(third)
    const fourth = await exchange(after.app, third)
    expect(await exchange(both.app, third)).toBe(fourth)
  })

  it('do not fork a session under parallel refreshes', async () => {
    const [before, both] = [start([OLD]), start([NEW, OLD])]
    for (let round = 0; round < 5; round++) {
      const token = await logInAt(before)
      const answers = await Promise.all(
        Array.from({ length: 6 }, (_item, i) => refresh((i % 2 ? before : both).app, token)),
      )
      const successors = answers.filter(({ status }) => status === 200).map(answer => answer.body as object)
      expect(new Set(successors.map(body => (body as { refresh_token: string }).refresh_token)).size).toBe(1)
      expect([...before.events, ...both.events].map(({ name }) => name)).not.toContain('reuse_detected')
    }
  })

  it('detect the theft of tokens that the old secret made', async () => {
    const first = await logInAt(start([OLD]))
    const both = start([NEW, OLD], { reuseToleranceSeconds: 0 })
    const third = await exchange(both.app, await exchange(both.app, first))
    expectInvalidGrant(await refresh(both.app, first))
    expectInvalidGrant(await refresh(both.app, third))
    expect(both.events.at(-1)).toMatchObject({ name: 'reuse_detected' })
  })

  it('each suffice for a current token', async () => {
    const first = await logInAt(start([OLD]))
    await exchange(start([NEW]).app, first)
  })
})

describe('an instance without the session secret of a session', () => {
  const MINUTE = 60_000
  const age = (token: string, ms: number) => letExchangesAge(database.db, ms, token)

  function expectTryAgain({ status, body, headers }: Response): void {
    expect({ status, body: body as unknown }).toMatchObject({
      status: 503,
      body: { error: 'temporarily_unavailable' },
    })
    expect(headers).toMatchObject({ 'retry-after': '1' })
  }

  it.each([
    ['the token before the current one', 1],
    ['an older token', 2],
  ])(
    'answers %s with 503, because another process of the deploy may have the secret',
    async (_what, exchanges) => {
      const [both, without] = [start([NEW, OLD]), start([OLD])]
      const first = await logInAt(both)
      let current = first
      for (let i = 0; i < exchanges; i++) current = await exchange(both.app, current)
      await age(first, 5_000)
      expectTryAgain(await refresh(without.app, first))
      expect(without.events).toEqual([])
      expect(await exchange(both.app, first)).toBe(current)
      await exchange(both.app, current)
    },
  )

  it('answers 503 for fifteen minutes after the last exchange, and then invalid_grant, without ending the session', async () => {
    const [both, without] = [start([NEW, OLD]), start([OLD])]
    const first = await logInAt(both)
    const second = await exchange(both.app, first)
    await age(first, 14 * MINUTE)
    expectTryAgain(await refresh(without.app, first))
    await age(first, MINUTE)
    expectInvalidGrant(await refresh(without.app, first))
    expect(without.events).toEqual([])
    expect(await exchange(both.app, first)).toBe(second)
  })

  it('emits the event request_failed with the code session_secret_unknown', async () => {
    const [both, without] = [start([NEW]), start([OLD])]
    const first = await logInAt(both)
    await exchange(both.app, first)
    const failed = new Promise(resolve => without.userData.events.once('request_failed', resolve))
    await refresh(without.app, first)
    expect(await failed).toMatchObject({ code: 'session_secret_unknown', status: 503 })
  })

  it('exchanges the current token, and then every instance with either secret goes on', async () => {
    const [before, after] = [start([OLD]), start([NEW])]
    let token = await logInAt(before)
    for (const { app } of [after, before, after, before]) token = await exchange(app, token)
  })

  it('detects the theft of a token whose seal it can check', async () => {
    const [before, after] = [start([OLD], { reuseToleranceSeconds: 0 }), start([NEW])]
    const first = await logInAt(before)
    const third = await exchange(after.app, await exchange(after.app, first))
    expectInvalidGrant(await refresh(before.app, first))
    expect(before.events.at(-1)).toMatchObject({ name: 'reuse_detected' })
    expectInvalidGrant(await refresh(after.app, third))
  })

  it('ends the session at a logout with the current token or the token before it', async () => {
    for (const index of [0, 1]) {
      const [both, without] = [start([NEW]), start([OLD])]
      const first = await logInAt(both)
      const tokens = [first, await exchange(both.app, first)]
      expect((await logOut(without.app, tokens[index]!)).status).toBe(204)
      expectInvalidGrant(await refresh(both.app, tokens[1]!))
    }
  })

  it('answers a logout with an older token with 503 while another process may know the token, and never ends an unknown one', async () => {
    const [both, without] = [start([NEW]), start([OLD])]
    const first = await logInAt(both)
    const third = await exchange(both.app, await exchange(both.app, first))
    expectTryAgain(await logOut(without.app, first))
    await age(first, 15 * MINUTE)
    expect((await logOut(without.app, first)).status).toBe(204)
    const fourth = await exchange(both.app, third)
    expect((await logOut(both.app, first)).status).toBe(204)
    expectInvalidGrant(await refresh(both.app, fourth))
  })
})

describe('without the option sessionSecrets', () => {
  it('the session secret is derived from the HS secret, so two instances with the same secret agree', async () => {
    const [one, two] = [start(undefined), start(undefined)]
    const first = await logInAt(one)
    expect(await exchange(two.app, first)).toBe(await exchange(one.app, first))
  })

  it('the session secret is that of `sessionSecrets: [secret]`, so a team can go on without the HS key', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const keys: KeyOptions[] = [{ kid: 'pair', alg: 'ES256', key: privateKey }]
    const [one, two] = [start(undefined), start([SECRET], { keys })]
    const first = await logInAt(one)
    const second = await exchange(one.app, first)
    expect(await exchange(two.app, first)).toBe(second)
  })

  it('the session secret differs from the signing secret', () => {
    const signing = createSecretKey(SECRET, 'utf8')
    const { key, name } = toSessionSecret(signing)
    expect(key.export()).toHaveLength(32)
    expect(key.equals(signing)).toBe(false)
    expect(name).not.toBe(KID)
  })

  it('an instance that signs by a key pair is refused, and the message says what to write', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pair: KeyOptions = { kid: 'a', alg: 'ES256', key: privateKey }
    const secret: KeyOptions = { kid: 'b', alg: 'HS256', key: SECRET }
    const create = (keys: KeyOptions[], sessionSecrets?: Secrets) =>
      createCustomUserData({
        collection: database.db.collection('custom_user_data'),
        issuer: ISSUER,
        audience: AUDIENCE,
        keys,
        sessionSecrets,
      })
    expect(() => create([pair])).toThrow(OptionError)
    expect(() => create([pair])).toThrow(/give "sessionSecrets", a list of random texts of 32 bytes/)
    create([pair], [OLD])
    create([pair, secret])
    create([secret, pair])
  })
})

describe('a rolling deploy', () => {
  const hs = (kid: string, key: Uint8Array): KeyOptions => ({ kid, alg: 'HS256', key })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pair: KeyOptions = { kid: 'pair', alg: 'ES256', key: privateKey }
  const publicKey: KeyOptions = { kid: 'pair', alg: 'ES256', key: createPublicKey(privateKey) }

  it.each<[what: string, before: readonly KeyOptions[], after: readonly KeyOptions[]]>([
    ['from an HS key to a new one', [hs('old', OLD), hs('new', NEW)], [hs('new', NEW), hs('old', OLD)]],
    ['from an HS key to a key pair', [hs('old', OLD), publicKey], [pair, hs('old', OLD)]],
  ])('%s forks no session, and tells a replay', async (_what, before, after) => {
    const one = start(undefined, { keys: before, reuseToleranceSeconds: 0 })
    const two = start(undefined, { keys: after, reuseToleranceSeconds: 0 })
    for (const [first, second] of [[one, two] as const, [two, one] as const]) {
      const token = await logInAt(first)
      const successor = await exchange(second.app, token)
      // A second tab, or a client that did not get the answer, asks the other process.
      expect(await exchange(first.app, token)).toBe(successor)
      await exchange(first.app, successor)
      expectInvalidGrant(await refresh(second.app, token))
      expect(second.events.at(-1)).toMatchObject({ name: 'reuse_detected' })
    }
  })
})

it('new signing keys do not end sessions if the session secrets stay', async () => {
  const userData = createTestUserData(database, {
    keys: [{ kid: 'old', alg: 'HS256', key: randomBytes(32) }],
    sessionSecrets: [OLD],
  })
  const app = createSessionApp(userData)
  const { refresh_token: first } = await logIn(app)
  const second = await exchange(app, first)
  userData.replaceKeys([{ kid: 'new', alg: 'HS256', key: randomBytes(32) }])
  expect(await exchange(app, first)).toBe(second)
  await exchange(app, second)
})

describe('replaceKeys()', () => {
  const hs = (kid: string, key: Uint8Array): KeyOptions => ({ kid, alg: 'HS256', key })

  it('gives the session secrets that a process with the new keys has from its start', async () => {
    const replaced = start(undefined, { keys: [hs('old', OLD)] })
    const started = start(undefined, { keys: [hs('new', NEW), hs('old', OLD)] })
    replaced.userData.replaceKeys([hs('new', NEW), hs('old', OLD)])
    const first = await logInAt(replaced)
    const second = await exchange(replaced.app, first)
    expect(await exchange(started.app, first)).toBe(second)
    const third = await exchange(started.app, second)
    expect(await exchange(replaced.app, second)).toBe(third)
  })

  it('keeps the session secrets if no new key is an HS key', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { app, userData } = start(undefined, { keys: [hs('old', OLD)] })
    const first = (await logIn(app)).refresh_token
    const second = await exchange(app, first)
    userData.replaceKeys([{ kid: 'pair', alg: 'ES256', key: privateKey }])
    expect(await exchange(app, first)).toBe(second)
    await exchange(app, second)
  })
})

describe('the options of sessions', () => {
  const create = (options: object) => () => createTestUserData(database, options)

  it.each([
    [{ sessionSecrets: [] }, 'option "sessionSecrets": write one secret or more'],
    [{ sessionSecrets: SECRET }, 'option "sessionSecrets": write a list of secrets'],
    [{ sessionSecrets: [SECRET, 42] }, 'option "sessionSecrets.1": write text, bytes or a KeyObject'],
    [
      { sessionSecrets: [randomBytes(31)] },
      'sessionSecrets[0] has 31 bytes: a secret for sessions needs 32 or more. Write a random',
    ],
    [{ sessionSecrets: [SECRET, ''] }, 'sessionSecrets[1] has 0 bytes'],
    [{ refreshTokenTtlSeconds: 1_799 }, 'option "refreshTokenTtlSeconds": write a whole number from 1800 to'],
    [{ refreshTokenTtlSeconds: 157_680_001 }, 'write a whole number from 1800 to 157680000'],
    [{ refreshTokenIdleSeconds: 59 }, 'option "refreshTokenIdleSeconds": write a whole number from 60 to'],
    [{ reuseToleranceSeconds: -1 }, 'option "reuseToleranceSeconds": write a whole number from 0 to 120'],
    [{ reuseToleranceSeconds: 121 }, 'option "reuseToleranceSeconds": write a whole number from 0 to 120'],
    [{ reuseToleranceSeconds: 1.5 }, 'option "reuseToleranceSeconds": write a whole number from 0 to 120'],
    [{ rotateRefreshTokens: 'no' }, 'option "rotateRefreshTokens": write true or false'],
    [{ sessionCheckIntervalMs: -1 }, 'option "sessionCheckIntervalMs": write a whole number from 0 to'],
    [{ sessionTimeoutMs: 0 }, 'option "sessionTimeoutMs": write a whole number from 1 to'],
    [{ sessionCollection: 'sessions' }, 'option "sessionCollection": give a Collection'],
  ])('are checked at creation: %j', (options, message) => {
    expect(create(options)).toThrow(OptionError)
    expect(create(options)).toThrow(message)
  })

  it.each([
    { refreshTokenTtlSeconds: 1_800 },
    { refreshTokenTtlSeconds: 157_680_000 },
    { refreshTokenIdleSeconds: 60 },
    { reuseToleranceSeconds: 0 },
    { reuseToleranceSeconds: 120 },
    { sessionCheckIntervalMs: 0 },
  ])('may be at their bounds: %j', options => {
    create(options)()
  })

  it('can be the same secret as text, bytes or a KeyObject', () => {
    const text = 'a session secret of 32 bytes or more'
    const bytes = Buffer.from(text)
    const names = prepareSessionSecrets([text, bytes, createSecretKey(bytes)]).map(({ name }) => name)
    expect(new Set(names).size).toBe(1)
    expect(names[0]).toMatch(/^[\w-]{16}$/)
  })
})
