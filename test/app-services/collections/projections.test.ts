import { BSON } from 'mongodb'
import { expect, test } from 'vitest'
import { parseProjection } from '../../../lib/app-services/collections/client-projections.js'
import { useDatabase } from '../../support/database.js'

const database = useDatabase()

const DOCUMENT = {
  _id: 1,
  name: 'Alice',
  nothing: null,
  address: { city: 'Bern', street: { name: 'Gasse', number: 3 } },
  tags: ['a', { n: 1, m: 2 }, [{ n: 3, m: 4 }, 'b']],
  empty: {},
  none: [],
}

test.each<[string, Record<string, unknown>]>([
  ['nothing', {}],
  ['a field', { name: 1 }],
  ['a field and not the _id', { name: true, _id: false }],
  ['only the _id', { _id: 1 }],
  ['all but the _id', { _id: 0 }],
  ['all but a field', { name: 0 }],
  ['all but a field, and the _id by name', { name: false, _id: true }],
  ['all but a field and the _id', { name: 0, _id: 0 }],
  ['a number other than 0 and 1', { name: 2.5 }],
  ['a Long', { name: BSON.Long.fromNumber(1) }],
  ['a Double', { name: new BSON.Double(0) }],
  ['a field that is not there', { other: 1 }],
  ['a field whose value is null', { nothing: 1 }],
  ['an inner field', { 'address.city': 1 }],
  ['an inner field, as an object', { address: { city: 1 } }],
  ['an inner field further down', { 'address.street.name': 1, 'address.city': 1 }],
  ['all but an inner field', { 'address.street.name': 0 }],
  ['all but an inner field, as an object', { address: { street: { number: false } } }],
  ['an inner field of a value that has none', { 'name.x': 1 }],
  ['all but an inner field of a value that has none', { 'name.x': 0 }],
  ['an inner field of null', { 'nothing.x': 1 }],
  ['a field of elements of a list', { 'tags.n': 1 }],
  ['all but a field of elements of a list', { 'tags.n': 0 }],
  ['a field of an empty object', { 'empty.x': 1 }],
  ['a field of an empty list', { 'none.x': 1 }],
])('a projection of %s gives what MongoDB gives', async (_what, projection) => {
  const collection = database.db.collection('documents')
  await collection.replaceOne({ _id: 1 as never }, DOCUMENT, { upsert: true })
  const expected = await collection.findOne({}, { projection })
  expect(parseProjection(projection)(DOCUMENT)).toEqual(expected)
})

test.each<[string, unknown, RegExp]>([
  ['is a text', 'name', /must be an object/],
  ['is null', null, /must be an object/],
  ['is a list', ['name'], /must be an object/],
  ['includes one field and excludes another', { name: 1, address: 0 }, /either includes or excludes/],
  ['has an operator', { tags: { $slice: 1 } }, /"tags" is not supported: write 1, 0, true or false/],
  ['computes a field', { copy: '$address' }, /"copy" is not supported/],
  ['has an empty object', { name: {} }, /"name" is not supported/],
  ['has null', { name: null }, /"name" is not supported/],
  ['has a positional path', { 'tags.$': 1 }, /the path "tags\.\$" is not supported/],
  ['has a path with an empty step', { 'tags..n': 1 }, /the path "tags\.\.n" is not supported/],
  ['has an empty path', { '': 1 }, /the path "" is not supported/],
  ['has a path twice', { address: { city: 1 }, 'address.city': 1 }, /"address\.city" collides/],
  ['has a path inside of another', { address: 1, 'address.city': 1 }, /"address\.city" collides/],
  ['has a path around another', { 'address.city': 1, address: 1 }, /"address" collides/],
])('a projection that %s is refused', (_what, projection, message) => {
  expect(() => parseProjection(projection)).toThrow(message)
})
