import { BSON } from 'mongodb'
import { Credentials } from 'realm-web'
import type { App, User } from 'realm-web'
import { expect, onTestFinished, test } from 'vitest'
import { createManualClock } from '../../support/clock.js'
import { useDatabase } from '../../support/database.js'
import { startIssuer } from '../../support/key-server.js'
import { forgeToken, validClaims } from '../../support/user-data.js'
import { PASSWORD, startLinkService } from '../support/linkable-provider.js'
import type { RealmService } from '../support/realm-service.js'

// realm-web repeats a request for ever if it is answered with InvalidSession while its refresh works. Each case counts the
// requests of one call.

const database = useDatabase()
const SERVICE = { providers: { anonymous: true, apiKey: true } }
const OTHER_SECRET = 'a secret that the instance has not, 32 bytes'

/** A user with a running service, and another process of it. */
interface Situation {
  readonly service: RealmService
  readonly other: RealmService
  readonly client: App
  readonly user: User
}

/** Starts two processes. Each call of the result logs another user in. */
async function startProcesses(): Promise<() => Promise<Situation>> {
  const service = await startLinkService(database, { service: SERVICE })
  const other = await startLinkService(database, { service: SERVICE })
  return async () => {
    const client = service.newClient()
    return { service, other, client, user: await client.logIn(Credentials.anonymous()) }
  }
}

const start = async (): Promise<Situation> => (await startProcesses())()

const minutesAgo = (minutes: number) => Date.now() - minutes * 60_000
const forged = (userId: string, issuedAt: number) =>
  forgeToken({ secret: OTHER_SECRET, claims: validClaims(userId, issuedAt) })

async function sidOf({ service, user }: Situation): Promise<string> {
  const [session] = await service.userData.sessions(user.id)
  return session?.sid ?? ''
}

const changeUser = ({ user }: Situation, change: object) =>
  database.db
    .collection('custom_user_data_app_services_users')
    .updateOne({ _id: new BSON.ObjectId(user.id) }, change)

/** What ends a session for good. */
const ENDS: Record<string, (situation: Situation) => Promise<unknown>> = {
  'the user is disabled': ({ service, user }) => service.userData.disable(user.id),
  'another process disables the user': ({ other, user }) => other.userData.disable(user.id),
  'all sessions are revoked': ({ service, user }) => service.userData.revoke(user.id),
  'another process revokes all sessions': ({ other, user }) => other.userData.revoke(user.id),
  'the session is ended': async s => s.service.userData.revoke({ sid: await sidOf(s) }),
  'another process ends the session': async s => s.other.userData.revoke({ sid: await sidOf(s) }),
  'the user is deleted': ({ service, user }) => service.appServices.deleteUser(user.id),
  'another process deletes the user': ({ other, user }) => other.appServices.deleteUser(user.id),
  'the anonymous user has expired': s => changeUser(s, { $set: { expiresAt: new Date(Date.now() - 1) } }),
  'MongoDB has removed the expired user': ({ user }) =>
    database.db
      .collection('custom_user_data_app_services_users')
      .deleteOne({ _id: new BSON.ObjectId(user.id) }),
}

/** What is wrong with the tokens of a client whose session is alive. */
const TOKENS: Record<string, (situation: Situation) => unknown> = {
  'an access token that was forged just now': ({ user }) => (user.accessToken = forged(user.id, Date.now())),
  'an access token that was forged with an old date': ({ user }) =>
    (user.accessToken = forged(user.id, minutesAgo(20))),
  'an access token that was forged with a future date': ({ user }) =>
    (user.accessToken = forged(user.id, minutesAgo(-20))),
  'an expired access token': ({ user }) =>
    (user.accessToken = forgeToken({ claims: validClaims(user.id, minutesAgo(60)) })),
  'an access token without a session': ({ user }) =>
    (user.accessToken = forgeToken({ claims: validClaims(user.id) })),
  'an access token that is garbage': ({ user }) => (user.accessToken = 'a.b.c'),
  'no access token': ({ user }) => (user.accessToken = null),
  'an access token of a login of the app itself': async ({ service, user }) => {
    user.accessToken = (await service.userData.issueTokens(user.id)).access_token
  },
  'both tokens of a login of the app itself': async ({ service, user }) => {
    const tokens = await service.userData.issueTokens(user.id)
    user.accessToken = tokens.access_token
    user.refreshToken = tokens.refresh_token
  },
  'an access token in the place of the refresh token': ({ user }) => (user.refreshToken = user.accessToken),
  'a refresh token that is garbage': ({ user }) => (user.refreshToken = 'garbage'),
  'a refresh token that nobody issued': ({ user }) =>
    (user.refreshToken = `${'a'.repeat(22)}.0.${'b'.repeat(43)}.${'c'.repeat(22)}`),
  'no tokens': ({ user }) => {
    user.accessToken = null
    user.refreshToken = null
  },
}

const CALLS: Record<string, (situation: Situation) => Promise<unknown>> = {
  'refreshProfile()': ({ user }) => user.refreshProfile(),
  'linkCredentials()': ({ user }) =>
    user.linkCredentials(Credentials.function({ name: crypto.randomUUID(), password: PASSWORD })),
  'deleteUser()': ({ client, user }) => client.deleteUser(user),
  'refreshAccessToken()': ({ user }) => user.refreshAccessToken(),
  'refreshCustomData()': ({ user }) => user.refreshCustomData(),
  'apiKeys.create()': ({ user }) => user.apiKeys.create('key'),
  'apiKeys.fetchAll()': ({ user }) => user.apiKeys.fetchAll(),
  'apiKeys.delete()': ({ user }) => user.apiKeys.delete('f'.repeat(24)),
}

/** The calls that send the access token. deleteUser() sends the token of the client's current user. */
const ACCESS_CALLS = ['refreshProfile()', 'linkCredentials()', 'deleteUser()']

/** Waits for a call that may fail. */
const settle = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error)

async function countOf({ service }: Situation, call: () => Promise<unknown>): Promise<number> {
  const before = service.requests.length
  await call()
  return service.requests.length - before
}

/** Calls that may succeed: an access token works for up to 30 minutes where the end of its session is not known. */
const ELSEWHERE = [
  'another process disables the user',
  'another process revokes all sessions',
  'another process ends the session',
]
/** The session of an anonymous user who has expired ends with the next refresh. */
const EXPIRED = ['the anonymous user has expired', 'MongoDB has removed the expired user']

function mayWork(end: string, name: string): boolean {
  if (ELSEWHERE.includes(end)) return name === 'refreshProfile()'
  return EXPIRED.includes(end) && name === 'deleteUser()'
}

test.each(Object.entries(ENDS))(
  'when %s, each call fails after two requests at most, and the client is logged out',
  async (end, run) => {
    const logIn = await startProcesses()
    for (const [name, call] of Object.entries(CALLS)) {
      if (mayWork(end, name)) continue
      const situation = await logIn()
      await run(situation)
      const count = await countOf(situation, () =>
        expect(call(situation), name).rejects.toMatchObject({ statusCode: 401, errorCode: 'InvalidSession' }),
      )
      expect(count, name).toBe(ACCESS_CALLS.includes(name) ? 2 : 1)
      expect(situation.user.isLoggedIn, name).toBe(false)
      expect(situation.user.accessToken, name).toBe(null)
    }
  },
)

test.each([...ELSEWHERE, ...EXPIRED])(
  'when %s, a call may work, and the next refresh logs the client out',
  async end => {
    const logIn = await startProcesses()
    for (const [name, call] of Object.entries(CALLS)) {
      if (!mayWork(end, name)) continue
      const situation = await logIn()
      await ENDS[end]?.(situation)
      expect(await countOf(situation, () => settle(call(situation))), name).toBeLessThan(3)
      if (situation.user.isLoggedIn) await settle(situation.user.refreshAccessToken())
      expect(situation.user.isLoggedIn, name).toBe(false)
    }
  },
)

test.each(Object.entries(TOKENS))('with %s, each call ends after a few requests', async (_given, spoil) => {
  const logIn = await startProcesses()
  for (const [name, call] of Object.entries(CALLS)) {
    const situation = await logIn()
    await spoil(situation)
    // The call, a refresh, the call again. A link reads the profile after it, and a deletion ends the session.
    expect(await countOf(situation, () => settle(call(situation))), name).toBeLessThan(5)
  }
})

test.each([
  ['an access token that was forged just now', 1, 'AuthError'],
  ['an access token that was forged with an old date', 3, undefined],
  ['an access token that was forged with a future date', 1, 'AuthError'],
  ['an expired access token', 3, undefined],
  ['an access token without a session', 1, 'AuthError'],
  ['an access token that is garbage', 3, undefined],
  ['no access token', 3, undefined],
  ['an access token of a login of the app itself', 1, 'AuthError'],
  ['both tokens of a login of the app itself', 1, 'AuthError'],
  ['no tokens', 2, 'InvalidSession'],
])('with %s, the profile takes %i requests', async (given, requests, errorCode) => {
  const situation = await start()
  await TOKENS[given]?.(situation)
  const call = situation.user.refreshProfile()
  const settled = errorCode === undefined ? call : expect(call).rejects.toMatchObject({ errorCode })
  expect(await countOf(situation, () => settled)).toBe(requests)
})

test('a token of a trusted issuer is no caller, although it has the claims of a session', async () => {
  const idp = await startIssuer()
  onTestFinished(idp.server.close)
  const trustedIssuers = [idp.option({ userIdPrefix: 'idp|' })]
  const rules = { database: 'app', collection: 'custom_user_data', rules: 'read-write' } as const
  const service = await startLinkService(database, {
    service: { ...SERVICE, customData: rules, functions: { whoAmI: ({ user }) => user.id } },
    instance: { trustedIssuers },
  })
  const user = await service.newClient().logIn(Credentials.anonymous())
  const marks = { sid: 'a session', provider_type: 'anon-user', user_type: 'normal' }
  user.accessToken = idp.token({ sub: user.id, ...marks })
  // The token itself is valid.
  expect(await service.userData.verifyToken(user.accessToken)).toMatchObject({ id: `idp|${user.id}` })
  const collection = user.mongoClient('mongodb-atlas').db('app').collection('custom_user_data')
  const calls = [
    () => user.refreshProfile(),
    () => user.functions['whoAmI']?.(),
    () => collection.insertOne({ _id: undefined, n: 1 } as never),
  ]
  for (const call of calls) {
    const before = service.requests.length
    await expect(call()).rejects.toMatchObject({ statusCode: 401, errorCode: 'AuthError' })
    expect(service.requests.length - before).toBe(1)
  }
})

test('an identity that was linked to another user leaves the session of the first one alone', async () => {
  const situation = await start()
  const credentials = Credentials.function({ name: crypto.randomUUID(), password: PASSWORD })
  await (await situation.service.newClient().logIn(credentials)).refreshProfile()
  expect(
    await countOf(situation, () =>
      expect(situation.user.linkCredentials(credentials)).rejects.toMatchObject({ statusCode: 409 }),
    ),
  ).toBe(1)
  await situation.user.refreshProfile()
})

test('a second logOut() sends no request', async () => {
  const situation = await start()
  expect(await countOf(situation, () => situation.user.logOut())).toBe(1)
  expect(await countOf(situation, () => situation.user.logOut())).toBe(0)
})

test('anonymous() after a logOut() sends "Bearer null", and is refused after two requests', async () => {
  const situation = await start()
  await situation.user.logOut()
  expect(
    await countOf(situation, () =>
      expect(situation.client.logIn(Credentials.anonymous())).rejects.toMatchObject({
        errorCode: 'InvalidSession',
      }),
    ),
  ).toBe(2)
  const next = await situation.client.logIn(Credentials.anonymous(false))
  expect(next.isLoggedIn).toBe(true)
})

test.each(Object.entries(ENDS))(
  'when %s, removeUser() succeeds, and the next login works',
  async (end, run) => {
    const situation = await start()
    await run(situation)
    const { client, user } = situation
    expect(await countOf(situation, () => client.removeUser(user)), end).toBe(1)
    expect(user.state).toBe('removed')
    const next = await client.logIn(Credentials.anonymous())
    expect(next.id).not.toBe(user.id)
  },
)

test('a login in the second of a revocation works', async () => {
  const service = await startLinkService(database)
  const credentials = Credentials.function({ name: crypto.randomUUID(), password: PASSWORD })
  for (let round = 0; round < 3; round++) {
    const user = await service.newClient().logIn(credentials)
    await service.userData.revoke(user.id)
    const next = await service.newClient().logIn(credentials)
    await next.refreshProfile()
    await next.refreshAccessToken()
    await next.refreshProfile()
    await expect(user.refreshProfile()).rejects.toMatchObject({ errorCode: 'InvalidSession' })
  }
})

test('three tabs whose access token has expired refresh once each, and none is logged out', async () => {
  const clock = createManualClock(Date.now())
  const service = await startLinkService(database, { instance: { clock } })
  const browser = crypto.randomUUID()
  await service.newTab(browser).logIn(Credentials.anonymous())
  const tabs = [1, 2, 3].map(() => service.newTab(browser))
  await Promise.all(tabs.map(tab => tab.locationUrl))
  clock.advance(3_600_000)
  const before = service.requests.length
  await Promise.all(tabs.map(async tab => tab.currentUser?.refreshProfile()))
  // Each tab sends the call, a refresh and the call again.
  expect(service.requests.length - before).toBe(9)
  for (const tab of tabs) {
    expect(tab.currentUser?.isLoggedIn).toBe(true)
    await tab.currentUser?.refreshAccessToken()
  }
})

test('20 parallel calls with an expired access token send 60 requests, and the session stays', async () => {
  const clock = createManualClock(Date.now())
  const service = await startLinkService(database, { instance: { clock } })
  const user = await service.newClient().logIn(Credentials.anonymous())
  const { refreshToken } = user
  clock.advance(3_600_000)
  const before = service.requests.length
  await Promise.all(Array.from({ length: 20 }, () => user.refreshProfile()))
  expect(service.requests.length - before).toBe(60)
  expect(user.refreshToken).toBe(refreshToken)
  expect(await service.userData.sessions(user.id)).toHaveLength(1)
  await user.refreshAccessToken()
})

test('an anonymous user whose 90 days are over is logged out after two requests', async () => {
  const clock = createManualClock(Date.now())
  const yearOfSeconds = 365 * 86_400
  const service = await startLinkService(database, {
    instance: { clock, refreshTokenTtlSeconds: yearOfSeconds, refreshTokenIdleSeconds: yearOfSeconds },
  })
  const user = await service.newClient().logIn(Credentials.anonymous())
  clock.advance(89 * 86_400_000)
  await user.refreshProfile()
  clock.advance(91 * 86_400_000)
  const before = service.requests.length
  await expect(user.refreshProfile()).rejects.toMatchObject({ errorCode: 'InvalidSession' })
  expect(service.requests.length - before).toBe(2)
  expect(user.isLoggedIn).toBe(false)
})
