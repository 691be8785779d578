import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startMongod } from '../../examples/support/start-mongod.js'
import type { StartedMongod } from '../../examples/support/start-mongod.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { loadCustomData } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

/** Errors that pass by themselves: the primary steps down, and a server shuts down. */
const CODES = [11602, 91]
const ALICE = { userId: 'alice', language: 'en', logins: 7 }

let mongod: StartedMongod
let database: TestDatabase
beforeAll(async () => {
  mongod = await startMongod({ args: ['--setParameter', 'enableTestCommands=1'] })
  // After such an error the driver waits for its next look at the server, which is by default every ten seconds.
  database = await openDatabase({ uri: mongod.uri, heartbeatFrequencyMS: 500 })
  await database.db.collection('custom_user_data').insertOne({ ...ALICE })
})
beforeEach(() => {
  database.commands.clear()
})
afterAll(async () => {
  await database.close()
  await mongod.stop()
})

/** Lets the server fail the next command of this name on a collection, once. */
async function failOnce(command: string, collection: string, errorCode: number): Promise<void> {
  const namespace = `${database.db.databaseName}.${collection}`
  const data = { failCommands: [command], namespace, errorCode }
  await database.client.db('admin').command({ configureFailPoint: 'failCommand', mode: { times: 1 }, data })
  database.commands.clear()
}

const READS: readonly [what: string, command: string, options: Parameters<typeof createTestUserData>[1]][] = [
  ['a load', 'find', {}],
  ['a load with a projection', 'aggregate', { projection: { language: 1 } }],
  ['a load of exact types', 'find', { userDataInToken: 'canonical' }],
  [
    'a load of exact types with a projection',
    'aggregate',
    { userDataInToken: 'canonical', projection: { language: 1 } },
  ],
]

describe.each(CODES)('after one error %i of MongoDB the driver repeats the command:', code => {
  it.each(READS)('%s succeeds by %s', async (_what, command, options) => {
    const userData = createTestUserData(database, options)
    await userData.ready()
    await failOnce(command, 'custom_user_data', code)
    expect(await loadCustomData(userData, 'alice')).toMatchObject({ language: 'en' })
    expect(database.commands.loads().map(({ name }) => name)).toEqual([command, command])
    expect(userData.stats()).toMatchObject({ loads: 1, failedLoads: 0 })
  })

  it('a login succeeds if its session is stored by the second attempt', async () => {
    const userData = createTestUserData(database)
    await userData.ready()
    await failOnce('findAndModify', 'custom_user_data_sessions', code)
    expect(await userData.issueTokens('alice')).toMatchObject({ user: { id: 'alice' } })
    expect(database.commands.named('findAndModify')).toHaveLength(2)
  })
})
