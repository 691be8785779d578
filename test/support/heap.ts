import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectOnce = runInNewContext('gc') as () => void

/** Twice: what the first collection finalizes goes with the second. */
function collectGarbage(): void {
  collectOnce()
  collectOnce()
}

/** Bytes that an action leaves in the heap. The first of two runs warms up, and does not count. */
export async function heapGrowth(action: () => void | Promise<void>): Promise<number> {
  await action()
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  await action()
  collectGarbage()
  return process.memoryUsage().heapUsed - before
}
