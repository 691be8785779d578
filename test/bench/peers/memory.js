// What a cached token costs in the heap. Run with --expose-gc.
import { BSON } from 'mongodb'
import { createInstance } from './apps/ours.js'
import { connect, createProfile, userIdOf } from './database.js'
import { createKeys, signColdToken } from './tokens.js'
import { answerParent } from './worker.js'

/** Under half of the driver's pool, where the package's own limit is. */
const CONCURRENCY = 45
const GIGABYTE = 2 ** 30

answerParent({
  /**
   * Bytes per token: `total`, and `content`, which is what its claims and its document take when they are parsed and
   * kept in an array; and how long a full collection stops the process. `users` have a document each, and the tokens
   * are theirs in turn. With `oneDocument` the users' documents are copies of one: a million need not be stored.
   */
  async perToken({ tokens, users, oneDocument, fillLimitMs, ...setup }) {
    const { profiles } = await connect({ ...setup, maxPoolSize: 100 })
    const keys = createKeys('HS256')
    const bounds = { maxSnapshots: 2 * tokens, maxSnapshotBytes: 64 * GIGABYTE }
    const toFieldValues = oneDocument ? () => [userIdOf(0)] : undefined
    const userData = createInstance({ profiles, keys, ...bounds, toFieldValues })
    // What is made once, and compiled code, is not the tokens'.
    const first = createInstance({ profiles, keys, toFieldValues })
    await fill(first, 1_000, 1_000, fillLimitMs)
    first.close()
    await userData.ready()
    const before = heapBytes()
    const cached = await fill(userData, tokens, users, fillLimitMs)
    const after = heapBytes()
    const pauseMs = timeOf(() => globalThis.gc())
    // A copy that was dropped would make the others look small.
    const { id } = await userData.verifyToken(signColdToken(userIdOf(0)))
    if (id !== userIdOf(0)) throw new Error('The instance does not serve any more.')
    return { cached, total: (after - before) / cached, content: contentBytes(tokens, users), pauseMs }
  },
  /** Bytes that the heap grew by under a bound that is far too small for the tokens. */
  async bound({ tokens, users, maxSnapshotBytes, fillLimitMs, ...setup }) {
    const { profiles } = await connect({ ...setup, maxPoolSize: 100 })
    const keys = createKeys('HS256')
    const userData = createInstance({ profiles, keys, maxSnapshots: tokens, maxSnapshotBytes })
    await userData.verifyToken(signColdToken(userIdOf(0)))
    const before = heapBytes()
    await fill(userData, tokens, users, fillLimitMs)
    return heapBytes() - before
  },
})

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
