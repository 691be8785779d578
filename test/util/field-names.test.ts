import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import {
  explainUnsafeValue,
  isPlainFieldName,
  pathsOverlap,
  showPath,
  valueAt,
  withValueAt,
} from '../../lib/util/field-names.js'

describe('a plain field name', () => {
  it.each(['language', 'a b', 'ünï', '0', 'a$'])('may be "%s"', name => {
    expect(isPlainFieldName(name)).toBe(true)
  })

  it.each(['', '$set', 'a.b', 'a\0', '__proto__', 'constructor', 'prototype', '_bsontype'])(
    'may not be "%s"',
    name => {
      expect(isPlainFieldName(name)).toBe(false)
    },
  )
})

describe('a value from a client', () => {
  it.each<[unknown]>([[1], [null], ['$set'], [[1, { a: [{ b: 2 }] }]], [{ a: { b: {} } }]])(
    'is safe if all names in it are plain: %j',
    value => {
      expect(explainUnsafeValue(value)).toBeUndefined()
    },
  )

  it.each<[unknown, string]>([
    [{ a: { $gt: '' } }, '"f.a.$gt" is no name of a field'],
    [[{ 'a.b': 1 }], '"f.0.a.b" is no name of a field'],
    [JSON.parse('{ "__proto__": {} }'), '"f.__proto__" is no name of a field'],
    [runInNewContext('({ $set: 1 })'), '"f.$set" is no name of a field'],
  ])('is unsafe with another name at any depth, and the reason has its path: %j', (value, reason) => {
    expect(explainUnsafeValue(value, ['f'])).toBe(reason)
  })

  it('is checked at any depth', () => {
    let value: unknown = { $set: 1 }
    for (let level = 0; level < 100_000; level++) value = [value]
    expect(explainUnsafeValue(value, ['f'])).toMatch(/ is no name of a field$/)
  })
})

describe('a path in a message', () => {
  it('is quoted, and cut if it is long', () => {
    expect(showPath(['a', 'b"'])).toBe('"a.b\\""')
    expect(showPath(['x'.repeat(101)])).toBe(`"${'x'.repeat(100)}…"`)
  })
})

describe('two paths', () => {
  it.each([
    ['a', 'a'],
    ['a', 'a.b'],
    ['a.b.c', 'a.b'],
  ])('overlap if one contains the other: %s and %s', (path, other) => {
    expect(pathsOverlap(path, other)).toBe(true)
  })

  it.each([
    ['a', 'ab'],
    ['a.b', 'a.c'],
    ['b.a', 'a'],
  ])('do not overlap otherwise: %s and %s', (path, other) => {
    expect(pathsOverlap(path, other)).toBe(false)
  })
})

describe('the value at a path', () => {
  it('is read from own properties only', () => {
    expect(valueAt({ a: { b: 1 } }, 'a.b')).toBe(1)
    expect(valueAt({ a: 1 }, 'a.b')).toBeUndefined()
    expect(valueAt({}, 'constructor')).toBeUndefined()
  })

  it('is set in a new document, and the given one stays unchanged', () => {
    const document = { a: { b: 1, c: 2 }, d: 3 }
    expect(withValueAt(document, 'a.b', 4)).toEqual({ a: { b: 4, c: 2 }, d: 3 })
    expect(document).toEqual({ a: { b: 1, c: 2 }, d: 3 })
  })

  it('replaces a value on the path that is not an object', () => {
    expect(withValueAt({ a: 1 }, 'a.b', 2)).toEqual({ a: { b: 2 } })
    expect(withValueAt({}, 'a.b', 2)).toEqual({ a: { b: 2 } })
  })
})
