import { ObjectId } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { describeAlgorithm, describeType, describeValue, isObjectId } from '../../lib/util/describe-value.js'

describe('a value in an error message', () => {
  it.each<[unknown, string]>([
    ['text', '"text"'],
    ['x'.repeat(61), `"${'x'.repeat(60)}…"`],
    [-0, '-0'],
    [7, '7'],
    [7n, '7n'],
    [true, 'true'],
    [null, 'null'],
    [undefined, 'undefined'],
  ])('is shown as it is written in code: %s', (value, shown) => {
    expect(describeValue(value)).toBe(shown)
  })

  it.each(['mongodb://u:p@host', 'https://user:secret@idp', '//host?key=secret', 'a@b'])(
    'is only named by its type if it may contain a password: %s',
    value => {
      expect(describeValue(value)).toBe('a text')
    },
  )

  it.each<[unknown, string]>([
    [[], 'a list'],
    [{}, 'an object'],
    [() => 1, 'a function'],
    [Symbol('s'), 'a symbol'],
    [Promise.resolve(), 'a promise: await it first'],
    [new Map(), 'a Map'],
    [new Set(), 'a Set'],
    [new Date(), 'a Date'],
    [/x/, 'a regular expression'],
    [Buffer.from('x'), 'bytes'],
    [new ObjectId(), 'an ObjectId'],
  ])('is named by its type otherwise (%#)', (value, shown) => {
    expect(describeValue(value)).toBe(shown)
  })
})

describe('the type of a secret value', () => {
  it.each<[unknown, string]>([
    ['secret', 'a text'],
    [7, 'a number'],
    [true, 'true or false'],
  ])('never shows the value: %s', (value, shown) => {
    expect(describeType(value)).toBe(shown)
  })
})

describe('an algorithm in an error message', () => {
  it('is shown only if it looks like one, because any other text may be a key', () => {
    expect(describeAlgorithm('EdDSA')).toBe('"EdDSA"')
    expect(describeAlgorithm('a key in the wrong place')).toBe('a text')
    expect(describeAlgorithm(256)).toBe('a number')
  })
})

describe('an ObjectId', () => {
  it('is recognised from any BSON library', () => {
    expect(isObjectId(new ObjectId())).toBe(true)
    expect(isObjectId({ _bsontype: 'ObjectID' })).toBe(true)
    expect(isObjectId('64b7f3a1c2d4e5f601234567')).toBe(false)
    expect(isObjectId(null)).toBe(false)
  })
})
