import type { Check } from './check.js'

/** The options of a driver that change how values are read, with the value that changes it. */
const IGNORED = {
  useBigInt64: [true, '64-bit integers are numbers, and a Long beyond 2^53'],
  promoteLongs: [false, '64-bit integers are numbers, and a Long beyond 2^53'],
  promoteValues: [false, 'numbers are numbers of JavaScript'],
  promoteBuffers: [true, 'binary data is a Binary'],
  raw: [true, 'documents are decoded'],
} as const

/**
 * Checks whether the client, the database or the collection has options for reading BSON. Custom data has one form whatever they
 * are, because handlers pass it to `JSON.stringify()`, which throws for a bigint.
 */
export const checkBsonOptions: Check = ({ collection }) => {
  const { bsonOptions = {} } = collection as { readonly bsonOptions?: object }
  const ignored = Object.entries(IGNORED).filter(
    ([name, [value]]) => Reflect.get(bsonOptions, name) === value,
  )
  if (ignored.length === 0) return Promise.resolve([])
  const named = ignored.map(([name, [value]]) => `${name}: ${value}`).join(', ')
  const forms = [...new Set(ignored.map(([, [, form]]) => form))].join('; ')
  const message =
    `The client or the collection has ${named}, which custom data does not follow. In custom data ${forms}. Write your types ` +
    'so, or convert the values by the option "schema". To silence this, open the collection without: ' +
    `db.collection(name, { ${ignored.map(([name, [value]]) => `${name}: ${!value}`).join(', ')} }).`
  return Promise.resolve([{ code: 'bson_option_ignored', message }])
}
