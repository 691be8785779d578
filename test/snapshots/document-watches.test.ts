import { getEventListeners } from 'node:events'
import { beforeEach, describe, expect, it } from 'vitest'
import { toFrozenCopy } from '../../lib/documents/frozen-copy.js'
import type { Load } from '../../lib/documents/loader.js'
import { DocumentWatches, MAX_WATCHES } from '../../lib/snapshots/document-watches.js'

type Parts = ConstructorParameters<typeof DocumentWatches>[1]

/** The documents that loads find, by user id. */
let stored: Record<string, { readonly _id: unknown; readonly n: number }>
/** The ids of users whose load has begun, in order. */
let begun: string[]
/** Lets the loads that wait go on; empty while loads do not wait. */
let held: (() => void)[] | undefined
let feed: { open: boolean; settled: Promise<void>; unavailable: (error: Error) => void }
let watches: DocumentWatches
beforeEach(() => {
  stored = { alice: { _id: 1, n: 1 } }
  begun = []
  held = undefined
  feed = { open: true, settled: Promise.resolve(), unavailable: () => undefined }
  watches = create()
})

function create(loadTimeoutMs = 10_000): DocumentWatches {
  const changes: Parts['changes'] = {
    settled: () => feed.settled,
    isOpen: () => feed.open,
    state: () => (feed.open ? 'open' : 'broken'),
    onUnavailable: tell => {
      feed.unavailable = tell
    },
  }
  const loader: Parts['loader'] = {
    async load(userId, latest): Promise<Load> {
      begun.push(userId)
      const found = stored[userId]
      if (held) await new Promise<void>(resolve => held?.push(resolve))
      const before = latest?.data as typeof found
      const data = before && before.n === found?.n ? before : toFrozenCopy({ ...found })
      if (latest) latest.data = data
      const documentId = found?._id
      return { data, exists: found !== undefined, documentId, heapBytes: 0, userIdValues: [userId] }
    },
  }
  return new DocumentWatches({ loadTimeoutMs }, { loader, changes, start: () => undefined })
}

function release(): void {
  const waiting = held ?? []
  held = undefined
  for (const go of waiting) go()
}

/** Lets everything that needs no load go on. */
const settle = () => new Promise(resolve => setImmediate(resolve))

describe('a change during a read is not missed', () => {
  it.each<[string, () => void]>([
    [
      'of the document, which became another user’s',
      () => {
        watches.changed(1, 'bob')
      },
    ],
    [
      'of a document that became the user’s',
      () => {
        watches.changed(2, 'alice')
      },
    ],
    [
      'that may concern any user',
      () => {
        watches.changed(new Map([[1, new Set()]]), 'bob')
      },
    ],
    [
      'that a resync stands for',
      () => {
        watches.invalidateAll()
      },
    ],
    [
      'that an invalidation of the user stands for',
      () => {
        watches.invalidate('alice')
      },
    ],
  ])('%s', async (_name, tell) => {
    held = []
    const opening = watches.open('alice')
    await expect.poll(() => held?.length).toBe(1)
    tell()
    stored = {}
    release()
    const changes = await opening
    expect(await changes.next()).toMatchObject({ value: { operationType: 'delete', documentId: 1 } })
  })

  it('and a change of another document wakes nobody', async () => {
    held = []
    const opening = watches.open('alice')
    await expect.poll(() => held?.length).toBe(1)
    watches.changed(2, 'bob')
    release()
    const changes = await opening
    void changes.next()
    watches.changed(2, 'bob')
    await settle()
    expect(begun).toEqual(['alice'])
    await changes.return()
  })
})

it('a resync without a change is read once and tells nothing', async () => {
  const changes = await watches.open('alice')
  const first = changes.next()
  watches.invalidateAll()
  await expect.poll(() => begun).toEqual(['alice', 'alice'])
  await settle()
  stored = { alice: { _id: 1, n: 2 } }
  watches.changed(1, 'alice')
  expect(await first).toMatchObject({ value: { updatedFields: { n: 2 } } })
  expect(begun).toHaveLength(3)
})

it('many wake-ups during a read cause one more read', async () => {
  const changes = await watches.open('alice')
  held = []
  watches.changed(1, 'alice')
  const first = changes.next()
  await expect.poll(() => held?.length).toBe(1)
  for (let n = 0; n < 50; n++) watches.changed(1, 'alice')
  release()
  await settle()
  expect(begun).toHaveLength(3)
  await changes.return()
  await first
})

it('after a resync four watches read at a time, so that requests do not wait behind all of them', async () => {
  const all = await Promise.all(Array.from({ length: 10 }, () => watches.open('alice')))
  const waiting = all.map(changes => changes.next())
  begun = []
  held = []
  watches.invalidateAll()
  await settle()
  expect(begun).toHaveLength(4)
  // A watch that ends while it waits for its turn does not read.
  await Promise.all(all.slice(4).map(changes => changes.return()))
  release()
  await settle()
  expect(begun).toHaveLength(4)
  await Promise.all(all.map(changes => changes.return()))
  await Promise.all(waiting)
})

it('a watch that has ended is forgotten, and its signal has no listener', async () => {
  const { signal } = new AbortController()
  const opened = await Promise.all(Array.from({ length: 5 }, () => watches.open('alice', signal)))
  expect([watches.size, getEventListeners(signal, 'abort').length]).toEqual([5, 5])
  await Promise.all(opened.map(changes => changes.return()))
  expect([watches.size, getEventListeners(signal, 'abort').length]).toEqual([0, 0])
  begun = []
  watches.changed(1, 'alice')
  watches.invalidateAll()
  await settle()
  expect(begun).toEqual([])
})

it('one more watch than the limit is refused until another ends', async () => {
  const opened = await Promise.all(Array.from({ length: MAX_WATCHES }, (_, n) => watches.open(`user-${n}`)))
  await expect(watches.open('alice')).rejects.toMatchObject({
    code: 'changes_unavailable',
    message: expect.stringContaining('10000 open watches') as string,
  })
  await opened[0]!.return()
  await expect(watches.open('alice')).resolves.toBeDefined()
  watches.close()
  expect(watches.size).toBe(0)
}, 30_000)

describe('while a watch waits for the stream to open', () => {
  beforeEach(() => {
    feed.settled = new Promise(() => undefined)
  })

  it('its signal ends it without an error', async () => {
    const controller = new AbortController()
    const opening = watches.open('alice', controller.signal)
    controller.abort()
    expect(await (await opening).next()).toEqual({ done: true, value: undefined })
    expect([watches.size, begun]).toEqual([0, []])
  })

  it('close() refuses it with "closed"', async () => {
    const opening = watches.open('alice')
    watches.close()
    await expect(opening).rejects.toMatchObject({ code: 'closed' })
  })

  it('it is refused as "changes_unavailable" after loadTimeoutMs', async () => {
    feed.open = false
    watches = create(1)
    await expect(watches.open('alice')).rejects.toMatchObject({ code: 'changes_unavailable' })
    expect(watches.size).toBe(0)
  })

  it('a refused stream refuses it, with the error as the cause', async () => {
    const opening = watches.open('alice')
    const cause = new Error('no replica set')
    feed.unavailable(cause)
    await expect(opening).rejects.toMatchObject({ code: 'changes_unavailable', status: 503, cause })
  })
})
