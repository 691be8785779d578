import type { Collection } from 'mongodb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startMongod } from '../../examples/support/start-mongod.js'
import type { StartedMongod } from '../../examples/support/start-mongod.js'
import type { WarningEvent } from 'express-custom-user-data'
import { systemClock } from '../../lib/util/clock.js'
import { createLoader } from '../../lib/documents/loader.js'
import type { Loader } from '../../lib/documents/loader.js'
import { createUserDocuments } from '../../lib/documents/user-documents.js'
import { createUserIdIndex } from '../../lib/documents/user-id-index.js'
import { createEvents } from '../../lib/events.js'
import { createMetrics } from '../../lib/metrics.js'
import { openTeamDatabase } from '../../lib/mongo/team-database.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { loadCustomData } from '../support/guarded-app.js'
import { createSessionApp, logIn } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

/** Far longer than two loads take. */
const BLOCKED_MS = 5_000
const HEX = '64b7f3a1c2d4e5f601234567'

const deadlines = holdDeadlines()
let mongod: StartedMongod
let database: TestDatabase
let collection: Collection
beforeAll(async () => {
  mongod = await startMongod({ args: ['--setParameter', 'enableTestCommands=1'] })
  database = await openDatabase({ uri: mongod.uri })
  collection = database.db.collection('custom_user_data')
  await collection.insertMany([
    { userId: 'bob', n: 1 },
    { userId: 'bob', n: 2 },
    { userId: HEX, n: 3 },
  ])
})
afterAll(async () => {
  await database.close()
  await mongod.stop()
})

async function failPoint(name: string, mode: unknown, data = {}): Promise<void> {
  await database.client.db('admin').command({ configureFailPoint: name, mode, data })
}

/** A new loader, which has not looked up the index yet and runs one load at a time. */
function createFreshLoader(): Loader {
  const events = createEvents()
  const config = { userIdField: 'userId', uniqueUserId: false, loadTimeoutMs: 400 }
  const bounds = { maxDocumentBytes: 10_000, maxConcurrentLoads: 1 }
  const index = createUserIdIndex(config, events)
  // The ObjectId class of another installation of the driver is learned from the server.
  const foreign = new Proxy(collection, { getPrototypeOf: () => Object.prototype })
  const documents = createUserDocuments({ ...config, ...bounds }, openTeamDatabase(foreign), index, events)
  const parts = { documents, events, clock: systemClock, metrics: createMetrics() }
  return createLoader({ ...config, ...bounds }, parts)
}

it('serves the first inserted document while the index is being built', async () => {
  const userData = createTestUserData(database)
  userData.events.on('warning', () => undefined)
  await failPoint('hangAfterStartingIndexBuild', 'alwaysOn')
  const ready = userData.ready()
  await expect.poll(() => collection.indexes()).toHaveLength(2)
  expect(await loadCustomData(userData, 'bob')).toMatchObject({ n: 1 })
  expect(await loadCustomData(userData, 'bob')).toMatchObject({ n: 1 })
  await failPoint('hangAfterStartingIndexBuild', 'off')
  await ready
  expect(await loadCustomData(userData, 'bob')).toMatchObject({ n: 1 })
})

it('answers a first login before any index is made if ready() was never called', async () => {
  const userData = createTestUserData(database, { loginThrottle: {} })
  userData.events.on('warning', () => undefined)
  const made: string[] = []
  database.client.on('commandSucceeded', ({ commandName }) => made.push(commandName))
  const block = { failCommands: ['createIndexes'], blockConnection: true, blockTimeMS: BLOCKED_MS }
  await failPoint('failCommand', 'alwaysOn', block)
  await logIn(createSessionApp(userData))
  expect(made).not.toContain('createIndexes')
  await failPoint('failCommand', 'off')
  await userData.ready()
  expect(made).toContain('createIndexes')
})

it('ready() succeeds if the search for duplicates takes too long', async () => {
  const userData = createTestUserData(database)
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  await failPoint('failCommand', 'alwaysOn', { failCommands: ['aggregate'], errorCode: 50 })
  await userData.ready()
  await failPoint('failCommand', 'off')
  expect(warnings).toEqual([])
})

it.each(['hello', 'find', 'listIndexes'])(
  'keeps no place from the next load if a %s of an earlier one is never answered',
  async command => {
    const loader = createFreshLoader()
    const data = { failCommands: [command], blockConnection: true, blockTimeMS: BLOCKED_MS }
    await failPoint('failCommand', { times: 1 }, data)
    database.commands.clear()
    const began = performance.now()
    const stuck = loader.load(HEX)
    stuck.catch(() => undefined)
    await expect.poll(() => database.commands.named(command)).not.toEqual([])
    await expect(deadlines.passUntil(stuck)).rejects.toMatchObject({ code: 'custom_data_unavailable' })
    expect(await loader.load(HEX)).toMatchObject({ data: { n: 3 } })
    // And has not waited until the command was done.
    expect(performance.now() - began).toBeLessThan(BLOCKED_MS)
  },
)
