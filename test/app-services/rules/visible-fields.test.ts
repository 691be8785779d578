import { expect, test } from 'vitest'
import { limitTo, READ_WRITE, toVisibleFields } from '../../../lib/app-services/rules/permissions.js'

/** The fields of `_id`, `a` and `b` that a client may write and ask for under a projection of the instance. */
function visible(projection: Readonly<Record<string, unknown>> | undefined): string[] {
  const { mayWrite, mayAsk } = limitTo(READ_WRITE, toVisibleFields(projection))
  const fields = ['_id', 'a', 'b']
  expect(fields.filter(mayAsk)).toEqual(fields.filter(mayWrite))
  return fields.filter(mayWrite)
}

test.each<[string, Readonly<Record<string, unknown>> | undefined, string[]]>([
  ['no projection', undefined, ['_id', 'a', 'b']],
  ['an empty projection', {}, ['_id', 'a', 'b']],
  ['a field', { a: 1 }, ['_id', 'a']],
  ['a field, by true', { a: true }, ['_id', 'a']],
  ['a field without the _id', { a: 1, _id: 0 }, ['a']],
  ['only the _id', { _id: 1 }, ['_id']],
  ['all but the _id', { _id: 0 }, ['a', 'b']],
  ['all but a field', { a: 0 }, ['_id', 'b']],
  ['all but a field, by false', { a: false }, ['_id', 'b']],
  ['all but a field and the _id', { a: 0, _id: false }, ['b']],
  ['a part of a field', { 'a.x': 1, b: 1 }, ['_id', 'b']],
  ['all but a part of a field', { 'a.x': 0 }, ['_id', 'b']],
  ['a computed field', { a: '$b', b: 1 }, ['_id', 'b']],
  ['a part of a list', { a: { $slice: 1 }, b: 1 }, ['_id', 'b']],
])(
  'with a projection of %s a client may write and ask for fields that it shows whole',
  (_what, given, names) => {
    expect(visible(given)).toEqual(names)
  },
)

test('only without a projection may a client name all fields', () => {
  expect(limitTo(READ_WRITE, toVisibleFields({}))).toMatchObject({ asksAll: true, writesAll: true })
  expect(limitTo(READ_WRITE, toVisibleFields({ a: 0 }))).toMatchObject({ asksAll: false, writesAll: false })
})
