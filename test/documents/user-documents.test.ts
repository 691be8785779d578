import { BSON, BSONRegExp, BSONSymbol, Decimal128, Double, MaxKey, ObjectId } from 'mongodb'
import { beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { loadCustomData } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

// Driver 5 does not export it by itself.
const { UUID } = BSON

const database = useDatabase()
beforeEach(async () => {
  await documents().deleteMany({})
})

const documents = () => database.db.collection('custom_user_data')

/** An instance whose users are looked up by what this function gives. */
function withFieldValues(toFieldValues: (userId: string) => unknown[]) {
  return createTestUserData(database, { toFieldValues })
}

/** The mapping that the documentation shows for ids that are numbers. */
const toNumber = (id: string) => (/^(0|[1-9]\d{0,14})$/.test(id) ? [Number(id)] : [])

const UUID_TEXT = '0189f5b2-7d3c-7c55-9b1e-3f2f3f2f3f2f'

describe('a value of toFieldValues', () => {
  it.each<[what: string, value: unknown, named: string]>([
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['NaN', NaN, 'NaN'],
    ['a Double of NaN', new Double(NaN), 'NaN'],
    ['a Decimal128 of NaN', Decimal128.fromString('NaN'), 'NaN'],
    ['an empty text', '', 'an empty text'],
    ['a regular expression', /a/, 'a regular expression'],
    ['a regular expression of BSON', new BSONRegExp('a'), 'a BSONRegExp'],
    ['a value that is larger than all', new MaxKey(), 'a MaxKey'],
    ['an operator', { $ne: 1 }, '"$ne"'],
    ['a nested operator', { tenant: { $gt: 1 } }, '"$gt"'],
    ['a nested null', { tenant: 1, number: null }, 'null in "number"'],
    ['a nested NaN', { tenant: 1, number: NaN }, 'NaN in "number"'],
    ['an empty list', [], 'a list'],
    ['a list', ['a'], 'a list'],
    ['an empty object', {}, 'an empty object'],
    ['a date that is not valid', new Date(NaN), 'a date'],
    ['a symbol', Symbol('a'), 'a symbol'],
    ['a boolean', true, 'a boolean'],
    ['a map', new Map(), 'an instance'],
    ['a bigint above 64 bits', 2n ** 64n + 1n, 'a bigint'],
    ['a bigint just above 64 bits', 2n ** 63n, 'a bigint'],
    ['a bigint below 64 bits', -(2n ** 63n) - 1n, 'a bigint'],
    ['a nested bigint above 64 bits', { number: 2n ** 64n + 1n }, 'a bigint'],
    ['infinite', Infinity, 'Infinity'],
    ['negatively infinite', -Infinity, '-Infinity'],
    ['a Double that is infinite', new Double(-Infinity), '-Infinity'],
    ['a Decimal128 that is infinite', Decimal128.fromString('Infinity'), 'Infinity'],
    ['nested and infinite', { number: Infinity }, 'Infinity in "number"'],
    ['half of a character', '\ud83d', 'a text with half of a character'],
    ['nested half of a character', { name: 'a\ud83d' }, 'a text with half of a character'],
    ['half of a character in the name of a field', { '\ud83d': 1 }, 'a field name with half of a character'],
    ['half of a character in a symbol of BSON', new BSONSymbol('\ud83d'), 'a text with half of a character'],
  ])('must be an id: %s is an error that names the callback', async (_what, value, named) => {
    await documents().insertMany([{ userId: null }, { userId: NaN }, {}, { userId: '' }, { userId: 'abc' }])
    const userData = withFieldValues(() => ['1', value])
    database.commands.clear()
    const error: unknown = await loadCustomData(userData, 'alice').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'callback_failed', status: 500 })
    expect((error as Error).message).toContain('toFieldValues')
    expect((error as Error).message).toContain(named)
    expect(database.commands.loads()).toEqual([])
  })

  it.each<[what: string, value: unknown]>([
    ['a number', 7],
    ['the largest bigint', 2n ** 63n - 1n],
    ['the smallest bigint', -(2n ** 63n)],
    ['a character of two halves', '\u{1f600}'],
    ['zero', 0],
    ['a UUID', new UUID(UUID_TEXT)],
    ['an ObjectId', new ObjectId('64b7f3a1c2d4e5f601234567')],
    ['a date', new Date(0)],
    ['several parts', { tenant: 1, number: '2' }],
  ])('finds the document that contains %s', async (_what, value) => {
    await documents().insertMany([{ userId: 'others' }, { userId: value, n: 1 }])
    expect(
      await loadCustomData(
        withFieldValues(() => [value]),
        'alice',
      ),
    ).toMatchObject({ n: 1 })
  })

  it.each<[what: string, callback: () => unknown]>([
    ['resolves', () => Promise.resolve([1])],
    ['rejects', () => Promise.reject(new Error('theirs'))],
  ])(
    'must not be a promise: one that %s is an error that says so, and ends no process',
    async (_what, callback) => {
      const unhandled: unknown[] = []
      const note = (reason: unknown) => void unhandled.push(reason)
      process.on('unhandledRejection', note)
      const error: unknown = await loadCustomData(withFieldValues(callback as never), 'alice').catch(
        (thrown: unknown) => thrown,
      )
      await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
      process.off('unhandledRejection', note)
      expect(error).toMatchObject({ code: 'callback_failed', status: 500 })
      expect((error as Error).message).toMatch(/^toFieldValues returned a promise\b.*must not be async/)
      expect(unhandled).toEqual([])
    },
  )

  it.each<[what: string, make: () => { set: (n: number) => void; list: unknown[] }]>([
    [
      'list',
      () => {
        const list: unknown[] = []
        return { list, set: n => (list[0] = n) }
      },
    ],
    [
      'object',
      () => {
        const parts = { number: 0 }
        return { list: [parts], set: n => (parts.number = n) }
      },
    ],
    [
      'bytes',
      () => {
        const bytes = Buffer.alloc(2)
        return { list: [bytes], set: n => bytes.fill(n) }
      },
    ],
  ])('may be reused by the callback for all users: %s', async (_what, make) => {
    const { list, set } = make()
    const ids = [1, 2]
    for (const n of ids) {
      set(n)
      await documents().insertOne({ userId: structuredClone(list[0]), n })
    }
    const userData = withFieldValues(id => {
      set(Number(id))
      return list
    })
    for (let round = 0; round < 5; round++) {
      const found = await Promise.all(ids.map(n => loadCustomData(userData, String(n))))
      expect(found).toMatchObject(ids.map(n => ({ n })))
    }
  })
})

describe('ids that are numbers', () => {
  it.each(['10.0', '0xA', ' 10 ', '1e1', 'ten', '-10', '010', '٣'])(
    'are not taken from %j, which has no document by the mapping that is documented',
    async userId => {
      await documents().insertMany([{ userId: 10, is: 'user 10' }, { userId: NaN }, { userId: null }])
      const userData = withFieldValues(toNumber)
      database.commands.clear()
      expect(await loadCustomData(userData, userId)).toEqual({})
      // The list of values is empty, so no document can be found.
      expect(database.commands.loads()).toEqual([])
      expect(await loadCustomData(userData, '10')).toMatchObject({ is: 'user 10' })
    },
  )

  it('get no document if toFieldValues returns an empty list, and the error says why', async () => {
    const userData = withFieldValues(toNumber)
    const created = userData.forUser('ten').update({ a: 1 }, { upsert: true })
    await expect(created).rejects.toMatchObject({ code: 'callback_failed', status: 500 })
    await expect(created).rejects.toThrow(/toFieldValues returned an empty list/)
    expect(await userData.forUser('ten').update({ a: 1 })).toBeUndefined()
    expect(await userData.forUser('ten').delete()).toBe(false)
    expect(await documents().countDocuments()).toBe(0)
  })
})
