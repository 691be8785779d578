import bcrypt from 'bcryptjs'
import { hashPassword } from 'express-custom-user-data'
import type { Case, Figures, World } from '../case.js'
import { median } from '../statistics.js'
import type { Service } from '../service.js'

const PASSWORD = 'correct horse battery staple'
/** The cost that bcrypt libraries have by default. */
const COST = 10

/** Logins that are refused: an unknown user, a user without a hash, and a wrong password for each kind of hash. */
const ARMS = {
  unknown: 'nobody@example.com',
  withoutHash: 'without@example.com',
  bcrypt: 'bcrypt@example.com',
  argon2: 'argon2@example.com',
} as const
type Arm = keyof typeof ARMS

/** Which users there are, and the kind of the decoy. */
const PHASES = {
  before: { arms: ['unknown', 'withoutHash', 'bcrypt'], path: '/bcrypt' },
  during: { arms: ['unknown', 'withoutHash', 'bcrypt', 'argon2'], path: '/bcrypt' },
  late: { arms: ['unknown', 'withoutHash', 'bcrypt', 'argon2'], path: '/bcrypt-late' },
  after: { arms: ['unknown', 'withoutHash', 'argon2'], path: '/password' },
} as const satisfies Record<string, { readonly arms: readonly Arm[]; readonly path: string }>

/**
 * How far the times of refused logins are apart, as ratios of medians to that of an unknown user. Before and after the
 * migration they are near 1. While it is under way, one kind of hash differs: docs/bcrypt.md says so.
 */
export const migrationTiming: Case = {
  name: 'migration-timing',
  rule: 'while users move from bcrypt to argon2, the times of refused logins are measured before, during and after',
  async run(world, isQuick) {
    const rounds = isQuick ? 3 : 60
    const [service] = (await world.start(1)) as [Service]
    await createUsers(world)
    const figures: Record<string, number> = { logins: 0, answered401: 0 }
    for (const [phase, { arms, path }] of Object.entries(PHASES)) {
      const times = new Map<Arm, number[]>(arms.map(arm => [arm, []]))
      for (let round = 0; round < rounds; round++) {
        // Each round begins with another kind.
        for (let n = 0; n < arms.length; n++) {
          const arm = arms[(round + n) % arms.length]!
          const began = performance.now()
          const { status } = await service.post(path, { email: ARMS[arm], password: 'not the password' })
          times.get(arm)!.push(performance.now() - began)
          figures['logins']!++
          if (status === 401) figures['answered401']!++
        }
      }
      Object.assign(figures, toRatios(phase, times))
    }
    return { figures, expected: { answered401: figures['logins']! } }
  },
}

function toRatios(phase: string, times: ReadonlyMap<Arm, readonly number[]>): Figures {
  const unknownMs = median(times.get('unknown')!)
  const ratios = Array.from(
    times,
    ([arm, values]) => [`${phase}.${arm}`, median(values) / unknownMs] as const,
  )
  return { [`${phase}.unknownMs`]: unknownMs, ...Object.fromEntries(ratios) }
}

async function createUsers({ db }: World): Promise<void> {
  await db.collection<{ _id: string }>('users').insertMany([
    { _id: 'without', email: ARMS.withoutHash },
    { _id: 'bcrypt', email: ARMS.bcrypt, passwordHash: bcrypt.hashSync(PASSWORD, COST) },
    { _id: 'argon2', email: ARMS.argon2, passwordHash: await hashPassword(PASSWORD) },
  ] as never)
  await db.collection('users').createIndex({ email: 1 })
}
