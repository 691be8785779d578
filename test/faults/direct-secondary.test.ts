import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { WarningEvent } from 'express-custom-user-data'
import { startMongod } from '../../examples/support/start-mongod.js'
import type { StartedMongod } from '../../examples/support/start-mongod.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { loadCustomData } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

let mongod: StartedMongod
let writing: TestDatabase
const clients: MongoClient[] = []
beforeAll(async () => {
  mongod = await startMongod({ count: 3 })
  writing = await openDatabase({ uri: mongod.uri })
  await writing.db
    .collection('custom_user_data')
    .insertOne({ userId: 'alice', n: 1 }, { writeConcern: { w: 3 } })
}, 60_000)
afterAll(async () => {
  await Promise.all(clients.map(client => client.close()))
  await writing.close()
  await mongod.stop()
}, 60_000)

interface Members {
  readonly primary: string
  readonly hosts: readonly string[]
}

const members = async () => (await writing.client.db('admin').command({ hello: 1 })) as unknown as Members

/** An instance whose client talks to one server, and what it has warned of. */
function connectTo(address: string) {
  const client = new MongoClient(`mongodb://${address}/?directConnection=true`)
  clients.push(client)
  const db = client.db(writing.db.databaseName)
  const userData = createTestUserData({ db }, { sessionCheckIntervalMs: 0 })
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  return { userData, warnings: () => warnings.filter(({ code }) => code === 'server_not_primary') }
}

const LOAD_REFUSED = { code: 'custom_data_unavailable', status: 503 }
const SESSIONS_REFUSED = { code: 'sessions_unavailable', status: 503 }

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

it('loads from a primary that became a secondary are refused with 503', async () => {
  const { primary } = await members()
  const { userData, warnings } = connectTo(primary)
  expect(await loadCustomData(userData, 'alice')).toMatchObject({ n: 1 })
  expect(warnings()).toEqual([])
  const stepDown = { replSetStepDown: 60, force: true }
  // The answer may be lost with the connection.
  await writing.client
    .db('admin')
    .command(stepDown)
    .catch(() => undefined)
  const codeOf = (error: unknown) => (error as { code?: unknown }).code
  await expect.poll(() => loadCustomData(userData, 'alice').catch(codeOf)).toBe(LOAD_REFUSED.code)
  await expect.poll(() => warnings().length).toBe(1)
}, 60_000)
