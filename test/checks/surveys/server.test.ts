import { MongoClient } from 'mongodb'
import { MongoMemoryServer } from 'mongodb-memory-server-core'
import { expect, it, onTestFinished, vi } from 'vitest'
import { findMongod } from '../../../examples/support/find-mongod.js'
import { judgeVersion, surveyServer } from '../../../lib/checks/surveys/server.js'
import { useDatabase } from '../../support/database.js'

const database = useDatabase()

it.each([
  ['3.6.23', ['server_too_old']],
  ['4.2.24', ['server_too_old']],
  ['4.4.29', ['server_end_of_life']],
  ['5.0.30', ['server_end_of_life']],
  ['6.0.5', ['server_end_of_life']],
  ['7.0.1', []],
  ['8.0.0', []],
  ['9.0.0', []],
])('a server of version %s has the findings %j', (version, codes) => {
  expect(judgeVersion(version).map(({ code }) => code)).toEqual(codes)
})

it.each([
  ['cluster.docdb.amazonaws.com:27017', 0],
  ['account.mongo.cosmos.azure.com:10255', 0],
  ['db.example.com:27017', 1],
])('the end of support of MongoDB says nothing about %s: %i findings', async (hosts, count) => {
  const limits = { timeoutMs: 60_000, progress: () => undefined }
  // A database that answers as an old MongoDB: no such server can be installed here.
  const db = {
    command: (command: object) =>
      Promise.resolve('hello' in command ? { isWritablePrimary: true } : { version: '5.0.0' }),
  }
  const { findings } = await surveyServer(db as never, hosts, limits)
  expect(findings).toHaveLength(count)
})

it('a server that is not the primary is a problem', async () => {
  const limits = { timeoutMs: 60_000, progress: () => undefined }
  const secondary = {
    command: () =>
      Promise.resolve({
        isWritablePrimary: false,
        me: 'b:1',
        primary: 'a:1',
        setName: 'rs',
        version: '8.0.0',
      }),
  }
  const { findings, facts } = await surveyServer(secondary as never, 'b:1', limits)
  expect(findings).toMatchObject([
    { code: 'server_not_primary', message: expect.stringContaining('(now a:1)') },
  ])
  expect(facts).toMatchObject({ server: { topology: 'replica set', hasChangeStreams: true } })
})

it('a standalone server has no change streams', async () => {
  // Any version of mongod will do.
  vi.stubEnv('MONGOMS_SYSTEM_BINARY_VERSION_CHECK', 'false')
  const server = await MongoMemoryServer.create({
    binary: { systemBinary: await findMongod() },
    instance: { ip: '127.0.0.1' },
  })
  vi.unstubAllEnvs()
  const client = new MongoClient(server.getUri())
  onTestFinished(async () => {
    await client.close()
    await server.stop()
  })
  const limits = { timeoutMs: 60_000, progress: () => undefined }
  const { facts, lines, findings } = await surveyServer(client.db('app'), 'a:1', limits)
  expect(facts).toMatchObject({ server: { topology: 'standalone', hasChangeStreams: false } })
  expect(lines).toEqual(['change streams: not possible, because they need a replica set'])
  expect(findings.map(({ code }) => code)).not.toContain('server_not_primary')
})

it('a real server tells its version and its topology', async () => {
  const { facts } = await surveyServer(database.db, 'a:1', { timeoutMs: 60_000, progress: () => undefined })
  expect(facts).toMatchObject({
    server: { hosts: 'a:1', version: expect.stringMatching(/^\d+\.\d+\.\d+/), topology: 'replica set' },
  })
})
