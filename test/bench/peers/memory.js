// What a cached token costs in the heap. Run with --expose-gc.
import { BSON } from 'mongodb'
import { createInstance } from './apps/ours.js'
import { connect, createProfile, userIdOf } from './database.js'
import { createKeys, signColdToken } from './tokens.js'
import { answerParent } from './worker.js'

/** Under half of the driver's pool, where the package's own limit is. */
const CONCURRENCY = 45
const GIGABYTE = 2 ** 30
const WARM_UP_LIMIT_MS = 3_000

answerParent({
  /**
   * Bytes per token: `total`, and `content`, which is what its claims and its document take when they are parsed and
   * kept in an array; and how long a full collection stops the process. `users` have a document each, and the tokens
   * are theirs in turn. With `oneDocument` the users' documents are copies of one: a million need not be stored.
   */
  async perToken({ tokens, users, oneDocument, fillLimitMs, ...setup }) {
    const toFieldValues = oneDocument ? () => [userIdOf(0)] : undefined
    const create = await prepare({ ...setup, toFieldValues })
    const before = heapBytes()
    const userData = create({ maxSnapshots: tokens, maxSnapshotBytes: 64 * GIGABYTE })
    const cached = await fill(userData, tokens, users, fillLimitMs)
    const total = (heapBytes() - before) / cached
    const pauseMs = timeOf(() => globalThis.gc())
    await requireInUse(userData)
    return { cached, total, content: contentBytes(tokens, users), pauseMs }
  },
  /** Bytes that the heap grew by under a bound that is far too small for the tokens; `undefined` without the time. */
  async bound({ tokens, maxSnapshotBytes, fillLimitMs, ...setup }) {
    const create = await prepare(setup)
    const before = heapBytes()
    const userData = create({ maxSnapshots: tokens, maxSnapshotBytes })
    const cached = await fill(userData, tokens, tokens, fillLimitMs)
    const bytes = heapBytes() - before
    await requireInUse(userData)
    return cached < tokens ? undefined : bytes
  },
})

/** How to create an instance, when all that is made once, connections and compiled code, is there already. */
async function prepare({ toFieldValues, ...setup }) {
  const { profiles } = await connect({ ...setup, maxPoolSize: 100 })
  const keys = createKeys('HS256')
  const create = bounds => createInstance({ profiles, keys, toFieldValues, ...bounds })
  const first = create({})
  await fill(first, 2_000, 2_000, WARM_UP_LIMIT_MS)
  first.close()
  return create
}

/** To be asked after the heap was looked at: what nobody needs any more may be gone by then. */
async function requireInUse(userData) {
  const { id } = await userData.verifyToken(signColdToken(userIdOf(0)))
  if (id !== userIdOf(0)) throw new Error('The instance does not serve any more.')
}

/** Caches so many new tokens, or as many as the time allows; how many that was. */
async function fill(userData, tokens, users, limitMs) {
  const giveUpAt = performance.now() + limitMs
  let next = 0
  const worker = async () => {
    while (next < tokens && performance.now() < giveUpAt) {
      await userData.verifyToken(signColdToken(userIdOf(next++ % users)))
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, worker))
  return next
}

function contentBytes(tokens, users) {
  const sample = Math.min(tokens, 20_000)
  const documents = Math.max(1, Math.round((sample * users) / tokens))
  const before = heapBytes()
  const kept = Array.from({ length: sample }, (_, index) => toClaims(signColdToken(userIdOf(index % users))))
  for (let index = 0; index < documents; index++) {
    kept.push(BSON.deserialize(BSON.serialize(createProfile(userIdOf(index)))))
  }
  const bytes = (heapBytes() - before) / sample
  return kept.length > 0 ? bytes : NaN
}

function toClaims(token) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
}

function heapBytes() {
  for (let run = 0; run < 3; run++) globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function timeOf(action) {
  const startedAt = performance.now()
  action()
  return performance.now() - startedAt
}
