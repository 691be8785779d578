import { randomBytes } from 'node:crypto'
import { forEachOf } from '../case.js'
import type { Case } from '../case.js'
import { tokenOf } from '../service.js'
import type { Service } from '../service.js'

const CONCURRENCY = 16

/** Measures how fast one process refreshes, and how fast MongoDB alone could. There is no goal. */
export const throughput: Case = {
  name: 'throughput',
  rule: 'refreshes a second of one process over HTTP, compared with plain compare-and-sets at the same concurrency',
  async run(world, isQuick) {
    const times = isQuick ? 500 : 10_000
    const [service] = (await world.start(1)) as [Service]
    const tokens = await Promise.all(Array.from({ length: CONCURRENCY }, (_, n) => service.logIn(`user${n}`)))
    const bare = world.db.collection('bare')
    await bare.insertMany(tokens.map((_token, n) => ({ _id: n, current: '' }) as never))
    const hashes = tokens.map(() => '')
    const lanes = tokens.map((_token, n) => n)

    /** Each lane is one session. It refreshes again when it has its answer. */
    async function rateOf(turn: (lane: number) => Promise<void>): Promise<number> {
      const free = [...lanes]
      const began = performance.now()
      await forEachOf(times, CONCURRENCY, async () => {
        const lane = free.pop() ?? 0
        await turn(lane)
        free.push(lane)
      })
      return (times * 1_000) / (performance.now() - began)
    }

    const refreshesPerSecond = await rateOf(async lane => {
      tokens[lane] = tokenOf(await service.refresh(tokens[lane] ?? ''))
    })
    const bareCompareAndSetsPerSecond = await rateOf(async lane => {
      const next = randomBytes(32).toString('base64url')
      const filter = { _id: lane as never, current: hashes[lane] }
      const found = await bare.findOneAndUpdate(filter, { $set: { current: next } }, MAJORITY)
      if (!found) throw new Error('The compare-and-set found nothing.')
      hashes[lane] = next
    })
    return { figures: { refreshesPerSecond, bareCompareAndSetsPerSecond }, expected: {} }
  },
}

const MAJORITY = { writeConcern: { w: 'majority' }, includeResultMetadata: false } as const
