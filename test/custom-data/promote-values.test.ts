import { BSON, Code, DBRef, Long, ObjectId } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { promoteValues } from '../../lib/custom-data/promote-values.js'

const EXACT = { promoteValues: false, promoteLongs: false, bsonRegExp: true }

describe('promoted values', () => {
  it.each([
    { what: 'numbers', value: { int: 1, double: 1.5, long: Long.fromNumber(2) } },
    { what: 'a reference', value: new DBRef('users', new ObjectId(), 'app', { since: Long.fromNumber(5) }) },
    { what: 'code with a scope', value: new Code('n + 1', { n: Long.fromNumber(5) }) },
    { what: 'what is inside', value: [{ regExp: /a/i, list: [Long.MAX_VALUE] }] },
  ])('are what the driver gives by itself, and what they are made of stays as it is: $what', ({ value }) => {
    const bytes = BSON.serialize({ value })
    const exact = BSON.deserialize(bytes, EXACT)
    expect(promoteValues(exact)).toEqual(BSON.deserialize(bytes))
    expect(exact).toEqual(BSON.deserialize(bytes, EXACT))
  })
})
