import { hashPassword } from 'express-custom-user-data'
import { createTally } from '../case.js'
import type { Case, Figures, World } from '../case.js'
import { mannWhitneyP, median } from '../statistics.js'
import type { Service } from '../service.js'

const PASSWORD = 'correct horse battery staple'
/** Logins that are refused, each for another reason. */
const ARMS = {
  unknown: { email: 'nobody@example.com', password: PASSWORD },
  wrong: { email: 'wrong@example.com', password: 'not her password' },
  disabled: { email: 'disabled@example.com', password: PASSWORD },
  withoutHash: { email: 'without@example.com', password: PASSWORD },
  locked: { email: 'locked@example.com', password: PASSWORD },
} as const
type Arm = keyof typeof ARMS
const NAMES = Object.keys(ARMS) as Arm[]

/** The largest allowed difference between two medians, as a fraction of the duration of a login. */
const MOST_DIFFERENCE = 0.05
/** Below this p two kinds of logins count as different. */
const LEAST_P = 0.01

/** The answer and its duration do not reveal who has an account (ASVS 6.3.8). */
export const loginTiming: Case = {
  name: 'login-timing',
  rule: 'logins that fail because the user is unknown, disabled, locked or has no or another password cannot be distinguished by answer or time',
  async run(world, isQuick) {
    const rounds = isQuick ? 10 : 400
    const [service] = (await world.start(1)) as [Service]
    await createUsers(world, service)
    const times = Object.fromEntries(NAMES.map(name => [name, [] as number[]])) as unknown as Record<
      Arm,
      number[]
    >
    const answers = new Set<string>()
    const tally = createTally('logins', 'answered401')
    for (let round = 0; round < rounds; round++) {
      // Each round has another order, so that no kind is always first.
      for (let n = 0; n < NAMES.length; n++) {
        const name = NAMES[(round * 2 + n * (1 + (round % 4))) % NAMES.length]!
        const { status, body, headers, ms } = await timed(service, name)
        times[name].push(ms)
        tally.logins++
        if (status === 401) tally.answered401++
        answers.add(JSON.stringify({ status, body, headers: { ...headers, date: '' } }))
      }
    }
    const figures = { ...tally, differentAnswers: answers.size, ...compare(times) }
    const expected = { answered401: tally.logins, differentAnswers: 1, ...(!isQuick && { armsApart: 0 }) }
    return { figures, expected }
  },
}

async function timed(service: Service, name: Arm) {
  const began = performance.now()
  const answer = await service.post('/password', ARMS[name])
  return { ...answer, ms: performance.now() - began }
}

async function createUsers({ db }: World, service: Service): Promise<void> {
  const passwordHash = await hashPassword(PASSWORD)
  await db.collection<{ _id: string }>('users').insertMany([
    { _id: 'wrong', email: ARMS.wrong.email, passwordHash },
    { _id: 'disabled', email: ARMS.disabled.email, passwordHash },
    { _id: 'without', email: ARMS.withoutHash.email },
    { _id: 'locked', email: ARMS.locked.email, passwordHash, locked: true },
    { _id: 'alice', email: 'alice@example.com', passwordHash },
  ] as never)
  await db.collection('users').createIndex({ email: 1 })
  await service.post('/disable', { user: 'disabled' })
  // Check that the right password works. Without that, equal refusals would prove nothing.
  const { status } = await service.post('/password', { email: 'alice@example.com', password: PASSWORD })
  if (status !== 200) throw new Error(`The right password was answered with ${status}.`)
}

/**
 * Compares all pairs. Gives the largest difference of medians, as a fraction of a login, and the least p of Mann-
 * Whitney.
 */
function compare(times: Record<Arm, number[]>): Figures {
  const medians = NAMES.map(name => median(times[name]))
  const loginMs = median(medians)
  let leastP = 1
  let largest = 0
  let armsApart = 0
  for (const [n, one] of NAMES.entries()) {
    for (const [m, other] of NAMES.entries()) {
      if (m <= n) continue
      const difference = Math.abs((medians[n] ?? NaN) - (medians[m] ?? NaN)) / loginMs
      const p = mannWhitneyP(times[one], times[other])
      leastP = Math.min(leastP, p)
      largest = Math.max(largest, difference)
      if (difference >= MOST_DIFFERENCE || p <= LEAST_P) armsApart++
    }
  }
  return { loginMs, largestDifferencePercent: largest * 100, leastP, armsApart }
}
