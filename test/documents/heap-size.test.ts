import { describe, expect, it } from 'vitest'
import { DOCUMENT_KINDS, measureFullCache } from '../bench/full-cache.js'

/** The kinds whose ratio of memory to BSON bytes differs most. `npm run bench:weights` measures all kinds, more exactly. */
const KINDS = [
  'a profile',
  'many small fields',
  'a long text',
  'a list of objects',
  'a list of dates',
  'ObjectIds',
]

describe('a full cache', () => {
  // The bounds are wider than the goal of 0.5 to 1.0, because a small cache and a busy machine vary.
  it.each(KINDS)('takes about as much memory as maxSnapshotBytes allows: %s', async kind => {
    const ratio = await measureFullCache(DOCUMENT_KINDS[kind]!, 4 * 2 ** 20)
    expect(ratio).toBeGreaterThan(0.4)
    expect(ratio).toBeLessThan(1.2)
  })
})
