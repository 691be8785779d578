import { createPublicKey, createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyOptions } from 'express-custom-user-data'
import { createCustomUserData, OptionError } from 'express-custom-user-data'
import { describe, expect, it } from 'vitest'
import { deriveSessionSecret, prepareSessionSecrets } from '../../lib/sessions/session-secrets.js'
import { useDatabase } from '../support/database.js'
import {
  createSessionApp,
  exchange,
  expectInvalidGrant,
  logIn,
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
  return { app: createSessionApp(userData), events: recordEvents(userData) }
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
    const both = start([NEW, OLD])
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

describe('an instance without the right session secret', () => {
  it('refuses an exchanged token without ending the session', async () => {
    const [both, without] = [start([NEW, OLD]), start([OLD])]
    const first = await logInAt(both)
    const second = await exchange(both.app, first)
    expectInvalidGrant(await refresh(without.app, first))
    expect(without.events).toEqual([])
    expect(await exchange(both.app, first)).toBe(second)
    await exchange(both.app, second)
  })

  it('refuses an older token without ending the session, because the token may be invented', async () => {
    const [both, without] = [start([NEW, OLD]), start([OLD])]
    const first = await logInAt(both)
    const third = await exchange(both.app, await exchange(both.app, first))
    expectInvalidGrant(await refresh(without.app, first))
    expect(without.events).toEqual([])
    await exchange(both.app, third)
  })
})

describe('without the option sessionSecrets', () => {
  it('the session secret is derived from the HS secret, so two instances with the same secret agree', async () => {
    const [one, two] = [start(undefined), start(undefined)]
    const first = await logInAt(one)
    expect(await exchange(two.app, first)).toBe(await exchange(one.app, first))
  })

  it('the session secret differs from the signing secret', () => {
    const signing = createSecretKey(SECRET, 'utf8')
    const { key, name } = deriveSessionSecret(signing)
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
    const one = start(undefined, { keys: before })
    const two = start(undefined, { keys: after })
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
    [{ reuseWindowSeconds: -1 }, 'option "reuseWindowSeconds": write a whole number from 0 to 60'],
    [{ reuseWindowSeconds: 61 }, 'option "reuseWindowSeconds": write a whole number from 0 to 60'],
    [{ reuseWindowSeconds: 1.5 }, 'option "reuseWindowSeconds": write a whole number from 0 to 60'],
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
    { reuseWindowSeconds: 0 },
    { reuseWindowSeconds: 60 },
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
