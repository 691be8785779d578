import { MongoClient } from 'mongodb'
import type { Collection } from 'mongodb'
import { MongoMemoryServer } from 'mongodb-memory-server-core'
import request from 'supertest'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { WarningEvent } from 'express-custom-user-data'
import { findMongod } from '../../examples/support/find-mongod.js'
import { startMongod } from '../../examples/support/start-mongod.js'
import type { StartedMongod } from '../../examples/support/start-mongod.js'
import { createManualClock } from '../support/clock.js'
import { openDatabase, useDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { primaryAddress } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { loadCustomData } from '../support/guarded-app.js'
import { createSessionApp } from '../support/session-app.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import type { TcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData } from '../support/user-data.js'

type Options = Parameters<typeof createTestUserData>[1]

const deadlines = holdDeadlines()
const database = useDatabase()
let collection: Collection
let sessionCollection: Collection
let collections = 0
beforeEach(() => {
  collection = database.db.collection(`documents_${++collections}`)
  sessionCollection = database.db.collection(`sessions_${collections}`)
})

function createInstance(options: Options = {}) {
  const userData = createTestUserData(database, { collection, sessionCollection, ...options })
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  return { userData, warnings }
}

async function indexNames(of: Collection): Promise<unknown[]> {
  return (await of.indexes()).map(({ name }) => name).sort()
}

function commandNames(): string[] {
  return database.commands.map(({ name }) => name)
}

describe('ready()', () => {
  it.each([false, true])(
    'works for two instances with different user id fields on one collection (unique: %j)',
    async uniqueUserId => {
      const shared = database.db.collection(`shared_${uniqueUserId}`)
      await shared.insertOne({ userId: 'alice', owner: 'bob' })
      for (const [userIdField, user] of [
        ['userId', 'alice'],
        ['owner', 'bob'],
      ] as const) {
        const instance = createTestUserData(database, { collection: shared, userIdField, uniqueUserId })
        const warnings: unknown[] = []
        instance.events.on('warning', warning => warnings.push(warning))
        await instance.ready()
        expect(warnings).toEqual([])
        expect(await loadCustomData(instance, user)).toMatchObject({ userId: 'alice' })
      }
    },
  )

  it('makes the indexes once, and then only pings', async () => {
    const { userData } = createInstance()
    await userData.ready()
    expect(await indexNames(collection)).toEqual(['_id_', 'express_custom_user_data:userId'])
    expect(await indexNames(sessionCollection)).toEqual([
      '_id_',
      'session_expiry',
      'session_idle_expiry',
      'session_revoked',
      'session_user',
    ])
    database.commands.clear()
    await userData.ready()
    await userData.ready()
    expect(commandNames()).toEqual(['find', 'find'])
  })

  it('makes the indexes once, even if many ask at the same time', async () => {
    const { userData } = createInstance()
    database.commands.clear()
    await Promise.all(Array.from({ length: 10 }, () => userData.ready()))
    expect(database.commands.named('createIndexes')).toHaveLength(5)
  })

  it('makes no index if a suitable one exists', async () => {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
    await collection.createIndex({ userId: 1 }, { name: 'theirs' })
    const { userData } = createInstance()
    await userData.ready()
    expect(await indexNames(collection)).toEqual(['_id_', 'theirs'])
  })

  it('makes a unique index if the option says so, without documents that lack the field', async () => {
    const { userData } = createInstance({ uniqueUserId: true })
    await userData.ready()
    const [, made] = await collection.indexes()
    expect(made).toMatchObject({
      unique: true,
      partialFilterExpression: { userId: { $exists: true } },
      key: { userId: 1 },
    })
  })

  it('rejects if duplicates prevent the unique index, says how to find them, and resolves when they are gone', async () => {
    await collection.insertMany([{ userId: 'alice' }, { userId: 'alice' }, { userId: 'bob' }])
    const clock = createManualClock(Date.now())
    const { userData } = createInstance({ uniqueUserId: true, clock })
    const error: unknown = await userData.ready().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'user_id_index_conflict', status: 500 })
    const { message } = error as Error
    expect(message).toContain(collection.namespace)
    expect(message).toContain('createIndex({"userId":1}')
    const pipeline = [{ $group: { _id: '$userId', n: { $sum: 1 } } }, { $match: { n: { $gt: 1 } } }]
    expect(message).toContain('$group: { _id: "$userId", n: { $sum: 1 } } }, { $match: { n: { $gt: 1 } } }')
    expect(await collection.aggregate(pipeline).toArray()).toEqual([{ _id: 'alice', n: 2 }])
    await collection.deleteOne({ userId: 'alice' })
    clock.advance(60_000)
    await userData.ready()
    expect(await indexNames(collection)).toContain('express_custom_user_data_unique:userId')
  })

  it('need not be called, because the first load makes the indexes', async () => {
    const { userData } = createInstance()
    await loadCustomData(userData, 'alice')
    await expect.poll(() => indexNames(collection)).toEqual(['_id_', 'express_custom_user_data:userId'])
    await expect
      .poll(() => indexNames(sessionCollection))
      .toEqual(['_id_', 'session_expiry', 'session_idle_expiry', 'session_revoked', 'session_user'])
  })

  it('and loads build a unique index that duplicates prevent at growing distances, and warn once', async () => {
    await collection.insertMany([{ userId: 'alice' }, { userId: 'alice' }])
    const clock = createManualClock(Date.now())
    const { userData, warnings } = createInstance({ uniqueUserId: true, clock })
    const builds = () =>
      database.commands
        .named('createIndexes')
        .filter(({ command }) => command['createIndexes'] === collection.collectionName).length
    const conflicts = () => warnings.filter(({ code }) => code === 'user_id_index_conflict')
    database.commands.clear()
    await loadCustomData(userData, 'alice')
    await expect.poll(conflicts).toHaveLength(1)
    for (let i = 0; i < 20; i++) await loadCustomData(userData, 'alice')
    await expect(userData.ready()).rejects.toMatchObject({ code: 'user_id_index_conflict' })
    expect(builds()).toBe(1)
    clock.advance(60_000)
    await expect(userData.ready()).rejects.toMatchObject({ code: 'user_id_index_conflict' })
    expect(builds()).toBe(2)
    clock.advance(60_000)
    await loadCustomData(userData, 'alice')
    await expect(userData.ready()).rejects.toMatchObject({ code: 'user_id_index_conflict' })
    expect(builds()).toBe(2)
    clock.advance(60_000)
    await expect(userData.ready()).rejects.toMatchObject({ code: 'user_id_index_conflict' })
    expect(builds()).toBe(3)
    expect(conflicts()).toHaveLength(1)
    // The indexes of sessions do not depend on it.
    expect(await indexNames(sessionCollection)).toContain('session_expiry')
  })

  it('need not be called: an index conflict is then a warning, and users are served', async () => {
    await collection.insertMany([
      { userId: 'alice', n: 1 },
      { userId: 'alice', n: 2 },
    ])
    const { userData, warnings } = createInstance({ uniqueUserId: true })
    expect(await loadCustomData(userData, 'alice')).toMatchObject({ n: 1 })
    await expect
      .poll(() => warnings)
      .toContainEqual(expect.objectContaining({ code: 'user_id_index_conflict' }))
  })

  it('pings the primary, even if the collection prefers secondaries', async () => {
    const opened = database.db.collection(collection.collectionName, { readPreference: 'secondary' })
    const { userData } = createInstance({ collection: opened })
    await userData.ready()
    await userData.ready()
  })
})

const PASSWORD = 'a password of the tests'

/** Starts a server that asks for passwords: `owner` may do everything, `reader` may read, `stranger` may do nothing. */
async function startWithUsers(): Promise<MongoMemoryServer> {
  const toUser = (createUser: string, db: string) => ({
    createUser,
    pwd: PASSWORD,
    roles: [{ role: 'read', db }],
    database: 'admin',
  })
  // Any version of mongod will do.
  vi.stubEnv('MONGOMS_SYSTEM_BINARY_VERSION_CHECK', 'false')
  const server = await MongoMemoryServer.create({
    binary: { systemBinary: await findMongod() },
    instance: { storageEngine: 'wiredTiger', ip: '127.0.0.1' },
    auth: {
      enable: true,
      customRootName: 'owner',
      customRootPwd: PASSWORD,
      extraUsers: [toUser('reader', 'app'), toUser('stranger', 'other')],
    },
  })
  vi.unstubAllEnvs()
  return server
}

describe('ready() for a database user who may not create indexes', () => {
  let server: MongoMemoryServer
  let owner: MongoClient
  let reader: MongoClient
  beforeAll(async () => {
    server = await startWithUsers()
    const connect = (username: string) =>
      new MongoClient(server.getUri(), { auth: { username, password: PASSWORD }, authSource: 'admin' })
    owner = connect('owner')
    reader = connect('reader')
    await owner
      .db('app')
      .collection('profiles')
      .insertMany([
        { _id: 'z', userId: 'alice', n: 1 },
        { _id: 'a', userId: 'alice', n: 2 },
      ] as object[])
  })
  afterAll(async () => {
    await owner.close()
    await reader.close()
    await server.stop()
  })

  it('resolves, and warns with the command that makes the index', async () => {
    const profiles = reader.db('app').collection('profiles')
    const sessions = reader.db('app').collection('sessions')
    const { userData, warnings } = createInstance({ collection: profiles, sessionCollection: sessions })
    await userData.ready()
    expect(warnings.map(({ code }) => code)).toEqual([
      'user_id_index_missing',
      'session_index_missing',
      'session_index_missing',
      'session_index_missing',
      'session_index_missing',
      'duplicate_documents',
    ])
    expect(warnings[0]?.message).toContain(
      'db.getCollection("profiles").createIndex({"userId":1}, {"name":"express_custom_user_data:userId","collation":{"locale":"simple"}})',
    )
    // The first inserted document is served, without the index and with it.
    expect(await loadCustomData(userData, 'alice')).toMatchObject({ n: 1 })
    await owner
      .db('app')
      .collection('profiles')
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
      .createIndex({ userId: 1 }, { name: 'express_custom_user_data:userId' })
    expect(await loadCustomData(userData, 'alice')).toMatchObject({ n: 1 })
  })
})

describe('a database user without the rights', () => {
  let server: MongoMemoryServer
  beforeAll(async () => {
    server = await startWithUsers()
  })
  afterAll(() => server.stop())

  /** A client of a database user, until the test has finished. */
  function connect(username: string, password = PASSWORD): MongoClient {
    const client = new MongoClient(server.getUri(), { auth: { username, password }, authSource: 'admin' })
    onTestFinished(() => client.close())
    return client
  }

  function createFor(client: MongoClient) {
    const userData = createTestUserData({ db: client.db('app') }, { loginThrottle: {} })
    userData.events.on('warning', () => undefined)
    return userData
  }

  it('to write is told so by a 500 at each write and login, and can be read for', async () => {
    const userData = createFor(connect('reader'))
    const unauthorized = { code: 'database_unauthorized', status: 500, cause: { code: 13 } }
    expect(await userData.forUser('alice').read()).toBeUndefined()
    for (const attempt of [
      () => userData.forUser('alice').update({ n: 1 }, { upsert: true }),
      () => userData.issueTokens('alice'),
      () => userData.revoke('alice'),
      () => userData.forgetFailedLogins('alice'),
    ]) {
      await expect(attempt()).rejects.toMatchObject(unauthorized)
    }
    const answer = await request(createSessionApp(userData)).post('/login').send({ user: 'alice' })
    expect(answer).toMatchObject({ status: 500, body: { error: 'server_error' } })
    expect(answer.headers).not.toHaveProperty('retry-after')
  })

  it('to read is told so by ready() and by each load', async () => {
    const userData = createFor(connect('stranger'))
    const unauthorized = { code: 'database_unauthorized', status: 500 }
    await expect(userData.ready()).rejects.toMatchObject(unauthorized)
    await expect(loadCustomData(userData, 'alice')).rejects.toMatchObject(unauthorized)
  })

  it('or with a wrong password is told so by ready() and by each load, without the password', async () => {
    const userData = createFor(connect('reader', 'not the password'))
    const error: unknown = await userData.ready().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'database_authentication_failed', status: 500 })
    expect((error as Error).message).toContain('while connecting (127.0.0.1:')
    expect((error as Error).message).not.toContain('not the password')
    await expect(loadCustomData(userData, 'alice')).rejects.toMatchObject({
      code: 'database_authentication_failed',
    })
  })
})

describe('ready() while MongoDB is away', () => {
  let proxy: TcpProxy
  let proxied: TestDatabase
  beforeEach(async () => {
    const { host, port } = await primaryAddress(database.client)
    proxy = await startTcpProxy(host, port)
    proxied = await openDatabase({ proxyPort: proxy.port, heartbeatFrequencyMS: 500 })
  })
  afterEach(async () => {
    await proxy.restore()
    // Not by the proxied client, which may still be recovering.
    await database.client.db(proxied.db.databaseName).dropDatabase()
    await proxied.client.close()
    await proxy.close()
  })

  it.each(['cut', 'pause'] as const)(
    'rejects within about the time of a load after a %s, and resolves when MongoDB is back',
    async fault => {
      const userData = createTestUserData(proxied, { loadTimeoutMs: 300, readyTimeoutMs: 300 })
      const ready = () => deadlines.passUntil(userData.ready())
      for (let turn = 0; turn < 2; turn++) {
        proxy[fault]()
        const began = deadlines.now()
        await expect(ready()).rejects.toMatchObject({ code: 'custom_data_unavailable', status: 503 })
        expect(deadlines.now() - began).toBeLessThan(2_000)
        await proxy.restore()
        await expect.poll(ready).toMatchObject({ answer: { changeStreams: { custom_data: 'off' } } })
      }
    },
  )
})

describe('a look at the documents that fails', () => {
  const APP_NAME = 'app'
  const BAD_VALUE = 2
  /** By this code Atlas says that the same command may succeed later. */
  const ATLAS_ERROR = 8_000
  let mongod: StartedMongod
  let failing: TestDatabase
  beforeAll(async () => {
    mongod = await startMongod({ args: ['--setParameter', 'enableTestCommands=1'] })
    failing = await openDatabase({ uri: mongod.uri, appName: APP_NAME, retryReads: false })
    // Without the index, loads send the command that fails in these tests.
    await createTestUserData({ db: failing.db }).ready()
    await failing.db.collection('custom_user_data').insertOne({ account: 'alice' })
  })
  afterEach(heal)
  afterAll(async () => {
    await failing.close()
    await mongod.stop()
  })

  const configure = (rest: object) =>
    failing.client.db('admin').command({ configureFailPoint: 'failCommand', ...rest })
  /** Makes the server refuse the looks. Loads send other commands. */
  const fail = (errorCode: number) =>
    configure({ mode: 'alwaysOn', data: { failCommands: ['aggregate'], appName: APP_NAME, errorCode } })
  async function heal(): Promise<void> {
    await configure({ mode: 'off' })
  }

  let users = 0
  function createFailing() {
    const clock = createManualClock(Date.now())
    const userData = createTestUserData({ db: failing.db }, { clock, checks: { user_id_never_found: false } })
    const codes: string[] = []
    userData.events.on('warning', ({ code }) => codes.push(code))
    failing.commands.clear()
    const looks = () => failing.commands.named('aggregate').length
    /** Loads for users without a document. A look that the last load causes has begun afterwards. */
    const load = async (times: number) => {
      for (let i = 0; i < times; i++) await loadCustomData(userData, `nobody-${users++}`)
      await failing.db.command({ ping: 1 })
    }
    return { clock, userData, codes, looks, load }
  }

  it.each([
    ['an outage', ATLAS_ERROR],
    ['a refusal', BAD_VALUE],
  ])('by %s is repeated by loads at growing distances only', async (_what, errorCode) => {
    const { clock, looks, load } = createFailing()
    await fail(errorCode)
    await load(20)
    expect(looks()).toBe(1)
    clock.advance(1_000)
    await load(20)
    expect(looks()).toBe(2)
    clock.advance(1_000)
    await load(20)
    expect(looks()).toBe(2)
    clock.advance(1_000)
    await load(20)
    expect(looks()).toBe(3)
  })

  it('by a refusal is one warning, and ready() resolves, because a look only warns', async () => {
    const { codes, userData, load } = createFailing()
    await fail(BAD_VALUE)
    await load(1)
    await userData.ready()
    await userData.ready()
    expect(codes).toEqual(['set_up_failed'])
    await heal()
    await userData.ready()
    expect(codes).toEqual(['set_up_failed', 'user_id_field_missing'])
  })

  it('by an outage is no warning, and ready() rejects', async () => {
    const { codes, userData } = createFailing()
    await fail(ATLAS_ERROR)
    await expect(userData.ready()).rejects.toMatchObject({ code: 'custom_data_unavailable', status: 503 })
    expect(codes).toEqual([])
    await heal()
    await userData.ready()
    expect(codes).toEqual(['user_id_field_missing'])
  })
})
