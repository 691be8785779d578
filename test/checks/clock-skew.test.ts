import { describe, expect, it } from 'vitest'
import type { CustomUserDataOptions, WarningEvent } from 'express-custom-user-data'
import { checkClockSkew, measureClockSkew } from '../../lib/checks/clock-skew.js'
import type { Clock } from '../../lib/util/clock.js'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
const { signal } = new AbortController()

/** The real clocks of this process, set to another time. */
const movedClock = (seconds: number): Clock => ({
  now: () => Date.now() + seconds * 1_000,
  monotonic: () => performance.now(),
})

async function warningsOf(options: Partial<CustomUserDataOptions<Record<string, unknown>>>) {
  const userData = createTestUserData(database, { checks: true, ...options })
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  await userData.ready()
  await userData.ready()
  return warnings
}

describe('ready()', () => {
  it.each([
    [60, '60 seconds ahead of the clock of the MongoDB server'],
    [-3_600, '3600 seconds behind the clock of the MongoDB server'],
  ])('warns once if the clock of the process is %i seconds ahead of MongoDB', async (seconds, named) => {
    const warnings = await warningsOf({ clock: movedClock(seconds) })
    expect(warnings.map(({ code }) => code)).toEqual(['clock_skew'])
    expect(warnings[0]?.message).toContain(named)
  })

  it('does not warn if the clocks agree', async () => {
    expect(await warningsOf({})).toEqual([])
  })

  it.each([
    [60, 120, 0],
    [60, 20, 1],
    [4, 0, 0],
    [60, 0, 1],
  ])(
    'takes a difference of %i seconds with a tolerance of %i as %i findings, because 5 seconds are always allowed',
    async (seconds, clockToleranceSeconds, findings) => {
      const warnings = await warningsOf({ clock: movedClock(seconds), clockToleranceSeconds })
      expect(warnings).toHaveLength(findings)
    },
  )

  it('names a tolerance that would do, unless no tolerance is that long', async () => {
    const [some] = await warningsOf({ clock: movedClock(-60) })
    expect(some?.message).toMatch(/clockToleranceSeconds: 6[0-9],/)
    const [more] = await warningsOf({ clock: movedClock(3_600) })
    expect(more?.message).not.toContain('clockToleranceSeconds')
  })
})

describe('the measurement', () => {
  it('gives the milliseconds by which this process is ahead, with half of the round trip as the uncertainty', async () => {
    const sentAt = performance.now()
    const skew = await measureClockSkew(database.db, { signal }, movedClock(-600))
    const roundTripMs = performance.now() - sentAt
    expect(skew?.uncertaintyMs).toBeLessThanOrEqual(roundTripMs / 2 + 1)
    // BSON has whole milliseconds.
    expect(Math.abs((skew?.aheadMs ?? 0) + 600_000)).toBeLessThanOrEqual((skew?.uncertaintyMs ?? 0) + 1)
  })

  it('uses the clock of the machine unless another is given', async () => {
    const skew = await measureClockSkew(database.db, { signal })
    expect(Math.abs(skew?.aheadMs ?? Infinity)).toBeLessThanOrEqual((skew?.uncertaintyMs ?? 0) + 1)
  })
})

it.each([
  ['slow', 60_000, 0],
  ['prompt', 0, 1],
])('a difference of 20 seconds in a %s answer of %i ms is %i findings', async (_what, tookMs, findings) => {
  // The server reads its clock at the beginning, in the middle or at the end of this time: nobody knows.
  let wall = Date.now() + 20_000 - tookMs / 2
  const clock = { now: () => (wall += tookMs) - tookMs, monotonic: () => performance.now() }
  const { db } = database
  const target = { db, collection: db.collection('documents'), userIdField: 'userId', clock }
  const found = await checkClockSkew(
    { ...target, hasToFieldValues: false, ownCollections: [] },
    { timeoutMs: 10_000, signal },
  )
  expect(found).toHaveLength(findings)
})
