import { CustomUserDataError } from 'express-custom-user-data'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { prepareKey } from '../../lib/access-tokens/keys.js'
import { createAuthenticator } from '../../lib/authenticate/authenticator.js'
import { systemClock } from '../../lib/clock.js'
import { createSnapshots } from '../../lib/custom-data/snapshots.js'
import { createRevocations } from '../../lib/sessions/revocations.js'
import type { AccessTokenClaims } from '../../lib/types.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { createTestUserData, forgeToken, ISSUER, SECRET, validClaims } from '../support/user-data.js'

let database: TestDatabase
let userData: ReturnType<typeof createTestUserData>
beforeAll(async () => {
  database = await openDatabase()
  userData = createTestUserData(database)
  await database.db.collection('custom_user_data').insertOne({ userId: 'bob', plan: 'free' })
})
afterAll(() => database.close())

describe('verifyToken()', () => {
  it('gives the user of a token, as the guard does', async () => {
    const user = await userData.verifyToken(forgeToken({ claims: validClaims('bob') }))
    expect(user).toMatchObject({ id: 'bob', customData: { plan: 'free' }, claims: { sub: 'bob' } })
  })

  it.each(['', 'abc', 'Bearer abc', undefined, null, 42, {}, ['a.b.c'], { length: 3 }])(
    'rejects with invalid_token for anything else: %j',
    async token => {
      const verifying = userData.verifyToken(token as string)
      await expect(verifying).rejects.toMatchObject({ code: 'invalid_token' })
      await expect(verifying).rejects.toBeInstanceOf(CustomUserDataError)
    },
  )
})

describe('requests with a token that nobody has seen', () => {
  const found = { data: {}, exists: true, documentId: 1, heapBytes: 0, userIdValues: ['bob'] }
  const bounds = { snapshotTtlMs: 60_000, maxSnapshots: 10, maxSnapshotBytes: 100_000, loadTimeoutMs: 1_000 }

  it('have it verified once, however many come while its document is loaded', async () => {
    let verified = 0
    let finish: (load: typeof found) => void = () => undefined
    const load = new Promise<typeof found>(resolve => (finish = resolve))
    const snapshots = createSnapshots({ ...bounds, followsChanges: false }, { load: () => load }, systemClock)
    const claims = validClaims('bob') as unknown as AccessTokenClaims
    const key = prepareKey({ alg: 'HS256', key: SECRET }, 'secret')
    const { authenticate } = createAuthenticator(
      { clockToleranceMs: 0, requireDocument: false, maxTokenLength: 1_000 },
      {
        snapshots,
        revocations: createRevocations({ sessionMs: 1, userMs: 1, clockToleranceMs: 0 }, ISSUER, systemClock),
        sessionChecks: { isDue: () => false, check: () => Promise.resolve() },
        verifyToken: () => Promise.resolve({ userId: `user ${++verified}`, claims, key }),
      },
    )
    const first = authenticate('a token')
    await new Promise(setImmediate)
    const others = Array.from({ length: 999 }, () => authenticate('a token'))
    finish(found)
    const users = await Promise.all([first, ...others])
    expect(new Set(users.map(({ id }) => id))).toEqual(new Set(['user 1']))
  })
})
