import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import type { WarningEvent } from 'express-custom-user-data'
import { startMongod } from '../../examples/support/start-mongod.js'
import type { StartedMongod } from '../../examples/support/start-mongod.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { startFollower } from '../support/following.js'
import { loadCustomData } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

const ALICE = { _id: -1, userId: 'alice', n: 1 }
const USERS = Array.from({ length: 20 }, (_user, n) => ({ _id: n, userId: `user-${n}`, n: 0 }))
const LOAD_REFUSED = { code: 'custom_data_unavailable', status: 503 }
const SESSIONS_REFUSED = { code: 'sessions_unavailable', status: 503 }

interface Members {
  readonly primary?: string
  readonly hosts: readonly string[]
}

// The tests share one replica set, because it takes seconds to start.
let mongod: StartedMongod
let writing: TestDatabase
beforeAll(async () => {
  mongod = await startMongod({ count: 3, args: ['--setParameter', 'enableTestCommands=1'] })
  writing = await openDatabase({ uri: mongod.uri })
  await documents().insertMany([ALICE, ...USERS], { writeConcern: { w: 3 } })
})
afterAll(async () => {
  // The data goes with the servers. Dropping it would wait for the election of a primary.
  await writing.client.close()
  await mongod.stop()
})

const documents = () => writing.db.collection<typeof ALICE>('custom_user_data')
const members = async () => (await writing.client.db('admin').command({ hello: 1 })) as unknown as Members

/** Makes the primary step down. It may close the connection before it answers. */
async function stepDown(seconds: number): Promise<void> {
  const command = { replSetStepDown: seconds, force: true }
  await writing.client
    .db('admin')
    .command(command)
    .catch(() => undefined)
}

/** Whether a new primary fetches what it lacks from the others before it takes writes. Otherwise they roll that back. */
async function adoptWritesOfOldPrimary(adopts: boolean): Promise<void> {
  const admin = writing.client.db('admin')
  const { config } = (await admin.command({ replSetGetConfig: 1 })) as {
    config: { version: number; settings: object }
  }
  const settings = { ...config.settings, catchUpTimeoutMillis: adopts ? -1 : 0 }
  await admin.command({ replSetReconfig: { ...config, version: config.version + 1, settings } })
}

/** Runs an action while these members do not get what is written to the primary. */
async function holdReplication(hosts: readonly string[], action: () => Promise<void>): Promise<void> {
  const clients = hosts.map(host => new MongoClient(`mongodb://${host}/?directConnection=true`))
  const admins = clients.map(client => client.db('admin'))
  const name = 'stopReplProducer'
  try {
    await Promise.all(
      admins.map(async admin => {
        const { count } = await admin.command({ configureFailPoint: name, mode: 'alwaysOn' })
        // A fetch that is under way would still bring the next write.
        await admin.command({ waitForFailPoint: name, timesEntered: Number(count) + 1, maxTimeMS: 20_000 })
      }),
    )
    await action()
  } finally {
    await Promise.all(admins.map(admin => admin.command({ configureFailPoint: name, mode: 'off' })))
    await Promise.all(clients.map(client => client.close()))
  }
}

/** Connects to the same database by another client. */
function connect(uri: string) {
  const client = new MongoClient(uri)
  onTestFinished(() => client.close())
  return client.db(writing.db.databaseName)
}

/** Creates an instance that is connected to one server only, and records what it warns of. */
function connectTo(address: string) {
  const db = connect(`mongodb://${address}/?directConnection=true`)
  const userData = createTestUserData({ db }, { sessionCheckIntervalMs: 0 })
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  return { userData, warnings: () => warnings.filter(({ code }) => code === 'server_not_primary') }
}

it('loads and session reads from a secondary are refused with 503, and one warning says why', async () => {
  const there = createTestUserData(writing)
  const { access_token: token } = await there.issueTokens('alice')
  const { primary, hosts } = await members()
  const { userData, warnings } = connectTo(hosts.find(host => host !== primary)!)
  for (let n = 0; n < 2; n++) {
    await expect(loadCustomData(userData, 'alice')).rejects.toMatchObject(LOAD_REFUSED)
    await expect(userData.sessions('alice')).rejects.toMatchObject(SESSIONS_REFUSED)
    await expect(userData.verifyToken(token)).rejects.toMatchObject({ status: 503 })
  }
  await expect(userData.ready()).rejects.toThrow('not the primary')
  expect(warnings()).toHaveLength(1)
  expect(warnings()[0]?.message).toContain('directConnection=true')
  expect(userData.stats()).toMatchObject({ cached: 0 })
})

it('nothing that was written or revoked around a step-down is stale in another process afterwards', async () => {
  const there = await startFollower(connect(mongod.uri), { sessionTimeoutMs: 15_000 })
  onTestFinished(() => there.userData.close())
  const here = createTestUserData(writing, { sessionTimeoutMs: 15_000 })
  const { access_token: token, refresh_token } = await here.issueTokens('user-0')
  await there.userData.verifyToken(token)
  for (const { userId } of USERS) await there.dataOf(userId)
  const { primary: before } = await members()

  for (const { _id } of USERS) {
    if (_id === 10) await stepDown(20)
    await documents().updateOne({ _id }, { $inc: { n: 1 } })
  }
  await here.revoke({ sid: refresh_token.split('.')[0]! })

  expect((await members()).primary).not.toBe(before)
  for (const user of USERS) await there.seesOf(user.userId, { ...user, n: 1 })
  await expect.poll(() => there.errorOf(token)).toMatchObject({ code: 'invalid_token' })
  // The streams were resumed. A stream that begins again would say that it is open a second time.
  expect(there.states.filter(({ state }) => state === 'open')).toHaveLength(2)
})

it('a write that is rolled back is not served after the change of the primary', async () => {
  const there = await startFollower(connect(mongod.uri))
  onTestFinished(() => there.userData.close())
  await there.seesOf('alice', ALICE)
  await adoptWritesOfOldPrimary(false)
  const { primary: before, hosts } = await members()
  await holdReplication(
    hosts.filter(host => host !== before),
    async () => {
      await documents().updateOne({ _id: ALICE._id }, { $set: { n: 2 } }, { writeConcern: { w: 1 } })
      there.userData.invalidate('alice')
      expect(await there.dataOf('alice')).toEqual({ ...ALICE, n: 2 })
      await stepDown(20)
      // A member that has stepped down knows no primary until another one is elected.
      const others = hosts.filter(host => host !== before)
      const isOther = (host: string | undefined) => host !== undefined && others.includes(host)
      await expect.poll(async () => (await members()).primary, { timeout: 30_000 }).toSatisfy(isOther)
    },
  )
  await there.seesOf('alice', ALICE)
  await adoptWritesOfOldPrimary(true)
}, 90_000)

it('loads from a primary that became a secondary are refused with 503', async () => {
  const { primary } = await members()
  const { userData, warnings } = connectTo(primary!)
  expect(await loadCustomData(userData, 'alice')).toMatchObject({ n: 1 })
  expect(warnings()).toEqual([])
  await stepDown(60)
  const codeOf = (error: unknown) => (error as { code?: unknown }).code
  await expect.poll(() => loadCustomData(userData, 'alice').catch(codeOf)).toBe(LOAD_REFUSED.code)
  await expect.poll(() => warnings().length).toBe(1)
})
