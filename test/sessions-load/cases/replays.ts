import { letExchangesAge } from '../../support/exchange-times.js'
import { at, createTally, forEachOf, sumOf } from '../case.js'
import type { Case, Outcome, World } from '../case.js'
import { tokenOf } from '../service.js'
import type { Service } from '../service.js'

const TOLERANCE_SECONDS = 30
/** One session's tokens, oldest first. */
type Lineage = readonly string[]
type Tally = Record<'refused' | 'dead' | 'detected', number>

/** Each kind of replay ends its session at once. */
export const replays: Case = {
  name: 'replays',
  rule: 'an exchanged token ends its session if it is sent after its successor was used and the tolerance is over, also three generations late',
  async run(world, isQuick) {
    const times = isQuick ? 10 : 1_000
    const strict = await world.start(2, { reuseToleranceSeconds: 0 })
    const kinds = [
      await replayLate(world, { times, length: 3, kind: 'used' }),
      await replayLate(world, { times, length: 4, kind: 'old' }),
      await replayAll(strict, await makeLineages(strict, { times, length: 3, kind: 'strict' }), 0),
    ]
    const sum = (name: keyof Tally) => kinds.reduce((total, kind) => total + kind[name], 0)
    const figures = {
      replays: 3 * times,
      refused: sum('refused'),
      dead: sum('dead'),
      detected: sum('detected'),
    }
    return { figures, expected: { refused: 3 * times, dead: 3 * times, detected: 3 * times } }
  },
}

/** After a crash, new processes know which tokens were exchanged. */
export const replaysAfterRestart: Case = {
  name: 'replays-after-restart',
  rule: 'a replay is detected after the process that rotated was killed and another one started',
  async run(world, isQuick): Promise<Outcome> {
    const restarts = isQuick ? 1 : 10
    const each = isQuick ? 20 : 100
    const tally = createTally('refused', 'dead', 'detected')
    for (let n = 0; n < restarts; n++) {
      const [before] = (await world.start(1)) as [Service]
      const made = await makeLineages([before], { times: each, length: 3, kind: `restart${n}` })
      await before.kill()
      await letExchangesAge(world.db, TOLERANCE_SECONDS * 1_000)
      const outcome = await replayAll(await world.start(1), made, 0)
      for (const name of ['refused', 'dead', 'detected'] as const) tally[name] += outcome[name]
    }
    const all = restarts * each
    return {
      figures: { restarts, replays: all, ...tally },
      expected: { refused: all, dead: all, detected: all },
    }
  },
}

interface LineageOptions {
  readonly times: number
  readonly length: number
  readonly kind: string
}

/** Replays the oldest tokens by other processes when the tolerance is over. */
async function replayLate(world: World, options: LineageOptions): Promise<Tally> {
  const made = await makeLineages(await world.start(2), options)
  await letExchangesAge(world.db, TOLERANCE_SECONDS * 1_000)
  return replayAll(await world.start(2), made, 0)
}

async function makeLineages(
  services: readonly Service[],
  { times, length, kind }: LineageOptions,
): Promise<Lineage[]> {
  const made: Lineage[] = []
  await forEachOf(times, 8, async n => {
    const lineage = [await at(services, n).logIn(`${kind}${n}`)]
    while (lineage.length < length) {
      const generation = lineage.length
      lineage.push(tokenOf(await at(services, n + generation).refresh(at(lineage, generation - 1))))
    }
    made.push(lineage)
  })
  return made
}

/** Presents the token at `index` of each session, and then the newest token, which must be refused now. */
async function replayAll(
  services: readonly Service[],
  made: readonly Lineage[],
  index: number,
): Promise<Tally> {
  const before = await sumOf(services, 'reuse_detected')
  const tally = createTally('refused', 'dead', 'detected')
  await forEachOf(made.length, 8, async n => {
    const lineage = at(made, n)
    const replay = await at(services, n).refresh(at(lineage, index))
    if (replay.status === 400 && replay.body['error'] === 'invalid_grant') tally.refused++
    const newest = await at(services, n + 1).refresh(lineage.at(-1) ?? '')
    if (newest.status === 400) tally.dead++
  })
  tally.detected = (await sumOf(services, 'reuse_detected')) - before
  return tally
}
