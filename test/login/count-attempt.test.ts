import type { AttemptToCount } from 'express-custom-user-data'
import { beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let clock: ManualClock
beforeEach(async () => {
  clock = createManualClock()
  await database.db.collection('custom_user_data_login_attempts').deleteMany()
})

const LIMITS = { accountAndAddressFailures: 3, addressFailures: 5 }
const start = (options = {}) => createTestUserData(database, { clock, loginThrottle: LIMITS, ...options })

const tooMany = { code: 'too_many_attempts', status: 429 }
const address = '203.0.113.7'

describe('countAttempt()', () => {
  it('refuses an account from one address over the limit of logins, with the time to wait', async () => {
    const userData = start()
    for (let n = 0; n < 3; n++) await userData.countAttempt({ account: 'alice', address })
    const refused = userData.countAttempt({ account: 'alice', address })
    await expect(refused).rejects.toMatchObject(tooMany)
    await expect(refused).rejects.toMatchObject({ headers: { 'Retry-After': '900' } })
    await expect(userData.countAttempt({ account: 'bob', address })).resolves.toBeDefined()
  })

  it('shares its counts with logins', async () => {
    const userData = start()
    for (let n = 0; n < 3; n++) await userData.countAttempt({ account: 'alice', address })
    const login = { verifyCredentials: () => ({ id: 'alice' }), credentials: { email: 'alice' }, address }
    await expect(userData.authenticateLogin(login)).rejects.toMatchObject(tooMany)
  })

  it('counts a name of its own kind apart from logins', async () => {
    const userData = start()
    for (let n = 0; n < 3; n++) await userData.countAttempt({ account: 'reset:alice', address })
    const login = { verifyCredentials: () => ({ id: 'alice' }), credentials: { email: 'alice' }, address }
    await expect(userData.authenticateLogin(login)).resolves.toBeDefined()
  })

  it('counts only the address if there is no account', async () => {
    const userData = start()
    for (let n = 0; n < 5; n++) await userData.countAttempt({ address })
    await expect(userData.countAttempt({ address })).rejects.toMatchObject(tooMany)
    await expect(userData.countAttempt({ address: '203.0.113.8' })).resolves.toBeDefined()
  })

  it('does not count an attempt that was given back', async () => {
    const userData = start()
    const counted = () =>
      database.db
        .collection<{ failures?: number; attempts?: unknown[] }>('custom_user_data_login_attempts')
        .countDocuments({})
    const attempt = await userData.countAttempt({ account: 'alice', address })
    expect(await counted()).toBeGreaterThan(0)
    attempt.giveBack()
    for (let n = 0; n < 2; n++) await userData.countAttempt({ account: 'alice', address })
    await expect
      .poll(async () => userData.countAttempt({ account: 'alice', address }).then(() => 'passed', String))
      .toBe('passed')
  })

  it('is the event throttled, with the digest of the account', async () => {
    const userData = start()
    const events: unknown[] = []
    userData.events.on('throttled', event => events.push(event))
    for (let n = 0; n < 4; n++)
      await userData.countAttempt({ account: 'alice', address }).catch(() => undefined)
    expect(events).toEqual([
      expect.objectContaining({ accounts: [userData.accountDigest('alice')], address }),
    ])
  })

  it('counts nothing with loginThrottle: false', async () => {
    const userData = start({ loginThrottle: false })
    for (let n = 0; n < 10; n++) await userData.countAttempt({ account: 'alice', address })
    expect(await database.db.collection('custom_user_data_login_attempts').countDocuments()).toBe(0)
  })

  it.each([
    ['nothing', undefined, /there is neither an account nor an address to count/],
    ['empty members', { account: null, address: null }, /there is neither an account nor an address/],
    ['an object as account', { account: { $gt: '' } }, /option "account": write the name of the account/],
    ['a misspelled option', { acount: 'alice' }, /there is no option "acount".*account/],
    ['a number as address', { address: 7 }, /option "address": write a text or null/],
  ])('refuses %s, and says what to write', async (_what, given, says) => {
    await expect(start().countAttempt(given as unknown as AttemptToCount)).rejects.toThrow(says)
  })
})

describe('bson()', () => {
  it('is the BSON library of the driver of the collection', async () => {
    const userData = start()
    const { ObjectId } = userData.bson()
    const team = new ObjectId()
    await userData.forUser('alice').update({ team }, { upsert: true })
    const stored = await database.db.collection('custom_user_data').findOne({ userId: 'alice' })
    expect(stored).toMatchObject({ team })
  })
})
