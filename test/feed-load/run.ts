/**
 * Measures how soon a write in one process is seen in another: `npm run test:feed`. Two processes use a replica set
 * of three
 * members. Exits with 1 if stale data is left. `ROUNDS` sets the number of writes, 1,000 by default.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { MongoClient } from 'mongodb'
import { startMongod } from '../../examples/support/start-mongod.js'
import { createTestUserData } from '../support/user-data.js'
import type { Answer, Question } from './reader.js'

const ROUNDS = Number(process.env['ROUNDS'] ?? 1_000)
const USERS = 50
const ANSWER_LIMIT_MS = 90_000
const DATABASE = 'feed_load'

const mongod = await startMongod({ count: 3 })
const client = new MongoClient(mongod.uri)
const db = client.db(DATABASE)
const documents = db.collection<{ _id: number; userId: string; n: number }>('custom_user_data')
const userData = createTestUserData({ db }, { sessionTimeoutMs: 30_000 })
const users = Array.from({ length: USERS }, (_user, index) => ({ _id: index, userId: `user-${index}`, n: 1 }))
await documents.insertMany(users)
await userData.ready()
const reader = fork(fileURLToPath(new URL('reader.ts', import.meta.url)), [mongod.uri, DATABASE])
await once(reader, 'message')
try {
  await run()
} finally {
  reader.disconnect()
  await userData.close()
  await client.close()
  await mongod.stop()
}

async function run(): Promise<void> {
  const tokens = await Promise.all(users.map(({ userId }) => userData.issueTokens(userId)))
  const access = tokens.map(({ access_token }) => access_token)
  for (const token of access) await ask({ kind: 'look', token })
  const write = (round: number) => writeAndSee(round % USERS, access[round % USERS] ?? '')

  print('a write', await measure(write))
  print('a revocation', await measure(revokeAndSee))
  print('a write, with a step-down', await measure(write, stepDown))
  print('a revocation, with a step-down', await measure(revokeAndSee, stepDown))

  const stale = await countStale(access)
  console.log(`stale afterwards: ${stale} of ${USERS}`)
  if (stale > 0) process.exitCode = 1
}

/**
 * Measures the milliseconds from the acknowledgement to the first fresh answer, sorted. `meanwhile` starts halfway.
 */
async function measure(
  round: (round: number) => Promise<number>,
  meanwhile?: () => Promise<void>,
): Promise<number[]> {
  const times: number[] = []
  let event: Promise<void> | undefined
  for (let n = 0; n < ROUNDS; n++) {
    if (n === Math.floor(ROUNDS / 2)) event = meanwhile?.()
    times.push(await round(n))
  }
  await event
  return times.sort((a, b) => a - b)
}

async function writeAndSee(user: number, token: string): Promise<number> {
  const n = await untilDone(async () => {
    const after = await documents.findOneAndUpdate(
      { _id: user },
      { $inc: { n: 1 } },
      { returnDocument: 'after' },
    )
    return after?.n ?? 0
  })
  return see({ kind: 'data', token, n })
}

async function revokeAndSee(): Promise<number> {
  const { access_token: token, refresh_token } = await untilDone(() => userData.issueTokens('user-0'))
  await ask({ kind: 'look', token })
  const [sid = ''] = refresh_token.split('.')
  await untilDone(() => userData.revoke({ sid }))
  return see({ kind: 'refused', token })
}

async function see(question: Question): Promise<number> {
  const acknowledgedAt = process.hrtime.bigint()
  const { at } = await ask(question)
  return Math.max(0, Number(BigInt(at) - acknowledgedAt) / 1e6)
}

async function ask(question: Question): Promise<Answer> {
  reader.send(question)
  const signal = AbortSignal.timeout(ANSWER_LIMIT_MS)
  const [answer] = (await once(reader, 'message', { signal })) as [Answer]
  return answer
}

async function stepDown(): Promise<void> {
  const before = await primary()
  // The answer may be lost with the connection.
  await client
    .db('admin')
    .command({ replSetStepDown: 20, force: true })
    .catch(() => undefined)
  while ((await untilDone(primary)) === before) await wait(100)
}

async function primary(): Promise<unknown> {
  const hello = await client.db('admin').command({ hello: 1 })
  return hello['primary']
}

/** Tries a write again while there is no primary, because only acknowledged writes count. */
async function untilDone<T>(write: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await write()
    } catch (error) {
      console.error(`tried again: ${String(error)}`)
    }
  }
}

async function countStale(access: readonly string[]): Promise<number> {
  let stale = 0
  for (const [index, token] of access.entries()) {
    const { n } = await ask({ kind: 'look', token })
    const stored = await documents.findOne({ _id: index })
    if (n !== stored?.n) stale++
  }
  return stale
}

function print(what: string, times: readonly number[]): void {
  const at = (share: number) => (times[Math.ceil(times.length * share) - 1] ?? NaN).toFixed(1)
  console.log(
    `${what.padEnd(32)} ${times.length} times, ms: median ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`,
  )
}
