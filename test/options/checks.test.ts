import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { ChecksOption, WarningEvent } from 'express-custom-user-data'
import { CHECK_CODES } from '../../lib/checks/check-codes.js'
import type { CheckCode } from '../../lib/checks/check-codes.js'
import { toChecksOff } from '../../lib/options/checks.js'
import { createManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let collections = 0

/** Makes an instance ready whose set-up has several faults. */
async function makeReady(checks: ChecksOption | undefined) {
  const collection = database.db.collection(`documents_${++collections}`)
  const odd = collection.db.collection(collection.collectionName, { useBigInt64: true })
  await collection.insertMany([{ owner: 7 }, { owner: 7 }])
  const userData = createTestUserData(database, {
    collection: odd,
    userIdField: 'owner',
    clock: createManualClock(),
    checks,
  })
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  database.commands.clear()
  await userData.ready()
  const sent = database.commands.map(({ name }) => name)
  return { codes: warnings.map(({ code }) => code).sort(), sent }
}

const ALL = ['bson_option_ignored', 'clock_skew', 'duplicate_documents', 'user_id_type_unusable']

describe('the option checks', () => {
  it.each([true, undefined, {}, { clock_skew: true, preflight_refused: undefined }])(
    'turns nothing off with %j',
    async checks => {
      expect((await makeReady(checks)).codes).toEqual(ALL)
    },
  )

  it('turns off the checks that are false in it, and leaves the others on', async () => {
    const checks = { clock_skew: false, duplicate_documents: false }
    expect((await makeReady(checks)).codes).toEqual(['bson_option_ignored', 'user_id_type_unusable'])
  })

  it('turns all checks off with false', async () => {
    expect((await makeReady(false)).codes).toEqual([])
  })

  it('spares the queries of checks that are off', async () => {
    const queries = ['aggregate', 'hello', 'listCollections', 'connectionStatus']
    const asked = (sent: readonly string[]) => queries.filter(name => sent.includes(name))
    expect(asked((await makeReady(true)).sent)).toEqual(queries)
    expect(asked((await makeReady(false)).sent)).toEqual([])
  })

  it.each(CHECK_CODES)('can turn off %s alone', code => {
    expect([...toChecksOff({ [code]: false })]).toEqual([code])
    expect(toChecksOff(false).has(code)).toBe(true)
    expect(toChecksOff(true).size).toBe(0)
  })

  it.each<[unknown, string]>([
    [{ preflight_refusd: false }, 'there is no option "preflight_refusd"; did you mean "preflight_refused"?'],
    // This is a warning, but no check: it tells what has happened.
    [{ session_not_removed: false }, 'option "checks": there is no option "session_not_removed"'],
    [{ clock_skew: 'off' }, 'option "checks.clock_skew": write true or false (given: "off")'],
    ['off', 'option "checks": write true or false, or the checks to turn off'],
    [0, 'option "checks": write true or false'],
    [null, 'option "checks": write true or false'],
    [['clock_skew'], 'option "checks": give an object of options'],
  ])('refuses %j, and says what to write', (checks, message) => {
    expect(() => createTestUserData(database, { checks: checks as ChecksOption })).toThrow(message)
  })
})

describe('the guide docs/self-checks.md', () => {
  const guide = readFileSync(new URL('../../docs/self-checks.md', import.meta.url), 'utf8')
  const inTable = [...guide.matchAll(/^\| \[`(\w+)`\]/gm)].map(([, code]) => code as CheckCode)

  it('has a row for each check', () => {
    expect(inTable.toSorted()).toEqual(CHECK_CODES.toSorted())
  })
})
