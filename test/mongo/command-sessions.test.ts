import { MongoClient } from 'mongodb'
import type { Document } from 'mongodb'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createCommandSessions, MAX_SESSIONS } from '../../lib/mongo/command-sessions.js'
import { readFirstBatch } from '../../lib/mongo/first-batch.js'
import type { FirstBatch } from '../../lib/mongo/first-batch.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { primaryAddress } from '../support/primary-address.js'
import { startTcpProxy } from '../support/tcp-proxy.js'

let database: TestDatabase
beforeAll(async () => {
  database = await openDatabase()
  await database.db.collection('documents').insertOne({ n: 1 })
})
beforeEach(() => {
  database.commands.clear()
})
afterAll(() => database.close())

/** Reads that share their sessions, and how many were started. */
function createReader({ client, db }: Pick<TestDatabase, 'client' | 'db'> = database, retryReads = true) {
  let started = 0
  const startSession: MongoClient['startSession'] = (...options) => {
    started++
    return client.startSession(...options)
  }
  const target = { db, retryReads, sessions: createCommandSessions({ client: { startSession } }) }
  const read = (command: Document = { find: 'documents' }): Promise<FirstBatch<unknown>> => {
    const { signal } = new AbortController()
    return readFirstBatch(target, command, { signal, session: undefined })
  }
  return { read, started: () => started }
}

/** The sessions of the reads that were sent, in their order. */
function sessionsOf({ commands }: TestDatabase): unknown[] {
  return commands
    .named('find')
    .map(({ command }) => (command['lsid'] as Document | undefined)?.['id'] as unknown)
}

describe('a read', () => {
  it('is in the session of the one before', async () => {
    const { read, started } = createReader()
    for (let n = 0; n < 3; n++) await read()
    expect(started()).toBe(1)
    expect(new Set(sessionsOf(database).map(String)).size).toBe(1)
  })

  it('is alone in its session meanwhile, and there are no more sessions than reads at a time', async () => {
    const { read, started } = createReader()
    for (let round = 1; round <= 3; round++) {
      database.commands.clear()
      await Promise.all(Array.from({ length: 5 }, () => read()))
      expect(new Set(sessionsOf(database).map(String)).size).toBe(5)
    }
    expect(started()).toBe(5)
  })

  it('has the driver make its session where there are many already', async () => {
    const { read, started } = createReader()
    await Promise.all(Array.from({ length: MAX_SESSIONS + 5 }, () => read()))
    await read()
    expect(started()).toBe(MAX_SESSIONS)
    expect(sessionsOf(database)).not.toContain(undefined)
  })

  it('does not wait for what others in its session have seen', async () => {
    const { read, started } = createReader()
    const command = () => ({ find: 'documents', readConcern: { level: 'majority' } })
    for (let n = 0; n < 2; n++) await read(command())
    for (const { command } of database.commands.named('find'))
      expect(command['readConcern']).toEqual({ level: 'majority' })
    expect(started()).toBe(1)
  })

  it('that fails ends its session, and is followed by one in a new one', async () => {
    const { read, started } = createReader()
    await read()
    for (let failures = 1; failures <= MAX_SESSIONS; failures++) {
      await expect(read({ find: 'documents', filter: { $no: 1 } })).rejects.toThrow('$no')
      await read()
      expect(started()).toBe(1 + failures)
    }
  })

  it('goes on where its client was closed and has connected again, however often', async () => {
    const own = await openDatabase()
    onTestFinished(() => own.close())
    const { read, started } = createReader(own)
    for (let times = 1; times <= 2; times++) {
      const batches = await Promise.all(Array.from({ length: MAX_SESSIONS }, () => read()))
      expect(batches.every(({ rows }) => rows.length === 0)).toBe(true)
      expect(started()).toBe(times * MAX_SESSIONS)
      await own.client.close()
      await own.client.connect()
    }
  })

  it.each([true, false])(
    'does without where the server has no sessions, retryReads: %s',
    async retryReads => {
      const { host, port } = await primaryAddress(database.client)
      const proxy = await startTcpProxy(host, port)
      proxy.rewrite('logicalSessionTimeoutMinutes', 'logicalSessionTimeoutMinutex')
      const own = await openDatabase({ proxyPort: proxy.port, retryReads })
      onTestFinished(async () => {
        await own.close()
        await proxy.close()
      })
      const { read, started } = createReader(own, retryReads)
      for (let n = 0; n < 2; n++) {
        const batches = await Promise.all([read(), read(), read()])
        expect(batches.map(({ rows }) => rows)).toEqual([[], [], []])
      }
      expect(started()).toBe(3)
      expect(sessionsOf(own)).toEqual(Array(6).fill(undefined))
    },
  )
})

it('behind a load balancer there are no sessions, for each would keep a connection', () => {
  const client = new MongoClient('mongodb://127.0.0.1/?loadBalanced=true')
  expect(createCommandSessions({ client }).take()).toBeUndefined()
})
