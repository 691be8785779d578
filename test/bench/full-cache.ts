import { hash, randomUUID } from 'node:crypto'
import { BSON, ObjectId } from 'mongodb'
import type { Document } from 'mongodb'
import { createClaimsFreezer } from '../../lib/authenticate/token-bindings.js'
import { toFrozenCopy } from '../../lib/documents/frozen-copy.js'
import { estimateHeapBytes } from '../../lib/documents/heap-size.js'
import { createSnapshotCache } from '../../lib/snapshots/snapshot-cache.js'
import type { SnapshotCache } from '../../lib/snapshots/snapshot-cache.js'
import { UserGenerations } from '../../lib/snapshots/user-generations.js'
import type { AccessTokenClaims } from '../../lib/types.js'
import { momentOf, systemClock } from '../../lib/util/clock.js'
import { medianOfThree, memoryInUse } from '../support/heap.js'

const DAY = 86_400_000
const list = <T>(length: number, make: (n: number) => T): T[] => Array.from({ length }, (_item, n) => make(n))

/** Assigned as the driver does it: V8 keeps large objects in less memory if other code creates the same members at once. */
function fields(length: number, make: (n: number) => unknown): Document {
  const document: Document = {}
  for (let n = 0; n < length; n++) document[`field${n}`] = make(n)
  return document
}

/** Documents of one user each, by kind. */
export const DOCUMENT_KINDS: Readonly<Record<string, () => Document>> = {
  'no fields': () => ({}),
  'a profile': () => ({
    _id: new ObjectId(),
    userId: 'alice',
    joinedAt: new Date(),
    plan: { name: 'gold', seats: 12, renewsAt: new Date() },
    roles: ['editor', 'reviewer', 'billing'],
    bio: 'x'.repeat(200),
  }),
  'short texts': () => fields(16, n => `text ${n}`),
  'many small fields': () => fields(60, n => n),
  'a long text': () => ({ text: 'x'.repeat(4_000) }),
  'a long text of another script': () => ({ text: 'ж'.repeat(2_000) }),
  'nested objects': () => ({ a: { b: { c: { d: { text: 'x' } }, list: [1] } }, e: { f: { g: 'y' } } }),
  'a list of integers': () => ({ scores: list(200, n => n) }),
  'a list of fractions': () => ({ scores: list(200, n => n + 0.5) }),
  'a list of objects': () => ({ items: list(20, n => ({ sku: `sku-${n}`, count: n, price: n + 0.99 })) }),
  dates: () => fields(10, n => new Date(Date.now() + n * DAY)),
  'a list of dates': () => ({ days: list(50, n => new Date(Date.now() + n * DAY)) }),
  ObjectIds: () => fields(10, () => new ObjectId()),
  'a list of ObjectIds': () => ({ friends: list(50, () => new ObjectId()) }),
  'a binary': () => ({ avatar: new BSON.Binary(Buffer.alloc(2_000, 1)) }),
  'decimals and UUIDs': () => ({
    prices: fields(5, n => BSON.Decimal128.fromString(`1.${n}`)),
    ids: fields(5, () => new BSON.UUID()),
  }),
}

/** The memory of a full cache of one user's token each, divided by `maxSnapshotBytes`. */
export function measureFullCache(makeDocument: () => Document, maxSnapshotBytes: number): Promise<number> {
  // The first one compiles the code.
  fill(makeDocument, 10_000)
  return medianOfThree(async () => {
    const before = await memoryInUse()
    const cache = fill(makeDocument, maxSnapshotBytes)
    const bytes = (await memoryInUse()) - before
    // The cache must stay reachable until here.
    return cache.size().cached > 0 ? bytes / maxSnapshotBytes : NaN
  })
}

/** Fills a cache as loads do, until it has dropped snapshots. */
function fill(makeDocument: () => Document, maxSnapshotBytes: number): SnapshotCache {
  const generations = new UserGenerations()
  // The cache allocates a list for this many snapshots when it is created, so it is not more than the cache can hold.
  const maxSnapshots = Math.ceil(maxSnapshotBytes / (600 + estimateHeapBytes(decode(makeDocument()))))
  const bounds = { snapshotTtlMs: DAY, maxSnapshots, maxSnapshotBytes, followsChanges: false }
  const cache = createSnapshotCache(bounds, generations, systemClock)
  const freezeClaims = createClaimsFreezer()
  for (let kept = 0; cache.size().cached === kept; kept++) {
    const userId = `user-${kept}`
    const token = createToken(userId)
    const claims = parseClaims(token)
    freezeClaims(claims)
    const document = decode(makeDocument())
    const generation = generations.hold(userId)
    cache.set(
      {
        cacheKey: hash('sha256', token, 'binary'),
        userId,
        claims,
        claimsLength: token.length,
        signedBy: undefined,
        expiresAt: systemClock.now() + DAY,
      },
      {
        data: toFrozenCopy(document),
        heapBytes: estimateHeapBytes(document),
        exists: true,
        documentId: undefined,
        generation,
        loadedAt: momentOf(systemClock),
        loadNumber: 1,
        userIdValues: [],
      },
    )
    generations.release(generation)
  }
  return cache
}

/** As the driver decodes the answer of a server. */
function decode(document: Document): Document {
  return BSON.deserialize(Uint8Array.from(BSON.serialize(document)), { promoteBuffers: false })
}

/** A token of the usual length. Nothing verifies it here. */
function createToken(sub: string): string {
  const [iss, aud] = ['https://issuer.example.com', 'https://api.example.com']
  const [iat, ids] = [1_700_000_000, { jti: randomUUID(), sid: randomUUID() }]
  const claims = { iss, aud, sub, client_id: aud, iat, exp: iat + 1800, ...ids }
  const parts = ['{"alg":"HS256","typ":"at+jwt","kid":"0123456789"}', JSON.stringify(claims)]
  return [...parts.map(part => Buffer.from(part).toString('base64url')), 'x'.repeat(43)].join('.')
}

function parseClaims(token: string): AccessTokenClaims {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as AccessTokenClaims
}
