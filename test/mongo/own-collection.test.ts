import MongoStore from 'connect-mongo'
import express from 'express'
import session from 'express-session'
import type { Collection, Document } from 'mongodb'
import request from 'supertest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { WarningEvent } from 'express-custom-user-data'
import { startMongod } from '../../examples/support/start-mongod.js'
import type { StartedMongod } from '../../examples/support/start-mongod.js'
import { createEvents } from '../../lib/events.js'
import { createOwnCollection, MARK } from '../../lib/mongo/own-collection.js'
import type { OwnIndex } from '../../lib/mongo/own-collection.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { createSessionApp, logIn, refresh } from '../support/session-app.js'
import { createTestUserData, forgeToken } from '../support/user-data.js'

const INDEXES: readonly OwnIndex[] = [
  { fields: ['expiresAt'], options: { name: 'our_expiry', expireAfterSeconds: 0 } },
]
const PAST = new Date('2001-01-01')

let server: StartedMongod
let database: TestDatabase
beforeAll(async () => {
  // A server of its own, which cleans up every second and not once a minute.
  server = await startMongod({ args: ['--setParameter', 'ttlMonitorSleepSecs=1'] })
  database = await openDatabase({ uri: server.uri })
})
afterAll(async () => {
  await database.close()
  await server.stop()
})

let collections = 0
let collection: Collection
let warnings: WarningEvent[]
beforeEach(() => {
  collection = database.db.collection(`collection_${collections++}`)
  warnings = []
})

function own(indexes = INDEXES) {
  const events = createEvents()
  events.emitter.on('warning', warning => warnings.push(warning))
  return createOwnCollection(
    {
      optionName: 'someCollection',
      indexes,
      missingIndexCode: 'session_index_missing',
      timeoutMs: 10_000,
    },
    () => Promise.resolve(collection),
    events,
  )
}

const dump = (of: Collection) => of.find().sort({ _id: 1 }).toArray()

/** How often the server has cleaned up. */
async function passes(): Promise<number> {
  const { metrics } = (await database.client.db('admin').command({ serverStatus: 1 })) as {
    metrics: { ttl: { passes: unknown } }
  }
  return Number(metrics.ttl.passes)
}

/** Waits until a clean-up that began after this call has ended. */
async function cleanedUp(): Promise<void> {
  const before = await passes()
  await expect.poll(passes, { interval: 100 }).toBeGreaterThanOrEqual(before + 2)
}

describe('the access to a collection of this package', () => {
  it('is refused with 500 if the collection holds a document of the app, and the message names the option', async () => {
    await collection.insertOne({ course: 'maths', expiresAt: PAST })
    const { open, ensureIndexes } = own()
    for (const attempt of [open, ensureIndexes]) {
      await expect(attempt()).rejects.toMatchObject({
        code: 'foreign_collection',
        status: 500,
        message: expect.stringMatching(new RegExp(`${collection.namespace}.*"someCollection"`)) as unknown,
      })
    }
    expect(await collection.indexes()).toHaveLength(1)
  })

  it('is given as soon as the documents of the app are gone', async () => {
    await collection.insertOne({ course: 'maths' })
    const { open } = own()
    await expect(open()).rejects.toMatchObject({ code: 'foreign_collection' })
    await collection.deleteMany({})
    expect((await open()).namespace).toBe(collection.namespace)
  })

  it.each<[string, Document[]]>([
    ['does not exist', []],
    ['is empty', [{ remove: 'me' }]],
    ['holds only documents with our mark', [{ [MARK]: 'session' }, { [MARK]: 'user' }]],
  ])('is given where the collection %s', async (_name, documents) => {
    for (const document of documents) await collection.insertOne(document)
    await collection.deleteMany({ remove: 'me' })
    expect((await own().open()).namespace).toBe(collection.namespace)
  })

  it('is checked once by each process, and without a search if our index exists', async () => {
    const first = own()
    await first.ensureIndexes()
    database.commands.clear()
    for (let i = 0; i < 3; i++) await first.open()
    expect(database.commands.named('find', 'listIndexes')).toHaveLength(0)
    const second = own()
    await Promise.all([second.open(), second.open()])
    expect(database.commands.named('find', 'listIndexes').map(({ name }) => name)).toEqual(['listIndexes'])
  })

  it('is checked by a search if an index of the app has the name of ours', async () => {
    await collection.insertOne({ course: 'maths' })
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
    await collection.createIndex({ expiresAt: 1 }, { name: 'our_expiry' })
    await expect(own().open()).rejects.toMatchObject({ code: 'foreign_collection' })
  })
})

describe('an index of this package', () => {
  it('covers only documents with our mark: documents that the app adds later never expire', async () => {
    await own().ensureIndexes()
    await collection.insertMany([
      { course: 'maths', expiresAt: PAST },
      { [MARK]: 'session', expiresAt: PAST },
      { [MARK]: 'session', expiresAt: null },
    ] as Document[])
    await expect.poll(() => collection.countDocuments()).toBe(2)
    await cleanedUp()
    expect(await collection.find({}, { projection: { _id: 0 } }).toArray()).toEqual([
      { course: 'maths', expiresAt: PAST },
      { [MARK]: 'session', expiresAt: null },
    ])
  })

  it('that cannot be made causes a warning with the whole command', async () => {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
    await collection.createIndex({ other: 1 }, { name: 'our_expiry' })
    await own().ensureIndexes()
    expect(warnings).toMatchObject([{ code: 'session_index_missing' }])
    expect(warnings[0]!.message).toContain(
      '{"partialFilterExpression":{"expressCustomUserData":{"$exists":true}},"name":"our_expiry","expireAfterSeconds":0}',
    )
  })
})

describe('an app that has a collection `sessions` of connect-mongo', () => {
  let theirs: Collection
  /** The app's documents: a session of connect-mongo, others that have expired, and some that look like ours. */
  let before: Document[]
  beforeEach(async () => {
    theirs = database.db.collection('sessions')
    await database.db.dropDatabase()
    const store = MongoStore.create({
      mongoUrl: server.uri,
      dbName: database.db.databaseName,
      autoRemove: 'disabled',
    })
    const app = express().use(
      session({ secret: 'a secret', resave: false, saveUninitialized: true, store }),
      (req, res) => {
        ;(req.session as { user?: string }).user = 'alice'
        res.end()
      },
    )
    await request(app).get('/').expect(200)
    await expect.poll(() => theirs.countDocuments()).toBe(1)
    await store.close()
    await theirs.insertMany([
      { course: 'maths', expiresAt: PAST },
      { user: 'alice', expire: PAST },
      { userId: 'alice', revokedAt: null, expiresAt: PAST },
      { userId: 'alice' },
      { _id: 'user:alice', revokedAt: null, disabledAt: null, expiresAt: PAST },
      { userId: 'alice', expressCustomUserData: { plan: 'pro' }, expiresAt: PAST },
    ] as Document[])
    before = await dump(theirs)
  })

  const useAll = async (userData: ReturnType<typeof createTestUserData>) => {
    await userData.ready()
    const app = createSessionApp(userData)
    const { refresh_token: token } = await logIn(app)
    await refresh(app, token).expect(200)
    await userData.revoke('alice')
    await userData.disable('alice')
    await userData.enable('alice')
    await userData.deleteSessions('alice')
  }

  it('keeps every document as it is', async () => {
    await useAll(createTestUserData(database))
    await cleanedUp()
    expect(await dump(theirs)).toEqual(before)
    expect((await theirs.indexes()).map(({ name }) => name)).toEqual(['_id_'])
    expect(await database.db.listCollections({ name: 'custom_user_data_sessions' }).toArray()).toHaveLength(1)
  })

  it('and gives it as `sessionCollection` is refused everywhere; nothing is written, deleted or expired', async () => {
    const userData = createTestUserData(database, { sessionCollection: theirs, sessionCheckIntervalMs: 0 })
    const refused = { code: 'foreign_collection', status: 500 }
    await expect(userData.ready()).rejects.toMatchObject(refused)
    const app = createSessionApp(userData)
    const answer = await request(app).post('/login').send({ user: 'alice' })
    expect(answer).toMatchObject({ status: 500, body: { error: 'server_error' } })
    for (const attempt of [
      () => userData.issueTokens('alice'),
      () => userData.revoke('alice'),
      () => userData.revoke({ sid: 'A'.repeat(22) }),
      () => userData.disable('alice'),
      () => userData.enable('alice'),
      () => userData.deleteSessions('alice'),
      () => userData.sessions('alice'),
    ]) {
      await expect(attempt()).rejects.toMatchObject(refused)
    }
    await cleanedUp()
    expect(await dump(theirs)).toEqual(before)
    expect((await theirs.indexes()).map(({ name }) => name)).toEqual(['_id_'])
  })

  it('and gives it as `sessionCollection` gets one warning at the first load, if ready() is never called', async () => {
    const userData = createTestUserData(database, { sessionCollection: theirs })
    userData.events.on('warning', warning => warnings.push(warning))
    for (let i = 0; i < 3; i++) await userData.verifyToken(forgeToken())
    await expect.poll(() => warnings.map(({ code }) => code)).toEqual(['foreign_collection'])
    await userData.verifyToken(forgeToken())
    expect(warnings[0]!.message).toContain('"sessionCollection"')
    expect(warnings).toHaveLength(1)
  })

  it('keeps its documents, even if it writes them to our collection later', async () => {
    const ours = database.db.collection('custom_user_data_sessions')
    await createTestUserData(database).ready()
    // A document that has the field of the mark counts as ours once the collection is ours.
    const foreign = before.filter(document => !(MARK in document))
    await ours.insertMany(foreign)
    await useAll(createTestUserData(database))
    await cleanedUp()
    expect(
      await ours
        .find({ [MARK]: { $exists: false } })
        .sort({ _id: 1 })
        .toArray(),
    ).toEqual(foreign)
  })
})
