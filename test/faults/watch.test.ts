import type { Collection, Document } from 'mongodb'
import { MongoMemoryServer } from 'mongodb-memory-server-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { findMongod } from '../../examples/support/find-mongod.js'
import { startMongod } from '../../examples/support/start-mongod.js'
import type { StartedMongod } from '../../examples/support/start-mongod.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { createFollower } from '../support/following.js'
import type { Follower } from '../support/following.js'

const ALICE = { _id: 1 as never, userId: 'alice', n: 1 }
/** The app name of the reading client. The server's fail points go by it. */
const READER = 'reader'

let mongod: StartedMongod
let writing: TestDatabase
let reading: TestDatabase
let documents: Collection
let there: Follower
beforeAll(async () => {
  mongod = await startMongod({ args: ['--setParameter', 'enableTestCommands=1'] })
  writing = await openDatabase({ uri: mongod.uri })
  reading = await openDatabase({ uri: mongod.uri, appName: READER })
})
beforeEach(async () => {
  documents = writing.db.collection('custom_user_data')
  await documents.deleteMany({})
  await documents.insertOne(ALICE)
  there = createFollower(reading.client.db(writing.db.databaseName))
  // With the index, a load of this user is no aggregation, which fail points for streams would fail as well.
  await there.userData.ready()
})
afterEach(async () => {
  await heal()
  await there.userData.close()
})
afterAll(async () => {
  await reading.client.close()
  await writing.close()
  await mongod.stop()
})

/** Makes the server fail the reader's commands, until {@link heal}. */
const fail = (failCommands: string[], fault: Document) =>
  writing.client.db('admin').command({
    configureFailPoint: 'failCommand',
    mode: 'alwaysOn',
    data: { failCommands, appName: READER, ...fault },
  })
const heal = () => writing.client.db('admin').command({ configureFailPoint: 'failCommand', mode: 'off' })
const change = (n: number) => documents.updateOne({ _id: ALICE._id }, { $set: { n } })
const watch = () => there.userData.forUser('alice').watch()

describe('a watch goes on', () => {
  it('with the changes of the meantime if its stream breaks and is resumed', async () => {
    const changes = await watch()
    await fail(['getMore', 'aggregate'], { errorCode: 11601 })
    await there.until('custom_data', 'broken')
    const first = changes.next()
    await change(2)
    await heal()
    expect(await first).toMatchObject({ value: { operationType: 'update', updatedFields: { n: 2 } } })
  })

  it('with a change that the stream has lost, because everything is read again', async () => {
    const changes = await watch()
    await fail(['getMore'], { errorCode: 286 })
    await there.until('custom_data', 'broken')
    await change(2)
    await heal()
    await there.until('custom_data', 'open', 2)
    expect(await changes.next()).toMatchObject({ value: { updatedFields: { n: 2 } } })
  })

  it('without a change if the stream has lost its history and the document is as it was', async () => {
    const changes = await watch()
    const first = changes.next()
    reading.commands.clear()
    await fail(['getMore'], { errorCode: 286 })
    await there.until('custom_data', 'broken')
    await heal()
    await there.until('custom_data', 'open', 2)
    await expect.poll(() => reading.commands.loads().length).toBeGreaterThan(0)
    await change(2)
    expect(await first).toMatchObject({ value: { updatedFields: { n: 2 } } })
  })
})

describe('a watch ends', () => {
  it('with "changes_unavailable" if the server refuses the stream, and can be opened again later', async () => {
    const changes = await watch()
    const first = expect(changes.next()).rejects.toMatchObject({
      code: 'changes_unavailable',
      status: 503,
      cause: { code: 13 },
    })
    await fail(['getMore', 'aggregate'], { errorCode: 13, namespace: documents.namespace })
    await first
    expect(there.userData.stats()).toMatchObject({
      watches: 0,
      changeStreams: { custom_data: 'unavailable' },
    })
    await expect(watch()).rejects.toMatchObject({ code: 'changes_unavailable' })
    await heal()
    await there.until('custom_data', 'open', 2)
    const again = await watch()
    await change(2)
    expect(await again.next()).toMatchObject({ value: { updatedFields: { n: 2 } } })
  })

  it('with the error of the read if MongoDB does not answer, and is not repeated by itself', async () => {
    const changes = await watch()
    const first = expect(changes.next()).rejects.toMatchObject({
      code: 'custom_data_unavailable',
      status: 503,
    })
    await fail(['find'], { errorCode: 11602 })
    await change(2)
    await first
    expect(there.userData.stats().watches).toBe(0)
    await heal()
    expect(await changes.next()).toEqual({ done: true, value: undefined })
  })
})

describe('a watch is refused with "changes_unavailable"', () => {
  it('if the stream is broken for longer than changeStreamTimeoutMs', async () => {
    const broken = createFollower(reading.client.db(writing.db.databaseName), {
      changeStreamTimeoutMs: 1_000,
    })
    await broken.userData.ready()
    await fail(['getMore', 'aggregate'], { errorCode: 11601 })
    await broken.until('custom_data', 'broken')
    const answer = () =>
      broken.userData
        .forUser('alice')
        .watch()
        .catch((error: unknown) => error)
    await expect.poll(answer, { timeout: 5_000 }).toMatchObject({ code: 'changes_unavailable' })
    expect(broken.userData.stats().changeStreams.custom_data).toBe('broken')
    expect(await broken.userData.forUser('alice').read()).toEqual(ALICE)
    await broken.userData.close()
  })

  it('if the server is standalone, and says what to run instead', async () => {
    vi.stubEnv('MONGOMS_SYSTEM_BINARY_VERSION_CHECK', 'false')
    const standalone = await MongoMemoryServer.create({
      binary: { systemBinary: await findMongod() },
      instance: { storageEngine: 'wiredTiger', ip: '127.0.0.1' },
    })
    const database = await openDatabase({ uri: standalone.getUri() })
    const alone = createFollower(database.db)
    await expect(alone.userData.forUser('alice').watch()).rejects.toMatchObject({
      code: 'changes_unavailable',
      message: expect.stringContaining('Run a replica set') as string,
    })
    expect(alone.userData.stats().watches).toBe(0)
    await alone.userData.close()
    await database.client.close()
    await standalone.stop()
    vi.unstubAllEnvs()
  })
})
