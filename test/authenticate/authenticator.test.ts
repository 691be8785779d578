import type { Request, Response } from 'express'
import { CustomUserDataError } from 'express-custom-user-data'
import request from 'supertest'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { prepareKey } from '../../lib/access-tokens/keys.js'
import { createAuthenticator, isCompleteUser } from '../../lib/authenticate/authenticator.js'
import { createAuthenticateMiddleware } from '../../lib/authenticate/middleware.js'
import { missingToken, readBearerToken } from '../../lib/authenticate/bearer-token.js'
import type { VerifiedToken } from '../../lib/access-tokens/token-verifier.js'
import { momentOf, systemClock } from '../../lib/util/clock.js'
import { createSnapshots } from '../../lib/snapshots/snapshots.js'
import type { ClaimDocument } from '../../lib/token-data/claim-snapshots.js'
import { createMetrics } from '../../lib/metrics.js'
import { createRevocations } from '../../lib/sessions/revocations.js'
import type { AccessTokenClaims } from '../../lib/types.js'
import { useDatabase } from '../support/database.js'
import { createGuardedApp } from '../support/http-server.js'
import { createTestUserData, forgeToken, ISSUER, SECRET, validClaims } from '../support/user-data.js'

/** A response that no test uses. */
const NO_RESPONSE = Object.freeze(Object.create(null)) as Response

const database = useDatabase()
let userData: ReturnType<typeof createTestUserData>
beforeAll(async () => {
  userData = createTestUserData(database)
  await database.db.collection('custom_user_data').insertOne({ userId: 'bob', plan: 'free' })
})

describe('verifyToken()', () => {
  it('gives the user of a token, as the guard does', async () => {
    const user = await userData.verifyToken(forgeToken({ claims: validClaims('bob') }))
    expect(user).toMatchObject({ id: 'bob', customData: { plan: 'free' }, claims: { sub: 'bob' } })
  })

  it.each(['abc', 'Bearer abc', 42, {}, ['a.b.c'], { length: 3 }])(
    'rejects with invalid_token for anything else: %j',
    async token => {
      const verifying = userData.verifyToken(token as string)
      await expect(verifying).rejects.toMatchObject({ code: 'invalid_token' })
      await expect(verifying).rejects.toBeInstanceOf(CustomUserDataError)
    },
  )

  it.each([undefined, null, ''])('rejects with missing_token if there is none: %j', async token => {
    await expect(userData.verifyToken(token)).rejects.toMatchObject({
      code: 'missing_token',
      message: 'An access token is required',
      headers: { 'WWW-Authenticate': 'Bearer realm="api"' },
    })
  })

  it('rejects with the challenge that the guard sends', async () => {
    const token = forgeToken({ secret: 'another secret of the tests, 32 bytes or more' })
    const app = createGuardedApp(userData)
    const answer = await request(app).get('/me').set('Authorization', `Bearer ${token}`)
    await expect(userData.verifyToken(token)).rejects.toMatchObject({
      headers: { 'WWW-Authenticate': answer.headers['www-authenticate'] },
    })
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"')
  })

  it('counts a refused token once', async () => {
    const before = userData.stats().refused['missing_token'] ?? 0
    await userData.verifyToken(undefined).catch(() => undefined)
    expect(userData.stats().refused['missing_token']).toBe(before + 1)
  })
})

describe('requests with a new token', () => {
  const found = { data: { plan: 'free' }, exists: true, documentId: 1, heapBytes: 0, userIdValues: ['bob'] }
  const bounds = { snapshotTtlMs: 60_000, maxSnapshots: 10, maxSnapshotBytes: 100_000, loadTimeoutMs: 1_000 }
  const claimsOfBob = () => validClaims('bob') as unknown as AccessTokenClaims
  const key = prepareKey({ alg: 'HS256', key: SECRET }, 'secret')
  let verified: VerifiedToken
  beforeEach(() => {
    // Its claims are frozen where they are.
    verified = { userId: 'bob', claims: claimsOfBob(), key }
  })
  const HERD = 1_000

  /** An authenticator whose verifications, readings of tokens and loads wait until the test settles them. */
  function createWaiting({ bringsData }: { bringsData: boolean }) {
    const verifications = createWaitingCalls<VerifiedToken>()
    const readings = createWaitingCalls<ClaimDocument | undefined>()
    const loads = createWaitingCalls<typeof found>()
    const metrics = createMetrics()
    const snapshots = createSnapshots(
      { ...bounds, followsChanges: false },
      { load: loads.call },
      systemClock,
      metrics,
    )
    const claimSnapshots = { read: readings.call, withoutUserData: claimsOfBob } as never
    const { loadUser } = createAuthenticator(
      { clockToleranceMs: 0, requireDocument: false, maxTokenLength: 1_000 },
      {
        snapshots,
        revocations: createRevocations({ sessionMs: 1, userMs: 1, clockToleranceMs: 0 }, ISSUER, systemClock),
        sessionChecks: { isDue: () => false, check: () => Promise.resolve() },
        verifyToken: verifications.call,
        issuers: { mayName: () => true },
        claimSnapshots: bringsData ? claimSnapshots : undefined,
        metrics,
      },
    )
    const herd = () => Promise.allSettled(Array.from({ length: HERD }, () => loadUser('a token')))
    return { herd, loadUser, verifications, readings, loads, snapshots, metrics }
  }

  const nextTurn = () => new Promise(setImmediate)

  it('share one verification, also during the load of the document', async () => {
    const { herd, verifications, loads } = createWaiting({ bringsData: false })
    const first = herd()
    await nextTurn()
    verifications.resolve(verified)
    await nextTurn()
    const second = herd()
    await nextTurn()
    loads.resolve(found)
    const outcomes = [...(await first), ...(await second)]
    expect([verifications.count(), loads.count()]).toEqual([1, 1])
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ value: { id: 'bob', customData: found.data } })
  })

  it('share one verification and one reading if the token carries its data', async () => {
    const { herd, verifications, readings, loads, metrics } = createWaiting({ bringsData: true })
    const running = herd()
    await nextTurn()
    verifications.resolve(verified)
    await nextTurn()
    readings.resolve({ document: found, userIdValues: ['bob'], loadedAt: momentOf(systemClock) })
    for (const outcome of await running) expect(outcome).toMatchObject({ value: { id: 'bob' } })
    expect([verifications.count(), readings.count(), loads.count()]).toEqual([1, 1, 0])
    expect(metrics.counted()).toMatchObject({ misses: HERD, claimSnapshots: HERD, hits: 0, loads: 0 })
  })

  it('share one verification and one reading if the data in the token may not be served, also during the load', async () => {
    const { herd, verifications, readings, loads } = createWaiting({ bringsData: true })
    const first = herd()
    await nextTurn()
    verifications.resolve(verified)
    await nextTurn()
    readings.resolve(undefined)
    await nextTurn()
    const second = herd()
    await nextTurn()
    loads.resolve(found)
    for (const outcome of [...(await first), ...(await second)]) {
      expect(outcome).toMatchObject({ value: { id: 'bob' } })
    }
    expect([verifications.count(), readings.count(), loads.count()]).toEqual([1, 1, 1])
  })

  it('share a verification that fails, and it is not remembered', async () => {
    const { herd, loadUser, verifications, loads } = createWaiting({ bringsData: false })
    const refused = new CustomUserDataError('invalid_token', 'It is refused.')
    const running = herd()
    await nextTurn()
    verifications.reject(refused)
    for (const outcome of await running) expect(outcome).toMatchObject({ reason: refused })
    expect([verifications.count(), loads.count()]).toEqual([1, 0])
    const again = loadUser('a token')
    verifications.resolve(verified)
    await nextTurn()
    loads.resolve(found)
    expect(await again).toMatchObject({ id: 'bob' })
    expect(verifications.count()).toBe(2)
  })

  it('do not share the data in a token with a request that came after an invalidation', async () => {
    const { loadUser, verifications, readings, loads, snapshots } = createWaiting({ bringsData: true })
    const before = loadUser('a token')
    verifications.resolve(verified)
    await nextTurn()
    snapshots.invalidate('bob')
    const after = loadUser('a token')
    await nextTurn()
    verifications.resolve({ ...verified, claims: claimsOfBob() })
    readings.resolve({ document: found, userIdValues: ['bob'], loadedAt: momentOf(systemClock) })
    await nextTurn()
    loads.resolve({ ...found, data: { plan: 'gold' } })
    for (const user of await Promise.all([before, after])) expect(user.customData).toEqual({ plan: 'gold' })
  })

  it('are refused if a verified token has no user id, and nothing is cached', async () => {
    const { loadUser, verifications, snapshots } = createWaiting({ bringsData: false })
    for (const userId of [undefined, '', 7]) {
      const loading = loadUser('a token')
      verifications.resolve({ ...verified, userId: userId as string })
      await expect(loading).rejects.toThrow(TypeError)
    }
    expect(snapshots.size()).toMatchObject({ cached: 0 })
  })
})

describe('a token that was revoked', () => {
  it('counts only as refused, cached or not, and causes no load', async () => {
    const { access_token } = await userData.issueTokens('bob')
    const { sid } = (await userData.verifyToken(access_token)).claims
    const unseen = forgeToken({ claims: { ...validClaims('bob'), sid } })
    const before = userData.stats()
    await userData.revoke({ sid: sid! })
    for (const token of [access_token, access_token, unseen]) {
      await expect(userData.verifyToken(token)).rejects.toMatchObject({ code: 'invalid_token' })
    }
    const { hits, misses, loads, refused } = userData.stats()
    expect([hits, misses, loads]).toEqual([before.hits, before.misses, before.loads])
    expect(refused['invalid_token']).toBe((before.refused['invalid_token'] ?? 0) + 3)
  })

  it('is not a hit if its session is checked, or if a user without a document is refused', async () => {
    const instance = createTestUserData(database, { sessionCheckIntervalMs: 0, requireDocument: true })
    const { access_token } = await instance.issueTokens('bob')
    const { sid } = (await instance.verifyToken(access_token)).claims
    await userData.revoke({ sid: sid! })
    await expect(instance.verifyToken(access_token)).rejects.toMatchObject({ code: 'invalid_token' })
    const nobody = forgeToken({ claims: validClaims('nobody') })
    for (let turn = 0; turn < 2; turn++) {
      await expect(instance.verifyToken(nobody)).rejects.toMatchObject({ code: 'custom_data_missing' })
    }
    expect(instance.stats()).toMatchObject({
      hits: 1,
      misses: 1,
      refused: { invalid_token: 1, custom_data_missing: 2 },
    })
  })
})

describe('a guard', () => {
  const complete = { id: 'bob', customData: {}, claims: {} }
  const incomplete: unknown[] = [
    { ...complete, id: undefined },
    { ...complete, id: '' },
    { ...complete, id: 7 },
    { ...complete, customData: undefined },
    { ...complete, claims: undefined },
    'bob',
    null,
    // An object that resembles a promise: strategy() must not accept it as a user.
    { then: undefined, catch: () => complete },
  ]

  it.each(incomplete)('accepts only a complete user: %j', async user => {
    for (const how of ['cached', 'loaded']) {
      const authenticator = {
        cachedUser: () => (how === 'cached' ? user : undefined),
        loadUser: async () => user,
        keep: () => undefined,
      } as never
      expect(isCompleteUser(user)).toBe(false)
      const req = { headers: { authorization: 'Bearer a' } } as unknown as Request
      const guard = createAuthenticateMiddleware({
        authenticator,
        tokens: readBearerToken,
        setCacheHeaders: () => undefined,
        accessCookie: undefined,
        realm: 'api',
        metrics: { refused: () => undefined, ignored: () => undefined },
        requestUsers: { noteWithoutUser: () => undefined },
        requestChecks: { refused: () => undefined },
        missingToken,
      })
      const error = await new Promise<unknown>(resolve => void guard(req, NO_RESPONSE, resolve))
      expect([error, req.user], how).toEqual([expect.any(TypeError), undefined])
    }
  })
})

/** Calls that wait until the test settles them. Later calls get the same result at once. */
function createWaitingCalls<T>() {
  let calls = 0
  let waiting: PromiseWithResolvers<T>[] = []
  const settle = (how: (call: PromiseWithResolvers<T>) => void): void => {
    waiting.forEach(how)
    waiting = []
  }
  return {
    call: (): Promise<T> => {
      calls++
      let resolve!: (value: T | PromiseLike<T>) => void
      let reject!: (reason?: unknown) => void
      const promise = new Promise<T>((onResolve, onReject) => ((resolve = onResolve), (reject = onReject)))
      waiting.push({ promise, resolve, reject })
      return promise
    },
    count: () => calls,
    resolve: (value: T) => settle(call => call.resolve(value)),
    reject: (error: Error) => settle(call => call.reject(error)),
  }
}

interface PromiseWithResolvers<T> {
  promise: Promise<T>
  resolve: (value: T | PromiseLike<T>) => void
  reject: (reason?: unknown) => void
}
