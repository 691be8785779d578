import { createSecretKey } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { forge } from '../attacks/forge.js'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { createTestUserData, forgeToken, KID, SECRET, validClaims } from '../support/user-data.js'
import { createService } from './service.js'
import type { Service } from './service.js'

// RFC 7515 and 7519: tokens that must be accepted, and until when. test/attacks has the tokens that must be refused.

const TOLERANCE_SECONDS = 60
const OWN = { alg: 'HS256', kid: KID, key: createSecretKey(SECRET, 'utf8') }

const database = useDatabase()
let clock: ManualClock
let service: Service
beforeEach(async () => {
  clock = createManualClock()
  service = await createService(database, { clock, clockToleranceSeconds: TOLERANCE_SECONDS })
})

/** The time of the clock, in seconds. */
function now(): number {
  return clock.now() / 1000
}

async function statusOf(claims: Record<string, unknown>): Promise<number> {
  const token = forgeToken({ claims: { ...validClaims('alice', clock.now()), ...claims } })
  return (await service.me(token)).status
}

describe('the times of a token', () => {
  it('end exactly when the expiry and the tolerance have passed', async () => {
    const exp = now()
    clock.advance(TOLERANCE_SECONDS * 1000 - 1)
    expect(await statusOf({ exp })).toBe(200)
    clock.advance(1)
    expect(await statusOf({ exp })).toBe(401)
  })

  it('end a cached token at the same millisecond', async () => {
    const exp = now() + 10
    const token = forgeToken({ claims: { ...validClaims('alice', clock.now()), exp } })
    expect((await service.me(token)).status).toBe(200)
    clock.advance((10 + TOLERANCE_SECONDS) * 1000 - 1)
    expect((await service.me(token)).status).toBe(200)
    clock.advance(1)
    expect((await service.me(token)).status).toBe(401)
  })

  it('end a token at its expiry without a tolerance', async () => {
    service = await createService(database, { clock, clockToleranceSeconds: 0 })
    expect(await statusOf({ exp: now() + 0.001 })).toBe(200)
    expect(await statusOf({ exp: now() })).toBe(401)
  })

  it('a tolerance of more than five minutes is refused at creation', () => {
    expect(() => createTestUserData(database, { clockToleranceSeconds: 300 })).not.toThrow()
    expect(() => createTestUserData(database, { clockToleranceSeconds: 301 })).toThrow('from 0 to 300')
  })

  it('make a token valid exactly from its nbf less the tolerance', async () => {
    const nbf = now() + TOLERANCE_SECONDS
    expect(await statusOf({ nbf })).toBe(200)
    expect(await statusOf({ nbf: nbf + 0.001 })).toBe(401)
    clock.advance(1)
    expect(await statusOf({ nbf: nbf + 0.001 })).toBe(200)
  })

  it('may have fractions of a second', async () => {
    expect(await statusOf({ exp: now() + 1.5, nbf: now() - 1.5, iat: now() - 2.5 })).toBe(200)
  })
})

describe('the claims of a token', () => {
  beforeEach(async () => {
    const documents = database.db.collection('custom_user_data')
    await documents.deleteMany({})
    await documents.insertMany(
      ['alice', 'bob', 'zo\u00eb', 'zoe\u0308'].map(userId => ({ userId, of: userId })),
    )
  })

  it('the last of two members with one name counts for the id, the claims and the data', async () => {
    const text = JSON.stringify(validClaims('bob', clock.now()))
    const token = forge(OWN, { payload: text.replace('{', '{"sub":"alice",') })
    const expected = { id: 'bob', claims: { sub: 'bob' }, customData: { of: 'bob' } }
    expect((await service.me(token)).body).toMatchObject(expected)
    expect((await service.me(token)).body).toMatchObject(expected)
  })

  it.each(['zo\u00eb', 'zoe\u0308'])('a subject is compared code point by code point: %j', async sub => {
    const token = forgeToken({ claims: validClaims(sub, clock.now()) })
    expect((await service.me(token)).body).toMatchObject({ id: sub, customData: { of: sub } })
  })

  it('a subject in another case is another user', async () => {
    const token = forgeToken({ claims: validClaims('Alice', clock.now()) })
    expect((await service.me(token)).body).toMatchObject({ id: 'Alice', customData: {} })
  })
})
