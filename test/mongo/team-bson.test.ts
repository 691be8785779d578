import { createRequire } from 'node:module'
import { BSON } from 'mongodb'
import type { MongoClient } from 'mongodb'
import { expect, it } from 'vitest'
import { createCustomUserData } from 'express-custom-user-data'
import type { CollectionLike } from 'express-custom-user-data'
import { openTeamDatabase } from '../../lib/mongo/team-database.js'

const require = createRequire(import.meta.url)
const OPTIONS = {
  secret: 'a secret of the tests, 32 bytes or more',
  issuer: 'https://a.example',
  audience: 'b',
}

interface Mongoose {
  mongo: { BSON: typeof BSON; MongoClient: typeof MongoClient }
  createConnection(): { collection(name: string): CollectionLike }
}

function mongoose(packageName: string): Mongoose {
  return require(packageName) as Mongoose
}

/** What `mongoose.connection.db.collection()` gives: a collection of the driver inside mongoose, without a way to mongoose. */
function nativeCollection(packageName: string): CollectionLike {
  const { MongoClient } = mongoose(packageName).mongo
  return new MongoClient('mongodb://127.0.0.1').db('app').collection('users')
}

it('the BSON library of the mongodb that this package resolves is found by itself', () => {
  const driver = require('mongodb') as { MongoClient: typeof MongoClient; BSON: typeof BSON }
  const collection = new driver.MongoClient('mongodb://127.0.0.1').db('app').collection('users')
  expect(openTeamDatabase(collection).bson).toBe(driver.BSON)
})

it.each(['mongoose7', 'mongoose8', 'mongoose9'])(
  'the BSON library inside %s is found by its collection',
  name => {
    const collection = mongoose(name).createConnection().collection('users')
    expect(openTeamDatabase(collection).bson).toBe(mongoose(name).mongo.BSON)
  },
)

it.each(['mongoose7', 'mongoose8', 'mongoose9'])(
  'the native collection of %s gets no BSON library of another copy: only userDataInToken is refused, with the option',
  name => {
    const collection = nativeCollection(name)
    expect(openTeamDatabase(collection).bson).toBeUndefined()
    expect(() => createCustomUserData({ ...OPTIONS, collection })).not.toThrow()
    const create = () => createCustomUserData({ ...OPTIONS, collection, userDataInToken: 'canonical' })
    expect(create).toThrow(expect.objectContaining({ code: 'invalid_option' }))
    expect(create).toThrow('"bson"')
    expect(create).toThrow("import { BSON } from 'mongodb'")
  },
)

it('the option "bson" wins', () => {
  const given = mongoose('mongoose8').mongo.BSON
  const collection = nativeCollection('mongoose8')
  expect(openTeamDatabase(collection, { bson: given }).bson).toBe(given)
  expect(() =>
    createCustomUserData({ ...OPTIONS, collection, userDataInToken: 'canonical', bson: given }),
  ).not.toThrow()
})

it.each([{}, { serialize: BSON.serialize }, 'bson', null])('the option "bson" is refused as %j', given => {
  const collection = nativeCollection('mongoose8')
  expect(() => createCustomUserData({ ...OPTIONS, collection, bson: given as never })).toThrow(
    'option "bson": write the BSON that your driver exports',
  )
})
