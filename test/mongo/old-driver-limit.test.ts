import { createRequire } from 'node:module'
import type { CommandStartedEvent, MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { loadCustomData } from '../support/guarded-app.js'
import { primaryAddress } from '../support/database.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import type { TcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData } from '../support/user-data.js'

const deadlines = holdDeadlines()
const direct = useDatabase()
let proxy: TcpProxy
let client: MongoClient
beforeAll(async () => {
  const { host, port } = await primaryAddress(direct.client)
  proxy = await startTcpProxy(host, port)
  const driver = createRequire(import.meta.url)('mongodb5') as { MongoClient: typeof MongoClient }
  client = new driver.MongoClient(`mongodb://127.0.0.1:${proxy.port}/?directConnection=true`, {
    monitorCommands: true,
  })
  await client.connect()
})
afterAll(async () => {
  proxy.resume()
  await client.close()
  await proxy.close()
})

it('with driver 5.9 a load that passed its deadline keeps its place until the driver has finished it', async () => {
  const collection = client.db(direct.db.databaseName).collection('custom_user_data')
  await collection.insertMany([{ userId: 'bob' }, { userId: 'eve' }] as object[])
  const userData = createTestUserData(direct, { collection, loadTimeoutMs: 500, maxConcurrentLoads: 1 })
  userData.events.on('warning', () => undefined)
  await userData.ready()
  await loadCustomData(userData, 'bob')
  const asked: string[] = []
  client.on('commandStarted', ({ commandName }: CommandStartedEvent) => asked.push(commandName))
  const reads = () => asked.filter(name => name === 'find')

  proxy.holdAnswers()
  const refused = { code: 'custom_data_unavailable', status: 503 }
  const first = loadCustomData(userData, 'bob')
  first.catch(() => undefined)
  await expect.poll(reads).toHaveLength(1)
  await expect(deadlines.passUntil(first)).rejects.toMatchObject(refused)
  // It would be a second operation at the server.
  const second = loadCustomData(userData, 'eve')
  await expect(deadlines.passUntil(second)).rejects.toMatchObject(refused)
  expect(reads()).toHaveLength(1)

  proxy.resume()
  expect(await loadCustomData(userData, 'eve')).toMatchObject({ userId: 'eve' })
})
