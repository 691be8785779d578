import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectOnce = runInNewContext('gc') as () => void

/** Collects twice, because objects that the first collection finalizes are freed by the second. */
function collectGarbage(): void {
  collectOnce()
  collectOnce()
}

/**
 * Measures the bytes that an action leaves in the heap. It runs twice, and the first run warms up and does not count.
 */
export async function heapGrowth(action: () => void | Promise<void>): Promise<number> {
  await action()
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  await action()
  collectGarbage()
  return process.memoryUsage().heapUsed - before
}
