import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startMongod } from '../../examples/support/start-mongod.js'
import type { StartedMongod } from '../../examples/support/start-mongod.js'
import { findDocument, prepareRead } from '../../lib/custom-data/query.js'
import { createCommandSessions } from '../../lib/mongo/command-sessions.js'
import { readFirstBatch } from '../../lib/mongo/first-batch.js'
import type { FirstBatch, ReadTarget } from '../../lib/mongo/first-batch.js'
import { codeOf } from '../../lib/mongo/server-errors.js'
import { openTeamDatabase } from '../../lib/mongo/team-database.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'

const FIND = { find: 'documents', filter: { n: { $lt: 2 } }, limit: 2 }
const AGGREGATE = { aggregate: 'documents', pipeline: [{ $match: { n: 1 } }], cursor: {} }

let mongod: StartedMongod
let database: TestDatabase
beforeAll(async () => {
  mongod = await startMongod({ args: ['--setParameter', 'enableTestCommands=1'] })
  database = await openDatabase({ uri: mongod.uri })
  await database.db.collection('documents').insertMany([0, 1, 2].map(n => ({ _id: n as never, n })))
})
afterEach(() => database.client.db('admin').command({ configureFailPoint: 'failCommand', mode: 'off' }))
afterAll(async () => {
  await database.close()
  await mongod.stop()
})

async function read(
  command: object,
  {
    db = database.db,
    retryReads = true,
    signal = new AbortController().signal,
    ...options
  }: Partial<ReadTarget & { signal: AbortSignal; promoteValues: boolean }> = {},
): Promise<FirstBatch<unknown>> {
  const target = { db, retryReads, sessions: createCommandSessions(db) }
  return readFirstBatch(target, command, { ...options, signal, session: undefined })
}
const rowsOf = async (...task: Parameters<typeof read>) => (await read(...task)).rows
const sent = () => database.commands.named('find')

/** Lets the next `times` finds fail. */
async function failNext(times: number, fault: object): Promise<void> {
  const data = { failCommands: ['find'], ...fault }
  await database.client.db('admin').command({ configureFailPoint: 'failCommand', mode: { times }, data })
  database.commands.clear()
}

describe('the first batch of a read', () => {
  it('is what a find or an aggregation gives', async () => {
    expect(await rowsOf(FIND)).toEqual([
      { _id: 0, n: 0 },
      { _id: 1, n: 1 },
    ])
    expect(await rowsOf(AGGREGATE)).toEqual([{ _id: 1, n: 1 }])
  })

  it.each([
    { what: 'the connection is lost', fault: { closeConnection: true } },
    { what: 'the primary steps down', fault: { errorCode: 189 } },
    { what: 'the server is no primary any more', fault: { errorCode: 10107 } },
    { what: 'the server shuts down', fault: { errorCode: 91 } },
  ])('is asked for once more where $what', async ({ fault }) => {
    await failNext(1, fault)
    expect(await rowsOf(FIND)).toHaveLength(2)
    expect(sent()).toHaveLength(2)
  })

  it('is asked for twice at most', async () => {
    await failNext(5, { closeConnection: true })
    await expect(read(FIND)).rejects.toThrow(/closed/)
    expect(sent()).toHaveLength(2)
  })

  it.each([
    { what: 'it may not be read', fault: { errorCode: 13 } },
    { what: 'the query is refused', fault: { errorCode: 2 } },
    { what: 'its time is over', fault: { errorCode: 50 } },
    {
      what: 'the server is overloaded',
      fault: { errorCode: 189, errorLabels: ['SystemOverloadedError'] },
    },
  ])('is not asked for again where $what, however codes are decoded', async ({ fault }) => {
    for (const promoteValues of [true, false]) {
      await failNext(1, fault)
      const error: unknown = await read(FIND, { promoteValues }).catch((thrown: unknown) => thrown)
      expect(codeOf(error)).toBe(fault.errorCode)
      expect(sent()).toHaveLength(1)
    }
  })

  it('is asked for once more however codes are decoded', async () => {
    await failNext(1, { errorCode: 189 })
    expect(await rowsOf(FIND, { promoteValues: false })).toHaveLength(2)
    expect(sent()).toHaveLength(2)
  })

  it('is not asked for again where the team told its driver not to', async () => {
    await failNext(1, { closeConnection: true })
    await expect(read(FIND, { retryReads: false })).rejects.toThrow(/closed/)
    expect(sent()).toHaveLength(1)
  })

  it('does not wait twice for a connection', async () => {
    const busy = await openDatabase({ uri: mongod.uri, maxPoolSize: 1, waitQueueTimeoutMS: 100 })
    await busy.db.command({ ping: 1 })
    await failNext(1, { blockConnection: true, blockTimeMS: 3_000 })
    busy.commands.clear()
    const first = read(FIND, { db: busy.db })
    await expect.poll(() => busy.commands.named('find')).not.toEqual([])
    let refusals = 0
    busy.client.on('connectionCheckOutFailed', () => refusals++)
    await expect(read(FIND, { db: busy.db })).rejects.toThrow(/connection/)
    expect(refusals).toBe(1)
    await first
    await busy.close()
  })

  it('says that it is a part where not all had room, and leaves no cursor', async () => {
    const big = 'x'.repeat(9_000_000)
    await database.db.collection('big').insertMany([{ big }, { big }])
    for (const command of [
      { find: 'big', limit: 2 },
      { aggregate: 'big', pipeline: [{ $limit: 2 }], cursor: {} },
    ]) {
      const { rows, hasMore } = await read(command)
      expect({ rows: rows.length, hasMore }).toEqual({ rows: 1, hasMore: true })
    }
    const cursors = async (): Promise<unknown> =>
      (await database.db.command({ serverStatus: 1 }))['metrics'].cursor.open.total
    await expect.poll(cursors).toBe(0)
  })

  it('is not asked for again after the signal', async () => {
    await failNext(1, { blockConnection: true, blockTimeMS: 2_000 })
    const aborting = new AbortController()
    const reading = read(FIND, { signal: aborting.signal })
    database.client.once('commandStarted', () => {
      setImmediate(() => {
        aborting.abort(new Error('too late'))
      })
    })
    await expect(reading).rejects.toThrow('too late')
    expect(sent()).toHaveLength(1)
  })
})

it('a load that fails leaves the driver what the server says of itself, by which it knows its primary', async () => {
  const open = await openTeamDatabase(database.db.collection('documents')).open()
  const once = { ...open, choices: { ...open.choices, retryReads: false } }
  const query = {
    userIdField: 'n',
    values: [1],
    read: prepareRead({ projection: undefined, maxDocumentBytes: 1_000 }),
    index: '_id_',
  }
  await failNext(1, { errorCode: 10107 })
  const limits = { timeoutMs: 5_000, signal: new AbortController().signal }
  const error: unknown = await findDocument(once, query, limits).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 10107, topologyVersion: { processId: { _bsontype: 'ObjectId' } } })
})
