import { randomBytes } from 'node:crypto'
import express from 'express'
import type { RequestHandler } from 'express'
import supertest from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { createAuthenticator } from '../../lib/authenticate/authenticator.js'
import { momentOf, systemClock } from '../../lib/util/clock.js'
import { createSnapshots } from '../../lib/snapshots/snapshots.js'
import { UserGenerations } from '../../lib/snapshots/user-generations.js'
import { createRevocations } from '../../lib/sessions/revocations.js'
import { useDatabase } from '../support/database.js'
import { sidOf } from '../support/session-app.js'
import { createTestUserData, forgeToken, KID, SECRET, validClaims } from '../support/user-data.js'
import { createService } from './service.js'
import type { Service, TokenPair } from './service.js'

// Holes that other packages had in their caches. test/attacks has the token of a victim with another signature.

const database = useDatabase()
beforeEach(async () => {
  const documents = database.db.collection('custom_user_data')
  await documents.deleteMany({})
  await documents.insertOne({ userId: 'alice', version: 1 })
})

describe('the key of a cached snapshot', () => {
  const TOKENS = 100_000
  const PREFIX = 'eyJhbGciOiJIUzI1NiIs'
  const SUFFIX = 'SflKxwRJSMeKKF2Q'

  it('never serves one of 100,000 similar tokens the snapshot of another', () => {
    const { keep, cached } = createKeeper(TOKENS)
    const tokens = Array.from(
      { length: TOKENS },
      (_none, index) => `${PREFIX}${index.toString(36).padStart(8, '0')}${SUFFIX}`,
    )
    for (const token of tokens) keep(token, token)
    const strangers = tokens.map(token => `${PREFIX}x${token.slice(PREFIX.length + 1)}`)
    expect(tokens.filter(token => cached(token)?.id !== token)).toEqual([])
    expect(strangers.filter(token => cached(token) !== undefined)).toEqual([])
  })

  /** Creates an authenticator and its cache. Snapshots are put into the cache without verifying or loading. */
  function createKeeper(size: number) {
    const limits = { snapshotTtlMs: 60_000, maxSnapshots: size, maxSnapshotBytes: Number.MAX_SAFE_INTEGER }
    const config = {
      ...limits,
      clockToleranceMs: 0,
      requireDocument: false,
      maxTokenLength: 8_192,
      loadTimeoutMs: 1_000,
    }
    const never = (): Promise<never> => Promise.reject(new Error('Nothing is to be loaded or verified.'))
    const snapshots = createSnapshots({ ...config, followsChanges: false }, { load: never }, systemClock)
    const authenticator = createAuthenticator(config, {
      verifyToken: never,
      issuers: { mayName: () => true },
      snapshots,
      revocations: createRevocations(
        { sessionMs: 60_000, userMs: 60_000, clockToleranceMs: 0 },
        undefined,
        systemClock,
      ),
      sessionChecks: { isDue: () => false, check: never },
    })
    const generations = new UserGenerations()
    return {
      cached: authenticator.cachedUser,
      keep: (token: string, userId: string): void => {
        const exp = Date.now() / 1000 + 60
        const claims = { iss: '', aud: '', sub: userId, exp }
        const key = {
          kid: '',
          alg: 'HS256',
          verificationKey: undefined as never,
          signingKey: undefined,
          retired: false,
        } as const
        const snapshot = {
          data: {},
          exists: true,
          documentId: undefined,
          heapBytes: 0,
          generation: generations.hold(userId),
          loadedAt: momentOf(systemClock),
          loadNumber: 1,
          userIdValues: [],
        }
        authenticator.keep(token, { userId, claims, key }, snapshot)
      },
    }
  }
})

describe('a cached acceptance', () => {
  it('is never stored for a refused user: a user without a required document stays refused', async () => {
    const { me, userData } = await createService(database, { requireDocument: true })
    const token = forgeToken({ claims: validClaims('carol') })
    for (let attempt = 0; attempt < 3; attempt++) expect((await me(token)).status).toBe(403)
    await database.db.collection('custom_user_data').insertOne({ userId: 'carol' })
    userData.invalidate('carol')
    expect((await me(token)).status).toBe(200)
    await database.db.collection('custom_user_data').deleteMany({})
    userData.invalidate('carol')
    expect((await me(token)).status).toBe(403)
  })

  it('is never stored for a refused token: a token that failed once fails again', async () => {
    const { me } = await createService(database)
    const good = forgeToken()
    const bad = forgeToken({ secret: randomBytes(32) })
    for (let attempt = 0; attempt < 3; attempt++) {
      expect((await me(bad)).status).toBe(401)
      expect((await me(good)).status).toBe(200)
    }
  })

  it('of attach() does not serve authenticate(), which still verifies the token', async () => {
    const userData = createTestUserData(database)
    const trusting: RequestHandler = (req, _res, next) => {
      req.user = { id: 'alice' } as Express.User
      next()
    }
    const app = express()
    app.get('/attached', trusting, userData.attach(), (req, res) => res.json(req.user))
    app.get('/guarded', userData.authenticate(), (req, res) => res.json(req.user))
    app.use(userData.errorHandler())
    const forged = forgeToken({ secret: randomBytes(32) })
    const statusOf = async (path: string): Promise<number> =>
      (await supertest(app).get(path).auth(forged, { type: 'bearer' })).status
    expect(await statusOf('/attached')).toBe(200)
    expect(await statusOf('/guarded')).toBe(401)
  })

  it('of one instance does not serve another instance with other keys', async () => {
    const mine = await createService(database)
    const theirs = await createService(database, { secret: randomBytes(32) })
    const token = forgeToken()
    expect((await mine.me(token)).status).toBe(200)
    expect((await theirs.me(token)).status).toBe(401)
  })
})

describe('each way to revoke or invalidate reaches the cache', () => {
  let service: Service
  let tokens: TokenPair
  beforeEach(async () => {
    service = await createService(database)
    tokens = await service.login('alice')
    expect((await service.me(tokens.access_token)).body.customData.version).toBe(1)
    await database.db.collection('custom_user_data').updateOne({ userId: 'alice' }, { $set: { version: 2 } })
  })

  async function disableForAWhile(userData: Service['userData']): Promise<void> {
    await userData.disable('alice')
    await userData.enable('alice')
  }

  const sameKey = { kid: KID, alg: 'HS256', key: SECRET } as const
  const otherKey = { kid: 'other', alg: 'HS256', key: randomBytes(32) } as const

  it.each<{ way: string; act: () => unknown; me: number; version?: number; refresh: number }>([
    { way: 'nothing', act: () => undefined, me: 200, version: 1, refresh: 200 },
    { way: 'invalidate', act: () => service.userData.invalidate('alice'), me: 200, version: 2, refresh: 200 },
    {
      way: 'invalidate of another',
      act: () => service.userData.invalidate('bob'),
      me: 200,
      version: 1,
      refresh: 200,
    },
    {
      way: 'replaceKeys, key kept',
      act: () => service.userData.replaceKeys([otherKey, sameKey]),
      me: 200,
      version: 1,
      refresh: 200,
    },
    {
      way: 'replaceKeys, key gone',
      act: () => service.userData.replaceKeys([otherKey]),
      me: 401,
      refresh: 200,
    },
    {
      way: 'replaceKeys, name kept',
      act: () => service.userData.replaceKeys([{ ...otherKey, kid: KID }]),
      me: 401,
      refresh: 200,
    },
    { way: 'logout', act: () => service.post('/logout', tokens), me: 401, refresh: 400 },
    {
      way: 'revoke a session',
      act: () => service.userData.revoke({ sid: sidOf(tokens.refresh_token) }),
      me: 401,
      refresh: 400,
    },
    { way: 'revoke a user', act: () => service.userData.revoke('alice'), me: 401, refresh: 400 },
    {
      way: 'revoke another user',
      act: () => service.userData.revoke('bob'),
      me: 200,
      version: 1,
      refresh: 200,
    },
    { way: 'disable', act: () => disableForAWhile(service.userData), me: 401, refresh: 400 },
    { way: 'deleteSessions', act: () => service.userData.deleteSessions('alice'), me: 401, refresh: 400 },
    { way: 'close', act: () => service.userData.close(), me: 503, refresh: 503 },
  ])('$way: the cached token is $me, the refresh token $refresh', async ({ act, me, version, refresh }) => {
    await act()
    const answer = await service.me(tokens.access_token)
    expect(answer.status).toBe(me)
    expect(answer.body.customData?.version).toBe(version)
    const { refresh_token } = tokens
    expect((await service.post('/refresh', { refresh_token })).status).toBe(refresh)
  })
})
