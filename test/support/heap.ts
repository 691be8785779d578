import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
// Otherwise a collection may also free the compiled code of functions that have not run for a while, which can be megabytes.
setFlagsFromString('--no-flush-bytecode')
const collectGarbage = runInNewContext('gc') as () => void

/**
 * Bytes in use after two collections: one collection finalizes objects, and the next frees their memory. V8 keeps the
 * targets of weak references until the end of a turn of the event loop.
 */
export async function memoryInUse(): Promise<number> {
  for (let run = 0; run < 2; run++) {
    await setImmediate()
    collectGarbage()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Bytes that an action leaves in memory. It runs twice: the first run warms up and does not count. */
export async function heapGrowth(action: () => void | Promise<void>): Promise<number> {
  await action()
  const before = await memoryInUse()
  await action()
  return (await memoryInUse()) - before
}

/** The median of three measurements, because other work of the engine can fall into one of them. */
export async function medianOfThree(measure: () => Promise<number>): Promise<number> {
  const results = [await measure(), await measure(), await measure()].sort((one, other) => one - other)
  return results[1] ?? NaN
}
