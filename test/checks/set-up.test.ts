import { BSON, Decimal128, Long, MongoClient, ObjectId } from 'mongodb'
import type { Collection, Db, Document } from 'mongodb'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { CustomUserDataOptions, WarningEvent } from 'express-custom-user-data'
import { openDatabase, openProxiedDatabase, primaryAddress, useDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { loadCustomData } from '../support/guarded-app.js'
import { createSessionApp, logIn } from '../support/session-app.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData } from '../support/user-data.js'

// Driver 5 does not export it by itself.
const { UUID } = BSON

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>

const NUMBERS: Options = { toFieldValues: id => [Number(id)] }

let fresh: TestDatabase
let db: Db
let profiles: Collection
beforeEach(async () => {
  // A database for each test, because the names of other collections matter here.
  fresh = await openDatabase()
  onTestFinished(fresh.close)
  db = fresh.db
  profiles = db.collection('profiles')
})

/** The warnings of an instance when it becomes ready, twice. */
async function warningsOf(options: Options = {}): Promise<WarningEvent[]> {
  const userData = createTestUserData({ db }, { collection: profiles, ...options })
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  await userData.ready()
  await userData.ready()
  return warnings
}

const warning = (code: string, ...parts: string[]) => [
  { code, message: expect.stringMatching(new RegExp(parts.map(escape).join('[^]*'))) as string },
]
const escape = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)

describe('the user id field', () => {
  it.each([
    ['user_id', 'userIdField: "user_id"'],
    ['userid', 'userIdField: "userid"'],
    ['owner', 'userIdField. A document has the fields "_id", "owner", "n"'],
  ])('is named in a warning if all documents have %s instead', async (field, says) => {
    await profiles.insertMany([
      { [field]: 'alice', n: 1 },
      { [field]: 'bob', n: 2 },
    ])
    expect(await warningsOf()).toMatchObject(warning('user_id_field_missing', 'profiles', '"userId"', says))
  })

  it('causes no warning if only some documents have it', async () => {
    await profiles.insertMany([{ kind: 'settings' }, { userId: null }, { userId: 'alice' }])
    expect(await warningsOf()).toEqual([])
  })

  it('may be a dotted path or _id', async () => {
    await profiles.insertOne({ _id: 'alice' as never, account: { id: 'alice' } })
    expect(await warningsOf({ userIdField: 'account.id' })).toEqual([])
    expect(await warningsOf({ userIdField: '_id' })).toEqual([])
  })

  it('is not compared with the names of fields if it is a path', async () => {
    await profiles.insertOne({ account: { id: 'alice' } })
    const says = warning('user_id_field_missing', 'the fields "_id", "account"')
    expect(await warningsOf({ userIdField: 'account.user' })).toMatchObject(says)
  })

  it('causes no warning if the tests of an app empty the collection while it is looked for', async () => {
    await profiles.insertOne({ userId: 'alice' })
    const { client, db: throughProxy, proxy } = await openProxiedDatabase(fresh)
    client.on('commandStarted', ({ command }) => {
      if (command['aggregate'] === 'profiles') proxy.holdAnswers()
    })
    const userData = createTestUserData(
      { db: throughProxy },
      { collection: throughProxy.collection('profiles') },
    )
    const warnings: WarningEvent[] = []
    userData.events.on('warning', found => warnings.push(found))
    const ready = userData.ready()
    await expect.poll(() => proxy.holdsAnswer('fields')).toBe(true)
    await profiles.deleteMany({})
    client.removeAllListeners('commandStarted')
    proxy.resume()
    await ready
    expect(warnings).toEqual([])
  })

  it('causes a warning by the first load if ready() is never called', async () => {
    await profiles.insertOne({ user_id: 'alice' })
    const userData = createTestUserData({ db }, { collection: profiles })
    const warnings: WarningEvent[] = []
    userData.events.on('warning', found => warnings.push(found))
    expect(await loadCustomData(userData, 'alice')).toEqual({})
    await expect.poll(() => warnings).toMatchObject(warning('user_id_field_missing'))
  })
})

describe('stored user ids', () => {
  it.each<[string, unknown, string]>([
    ['whole numbers', 7, 'type int. '],
    ['whole numbers as well', 8, 'toFieldValues: id => (/^(0|[1-9]'],
    ['64-bit numbers', Long.fromString('9007199254740993'), 'type long. '],
    ['fractions', 7.5, 'type double. '],
    ['decimals', Decimal128.fromString('7'), 'type decimal. '],
    ['UUIDs', new UUID(), 'new UUID(id)'],
    ['booleans', true, 'toFieldValues'],
    ['lists', ['alice'], 'array'],
  ])('cause a warning with the option to write if they are %s', async (_what, userId, says) => {
    await profiles.insertOne({ userId })
    expect(await warningsOf()).toMatchObject(warning('user_id_type_unusable', '"userId"', says))
  })

  it('cause a warning if some are texts and others ObjectIds', async () => {
    await profiles.insertMany([{ userId: 'alice' }, { userId: new ObjectId() }])
    const says = 'toFieldValues: id => (/^[0-9a-f]{24}$/.test(id) ? [new ObjectId(id), id] : [id])'
    expect(await warningsOf()).toMatchObject(warning('user_id_types_mixed', '"userId"', says))
  })

  it.each<[string, Document[], Options]>([
    ['texts and lists of ObjectIds', [{ userId: 'alice' }, { userId: [new ObjectId()] }], {}],
    ['of both kinds, and toFieldValues is given', [{ userId: '7' }, { userId: new ObjectId() }], NUMBERS],
    ['texts', [{ userId: 'alice' }], {}],
    ['ObjectIds', [{ userId: new ObjectId() }], {}],
    ['texts in some documents', [{ userId: 7 }, { userId: 'alice' }], {}],
    ['numbers, and toFieldValues is given', [{ userId: 7 }], NUMBERS],
  ])('cause no warning if they are %s', async (_what, documents, options) => {
    await profiles.insertMany(documents)
    expect(await warningsOf(options)).toEqual([])
  })
})

describe('the name of the collection', () => {
  it('causes a warning with the similar name if the collection does not exist, and creates nothing', async () => {
    await db.createCollection('custom_user_data')
    const collection = db.collection('custom_userdata')
    const says = warning(
      'collection_missing',
      'custom_userdata',
      'collection: db.collection("custom_user_data")',
    )
    expect(await warningsOf({ collection })).toMatchObject(says)
    // The next start warns again.
    expect(await warningsOf({ collection })).toMatchObject(says)
    const names = (await db.listCollections().toArray()).map(({ name }) => name)
    expect(names).not.toContain('custom_userdata')
  })

  it('gets its index as soon as the collection exists', async () => {
    await db.createCollection('profile')
    const userData = createTestUserData({ db }, { collection: profiles })
    userData.events.on('warning', () => undefined)
    await userData.ready()
    await profiles.insertOne({ userId: 'alice' })
    await userData.ready()
    expect((await profiles.indexes()).map(({ name }) => name)).toEqual([
      '_id_',
      'express_custom_user_data:userId',
    ])
  })

  it.each([
    ['no other collection exists', []],
    ['others have other names', ['orders', 'users']],
    ['others differ in digits only', ['profiles_2025', 'profiles2']],
    ['others are this package’s own', ['profiles_sessions']],
  ])('causes no warning if the collection is missing and %s', async (_what, names) => {
    for (const name of names) await db.createCollection(name)
    expect(await warningsOf({ sessionCollection: db.collection('profiles_sessions') })).toEqual([])
    expect((await profiles.indexes()).map(({ name }) => name)).toContain('express_custom_user_data:userId')
  })

  it('causes no warning that names a collection of the service for clients of App Services', async () => {
    await db.createCollection('custom_user_data_app_services_users')
    const collection = db.collection('custom_user_data')
    expect(await warningsOf({ collection })).toEqual([])
  })

  it('causes no warning if the collection is empty', async () => {
    await db.createCollection('profile')
    await db.createCollection('profiles')
    expect(await warningsOf()).toEqual([])
  })
})

describe('options of the driver for reading BSON', () => {
  it.each<[object, string]>([
    [{ useBigInt64: true }, 'useBigInt64: true'],
    [{ promoteLongs: false }, 'promoteLongs: false'],
    [{ promoteBuffers: true, useBigInt64: true }, 'useBigInt64: true, promoteBuffers: true'],
    [{ raw: true }, 'raw: true'],
    [{ fieldsAsRaw: { list: true } }, 'fieldsAsRaw'],
  ])('are named in a warning, because custom data does not follow them: %j', async (options, named) => {
    const warnings = await warningsOf({ collection: db.collection('profiles', options) })
    expect(warnings.filter(({ code }) => code === 'bson_option_ignored')).toMatchObject(
      warning('bson_option_ignored', named, 'db.collection(name, { '),
    )
  })

  it.each([
    { bsonRegExp: true },
    { ignoreUndefined: true, serializeFunctions: true },
    { useBigInt64: false },
    { fieldsAsRaw: {} },
  ])('cause no warning if custom data follows them, or if they are off: %j', async options => {
    const warnings = await warningsOf({ collection: db.collection('profiles', options) })
    expect(warnings.filter(({ code }) => code === 'bson_option_ignored')).toEqual([])
  })
})

describe('a view as the collection', () => {
  let view: Collection
  beforeEach(async () => {
    await profiles.insertMany([
      { userId: 'alice', n: 1 },
      { userId: 'alice', n: 2 },
      { userId: 'bob', n: 3 },
    ])
    view = await db.createCollection('readable', { viewOn: 'profiles', pipeline: [{ $unset: 'secret' }] })
  })

  it.each<[string, Options]>([
    ['', {}],
    [' with a projection', { projection: { n: 1, _id: 0 } }],
  ])('can be read%s, and ready() warns that it is slow', async (_what, options) => {
    const collection = view
    const warnings = await warningsOf({ collection, ...options })
    expect(warnings.map(({ code }) => code)).toEqual(['collection_is_view', 'duplicate_documents'])
    const userData = createTestUserData({ db }, { collection, ...options })
    userData.events.on('warning', () => undefined)
    expect(await loadCustomData(userData, 'alice')).toMatchObject({ n: 1 })
    expect(await loadCustomData(userData, 'bob')).toMatchObject({ n: 3 })
  })

  it('cannot be written to: a 500 says so', async () => {
    const userData = createTestUserData({ db }, { collection: view })
    userData.events.on('warning', () => undefined)
    for (const write of [
      () => userData.forUser('bob').update({ n: 4 }),
      () => userData.forUser('bob').replace({ n: 4 }),
      () => userData.forUser('bob').delete(),
      () => userData.forUser('carol').replace({ n: 4 }, { upsert: true }),
    ]) {
      await expect(write()).rejects.toMatchObject({ code: 'collection_is_view', status: 500 })
    }
  })

  it('for sessions is refused by ready(), which names the option', async () => {
    await db.collection('empty').insertOne({ expressCustomUserData: 'session' })
    const sessionCollection = await db.createCollection('their_sessions', { viewOn: 'empty', pipeline: [] })
    const userData = createTestUserData({ db }, { sessionCollection })
    await expect(userData.ready()).rejects.toMatchObject({
      code: 'collection_is_view',
      message: expect.stringContaining('"sessionCollection"') as string,
    })
  })
})

describe('a projection that MongoDB refuses', () => {
  it.each<[string, Record<string, unknown>]>([
    ['includes and excludes', { a: 1, b: 0 }],
    ['has an unknown operator', { a: { $nonsense: 1 } }],
    ['has two paths that collide', { a: 1, 'a.b': 1 }],
  ])('is a 500 at each load, and makes ready() reject: it %s', async (_what, projection) => {
    await profiles.insertOne({ userId: 'alice' })
    const userData = createTestUserData({ db }, { collection: profiles, projection })
    const refused = { code: 'projection_refused', status: 500, cause: { name: 'MongoServerError' } }
    await expect(userData.ready()).rejects.toMatchObject(refused)
    await expect(userData.forUser('alice').read()).rejects.toMatchObject(refused)
  })
})

describe('ready() on a slow connection', () => {
  /** Longer than a load may take, and shorter than the driver waits for a server. */
  const DELAY_MS = 150
  const database = useDatabase()

  it('waits for the first connection for longer than a load may take', async () => {
    const { host, port } = await primaryAddress(database.client)
    const proxy = await startTcpProxy(host, port)
    proxy.delay(DELAY_MS)
    const client = new MongoClient(`mongodb://127.0.0.1:${proxy.port}/?directConnection=true`)
    onTestFinished(async () => {
      await client.close()
      await proxy.close()
    })
    const slow = client.db(db.databaseName)
    const userData = createTestUserData({ db: slow }, { loadTimeoutMs: 100, readyTimeoutMs: 20_000 })
    await userData.ready()
  })

  it('rejects with an error of this package that names the step and the host, without credentials', async () => {
    const { host, port } = await primaryAddress(database.client)
    const proxy = await startTcpProxy(host, port)
    proxy.pause()
    const uri = `mongodb://somebody:a-password@127.0.0.1:${proxy.port}/?directConnection=true&serverSelectionTimeoutMS=5000`
    const client = new MongoClient(uri)
    onTestFinished(async () => {
      await client.close()
      await proxy.close()
    })
    const userData = createTestUserData({ db: client.db('app') }, { readyTimeoutMs: 100 })
    const error = (await userData.ready().catch((thrown: unknown) => thrown)) as Error
    expect(error).toMatchObject({
      name: 'CustomUserDataError',
      code: 'custom_data_unavailable',
      status: 503,
      cause: { name: 'DeadlineError' },
    })
    expect(error.message).toContain(`while connecting (127.0.0.1:${proxy.port})`)
    expect(error.message).toContain('No answer within 100 ms')
    expect(error.message).not.toContain('password')
    expect(error.message).not.toContain('somebody')
  })
})

it('a set-up that fails in the background is a warning without the credentials in the address of the cause', async () => {
  const { host, port } = await primaryAddress(db.client)
  const client = new MongoClient(`mongodb://${host}:${port}/?directConnection=true`)
  onTestFinished(() => client.close())
  // Teams wrap connect(), for example to read the connection string from a store of secrets.
  client.connect = () => Promise.reject(new Error('cannot use mongodb://somebody:a-password@example.com/app'))
  const userData = createTestUserData({ db: client.db('app') })
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  await expect(loadCustomData(userData, 'alice')).rejects.toMatchObject({ code: 'database_refused' })
  await expect.poll(() => warnings.map(({ code }) => code)).toEqual(['set_up_failed'])
  expect(warnings[0]!.message).toContain('Cause: Error: cannot use mongodb://[removed]@example.com/app')
})

it('a first login makes no index and asks for none after ready()', async () => {
  const fresh = await openDatabase()
  onTestFinished(fresh.close)
  const userData = createTestUserData(fresh, { loginThrottle: {} })
  userData.events.on('warning', () => undefined)
  await userData.ready()
  fresh.commands.clear()
  await logIn(createSessionApp(userData))
  expect(fresh.commands.named('findAndModify', 'insert')).not.toEqual([])
  expect(fresh.commands.named('createIndexes', 'listIndexes')).toEqual([])
})
