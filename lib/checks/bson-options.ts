import type { Check } from './check.js'

/** An option of a driver that changes how values are read. */
interface IgnoredOption {
  readonly name: string
  readonly isSet: (value: unknown) => boolean
  /** The option as it is set, and as it would be without an effect. */
  readonly written: { readonly set: string; readonly unset: string }
  readonly form: string
}

const IGNORED: readonly IgnoredOption[] = [
  flag('useBigInt64', true, '64-bit integers are numbers, and a Long beyond 2^53'),
  flag('promoteLongs', false, '64-bit integers are numbers, and a Long beyond 2^53'),
  flag('promoteValues', false, 'numbers are numbers of JavaScript'),
  flag('promoteBuffers', true, 'binary data is a Binary'),
  flag('raw', true, 'documents are decoded'),
  {
    name: 'fieldsAsRaw',
    isSet: value => Object.keys(Object(value) as object).length > 0,
    written: { set: 'fieldsAsRaw', unset: '{}' },
    form: 'documents are decoded',
  },
]

function flag(name: string, value: boolean, form: string): IgnoredOption {
  return {
    name,
    isSet: given => given === value,
    written: { set: `${name}: ${value}`, unset: String(!value) },
    form,
  }
}

/**
 * Checks whether the client, the database or the collection has options for reading BSON. Custom data has one form whatever they
 * are, because handlers pass it to `JSON.stringify()`, which throws for a bigint.
 */
export const checkBsonOptions: Check = ({ collection }) => {
  const { bsonOptions = {} } = collection as { readonly bsonOptions?: object }
  const ignored = IGNORED.filter(({ name, isSet }) => isSet(Reflect.get(bsonOptions, name)))
  if (ignored.length === 0) return Promise.resolve([])
  const named = ignored.map(({ written }) => written.set).join(', ')
  const forms = [...new Set(ignored.map(({ form }) => form))].join('; ')
  const unset = ignored.map(({ name, written }) => `${name}: ${written.unset}`).join(', ')
  const message =
    `The client or the collection has ${named}, which custom data does not follow. In custom data ${forms}. Declare these ` +
    'types in your interface, or convert the values by the option "schema". To silence this, open the collection without: ' +
    `db.collection(name, { ${unset} }).`
  return Promise.resolve([{ code: 'bson_option_ignored', message }])
}
