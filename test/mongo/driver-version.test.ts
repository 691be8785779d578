import { createRequire } from 'node:module'
import type { MongoClient } from 'mongodb'
import { afterAll, afterEach, expect, inject, it } from 'vitest'
import type { CollectionLike } from 'express-custom-user-data'
import { openDatabase } from '../support/database.js'
import { loadCustomData } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

const require = createRequire(import.meta.url)
const clients: MongoClient[] = []
afterEach(() => Promise.all(clients.splice(0).map(client => client.close())))

const database = await openDatabase()
afterAll(() => database.close())

/** A collection of a driver, by the name of its package. */
function bareCollection(packageName: string, name = 'custom_user_data'): CollectionLike {
  const driver = require(packageName) as { MongoClient: typeof MongoClient }
  const client = new driver.MongoClient(inject('mongoUri'))
  clients.push(client)
  return client.db(database.db.databaseName).collection(name)
}

/** A collection of a mongoose that is not connected yet. */
function mongooseCollection(packageName: string): CollectionLike {
  const mongoose = require(packageName) as {
    createConnection(): { collection(name: string): CollectionLike }
  }
  return mongoose.createConnection().collection('custom_user_data')
}

/** The same collection, as if its driver did not tell its version. */
function withoutVersion(collection: CollectionLike): CollectionLike {
  const { client } = collection as unknown as { client: object }
  const silentClient = hiding(client, ['options', 's'])
  return new Proxy(collection, {
    get: (target, key) => {
      if (key === 'db' || key === 's') return undefined
      return key === 'client' ? silentClient : memberOf(target, key)
    },
  })
}

function hiding(object: object, names: readonly PropertyKey[]): object {
  return new Proxy(object, { get: (target, key) => (names.includes(key) ? {} : memberOf(target, key)) })
}

function memberOf(target: object, key: PropertyKey): unknown {
  const member: unknown = Reflect.get(target, key)
  return typeof member === 'function' ? (member.bind(target) as unknown) : member
}

function create(collection: CollectionLike, options: object = {}) {
  return createTestUserData(database, { collection, ...options })
}

it.each(['mongodb5', 'mongodb6', 'mongodb'])('a collection of the driver %s is accepted', name => {
  expect(() => create(bareCollection(name))).not.toThrow()
})

it.each(['mongoose7', 'mongoose8', 'mongoose9'])(
  'a collection of %s is accepted before it is connected',
  name => {
    expect(() => create(mongooseCollection(name))).not.toThrow()
  },
)

it.each([
  ['mongodb56', bareCollection, 'it comes from mongodb 5.6.0', 'npm install mongodb@^5.9.0'],
  ['mongoose6', mongooseCollection, 'mongoose 6.13.8 brings mongodb 4.17.2', 'npm install mongoose@^7.8.0'],
])(
  'a collection of %s is refused at creation, with its version and the command to run',
  (name, open, why, install) => {
    const collection = open(name)
    const refused = expect(() => create(collection))
    refused.toThrow(why)
    expect(() => create(collection)).toThrow(install)
    expect(() => create(collection)).toThrow(expect.objectContaining({ code: 'invalid_option' }))
  },
)

it('a session collection of an old driver is refused at creation, by the name of its option', () => {
  expect(() =>
    createTestUserData(database, { sessionCollection: bareCollection('mongodb56', 'sessions') }),
  ).toThrow('Option "sessionCollection"')
})

it('a driver without a version that answers { value } is refused by ready() and by each load', async () => {
  const userData = create(withoutVersion(bareCollection('mongodb56')))
  await expect(userData.ready()).rejects.toMatchObject({ code: 'driver_unsupported', status: 500 })
  const refused = { code: 'driver_unsupported', status: 500 }
  await expect(loadCustomData(userData, 'bob')).rejects.toMatchObject(refused)
  await expect(userData.issueTokens('bob')).rejects.toMatchObject(refused)
})

it.each(['mongodb5', 'mongodb6', 'mongodb'])(
  'the driver %s works even if it does not tell its version, and the test of it writes nothing',
  async name => {
    const userData = create(withoutVersion(bareCollection(name)))
    userData.events.on('warning', () => undefined)
    await userData.ready()
    expect(await loadCustomData(userData, 'bob')).toEqual({})
    expect(await database.db.collection('custom_user_data').countDocuments()).toBe(0)
  },
)

it('a driver without a version is not refused because the server cannot be reached', async () => {
  const client = new (require('mongodb') as { MongoClient: typeof MongoClient }).MongoClient(
    'mongodb://127.0.0.1:1',
    { serverSelectionTimeoutMS: 100 },
  )
  clients.push(client)
  const collection = withoutVersion(client.db('app').collection('custom_user_data'))
  await expect(loadCustomData(create(collection), 'bob')).rejects.toMatchObject({
    code: 'custom_data_unavailable',
    status: 503,
  })
})
