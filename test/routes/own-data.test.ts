import { createRequire } from 'node:module'
import type { Collection, Document } from 'mongodb'
import {
  Binary,
  BSON,
  BSONRegExp,
  Code,
  Decimal128,
  Double,
  Long,
  MinKey,
  ObjectId,
  Timestamp,
} from 'mongodb'
import express from 'express'
import type { RequestHandler } from 'express'
import type { CustomUserDataOptions, OwnDataOptions } from 'express-custom-user-data'
import request from 'supertest'
import { z } from 'zod'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import type { TestDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { sendRaw } from '../support/http.js'
import { createTestUserData } from '../support/user-data.js'

const { deserialize, EJSON } = BSON

const deadlines = holdDeadlines()
const database = useDatabase()
let collection: Collection
let user: string
let users = 0
beforeAll(async () => {
  collection = database.db.collection('custom_user_data')
})
beforeEach(() => {
  user = `user-${users++}`
})

type Options = Partial<CustomUserDataOptions<Document>>
interface Setting {
  own?: OwnDataOptions
  options?: Options
  before?: RequestHandler[]
  at?: Pick<TestDatabase, 'db'>
}

const FIELDS = ['language', 'timezone']

describe('a regular expression that JavaScript cannot parse', () => {
  it.each([
    ['another field', ['language']],
    ['the same fields', ['language', 'pattern']],
  ])('hinders no user from %s if the collection was opened with bsonRegExp: true', async (_what, fields) => {
    await collection.insertOne({ userId: user, pattern: new BSON.BSONRegExp('(?i)a') })
    const opened = database.db.collection('custom_user_data', { bsonRegExp: true })
    const { send } = start({ own: { fields }, options: { collection: opened } })
    expect((await send('patch', { language: 'fr' })).body).toMatchObject({ language: 'fr' })
    expect((await send('get')).body).toMatchObject({ language: 'fr' })
  })
})

function start({ own = { fields: FIELDS }, options = {}, before = [], at = database }: Setting = {}) {
  const userData = createTestUserData(at, options)
  userData.events.on('warning', () => undefined)
  const app = express()
  for (const handler of before) app.use(handler)
  app.use(userData.authenticate())
  app.get('/all', (req, res) => res.json(req.user!.customData))
  app.use('/me', userData.ownData(own))
  app.use(userData.errorHandler())
  const authorization = bearerOf(user)
  const send = (
    method: 'get' | 'patch' | 'put',
    body?: object | string,
    headers: Record<string, string> = {},
  ) => {
    const sent = request(app)
      [method]('/me')
      .set({ authorization, ...headers })
    return body === undefined ? sent : sent.type('json').send(body)
  }
  const all = async () => (await request(app).get('/all').set({ authorization })).body as Document
  return { app, userData, send, all, authorization }
}

const insert = (document: Document = {}) =>
  collection.insertOne({ userId: user, language: 'en', timezone: 'UTC', role: 'member', ...document })
const stored = async () => collection.findOne({ userId: user }, { projection: { _id: 0 } })

describe('GET', () => {
  it('answers with the current values of the allowed fields, and no cache stores the answer', async () => {
    await insert()
    const { send } = start()
    const first = await send('get')
    expect(first.status).toBe(200)
    expect(first.body).toEqual({ language: 'en', timezone: 'UTC' })
    expect(first.headers).toMatchObject({
      'cache-control': 'no-store',
      'content-type': /^application\/json/ as never,
    })
    await collection.updateOne({ userId: user }, { $set: { language: 'de' }, $unset: { timezone: 1 } })
    const second = await send('get')
    expect(second.body).toEqual({ language: 'de' })
    expect(second.headers['etag']).not.toBe(first.headers['etag'])
  })

  it('has a strong tag, which does not change with other fields, and answers 304 to it', async () => {
    await insert()
    const { send } = start()
    const { etag } = (await send('get')).headers as { etag: string }
    expect(etag).toMatch(/^"[^"]+"$/)
    await collection.updateOne({ userId: user }, { $set: { role: 'admin' } })
    for (const tag of [etag, `W/${etag}`, '*']) {
      const answer = await send('get', undefined, { 'if-none-match': tag })
      expect(answer.status).toBe(304)
      expect(answer.text).toBe('')
    }
    expect((await send('get', undefined, { 'if-none-match': '"other"' })).status).toBe(200)
  })

  it('is 404 for a user without a document', async () => {
    for (const upsert of [true, false]) {
      const answer = await start({ own: { fields: FIELDS, upsert } }).send('get')
      expect(answer).toMatchObject({ status: 404, body: { code: 'custom_data_not_found' } })
    }
  })

  it('shows BSON values as req.user.customData does', async () => {
    const values = {
      int: 1,
      double: 1.5,
      long: Long.fromNumber(2 ** 40),
      beyond: Long.fromString('9007199254740993'),
      decimal: Decimal128.fromString('1.10'),
      id: new ObjectId(),
      date: new Date(0),
      bytes: new Binary(Buffer.from('abc')),
      nested: { list: [1, { a: null }], 'a.b': true },
    }
    await insert(values)
    const { send, all } = start({ own: { fields: Object.keys(values) } })
    const expected = await all()
    expect((await send('get')).body).toEqual(
      Object.fromEntries(Object.keys(values).map(name => [name, expected[name] as unknown])),
    )
  })
})

describe('PATCH', () => {
  it('sets only the fields of the body, including null', async () => {
    await insert()
    const answer = await start().send('patch', { language: null })
    expect(answer).toMatchObject({ status: 200, body: { language: null, timezone: 'UTC' } })
    expect(await stored()).toEqual({ userId: user, language: null, timezone: 'UTC', role: 'member' })
  })

  it('replaces a whole field, and accepts any JSON as its value', async () => {
    await insert({ language: { first: 'en', second: 'de' } })
    const value = { first: ['fr', 1, 1.5, true, null, {}], '': undefined }
    await start().send('patch', { language: value })
    expect(await stored()).toMatchObject({ language: { first: ['fr', 1, 1.5, true, null, {}] } })
    expect(await stored()).not.toHaveProperty('language.second')
  })

  it('without fields changes nothing', async () => {
    await insert()
    expect(await start().send('patch', {})).toMatchObject({
      status: 200,
      body: { language: 'en', timezone: 'UTC' },
    })
  })
})

describe('PUT', () => {
  it('replaces the allowed fields: it removes those that are absent from the body, and keeps all other fields', async () => {
    await insert()
    const answer = await start().send('put', { language: 'de' })
    expect(answer).toMatchObject({ status: 200, body: { language: 'de' } })
    expect(answer.body).not.toHaveProperty('timezone')
    expect(await stored()).toEqual({ userId: user, language: 'de', role: 'member' })
    await start().send('put', {})
    expect(await stored()).toEqual({ userId: user, role: 'member' })
  })
})

describe.each(['patch', 'put'] as const)('%s', method => {
  it('is seen by the next request with the same token', async () => {
    await insert()
    const { send, all } = start()
    expect(await all()).toMatchObject({ language: 'en' })
    await send(method, { language: 'de' })
    expect(await all()).toMatchObject({ language: 'de', role: 'member' })
  })

  it('is seen by later handlers of the same request', async () => {
    await insert()
    let seen: unknown
    const watch: RequestHandler = (req, res, next) => {
      res.on('finish', () => (seen = req.user?.customData))
      next()
    }
    await start({ before: [watch] }).send(method, { language: 'de' })
    expect(seen).toMatchObject({ userId: user, language: 'de', role: 'member' })
  })

  it('is 404 for a user without a document, and does not create one', async () => {
    const answer = await start().send(method, { language: 'de' }, { 'if-match': '*' })
    expect(answer).toMatchObject({ status: 404, body: { code: 'custom_data_not_found' } })
    expect(await stored()).toBeNull()
  })

  it('creates a document with the user id if the option upsert is on', async () => {
    const { send, all } = start({ own: { fields: FIELDS, upsert: true } })
    expect(await all()).toEqual({})
    const answer = await send(method, { language: 'de' })
    expect(answer).toMatchObject({ status: 201, body: { language: 'de' } })
    expect(await stored()).toEqual({ userId: user, language: 'de' })
    expect(await all()).toMatchObject({ userId: user, language: 'de' })
    const etag = String(answer.headers['etag'])
    expect((await send('get', undefined, { 'if-none-match': etag })).status).toBe(304)
  })

  it('creates one document for several parallel requests', async () => {
    const own = { fields: FIELDS, upsert: true }
    const instances = [start({ own }), start({ own })]
    const sent = Array.from({ length: 12 }, (_value, i) =>
      instances[i % 2]!.send(method, { language: `${i}` }),
    )
    const statuses = (await Promise.all(sent)).map(({ status }) => status)
    expect(statuses.filter(status => status === 201)).toHaveLength(1)
    expect(statuses.filter(status => status === 200)).toHaveLength(11)
    expect(await collection.countDocuments({ userId: user })).toBe(1)
  })

  it('creates a document only if there is none, with If-None-Match: *', async () => {
    const { send } = start({ own: { fields: FIELDS, upsert: true } })
    const condition = { 'if-none-match': '*' }
    const answers = await Promise.all([1, 2, 3, 4].map(n => send(method, { language: n }, condition)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 412, 412, 412])
    const refused = await send(method, { language: 'de' }, { 'if-match': '"other"' })
    expect(refused.status).toBe(412)
    // Or a client would try again with that of the error.
    expect(refused.headers).not.toHaveProperty('etag')
    expect(refused.headers['cache-control']).toBe('no-store')
  })

  it('needs JSON', async () => {
    await insert()
    const { app, authorization } = start()
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/merge-patch+json']) {
      const answer = await request(app)[method]('/me').set({ authorization }).type(type).send('language=de')
      expect(answer).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } })
      expect(answer.headers['accept']).toBe('application/json')
    }
    expect(await stored()).toMatchObject({ language: 'en' })
  })

  it.each(['', '[]', '"text"', '1', 'null', '{', '{"language":'])('needs an object: %j', async body => {
    await insert()
    const answer = await start().send(method, body)
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
    expect(answer.headers).not.toHaveProperty('www-authenticate')
    expect(await stored()).toMatchObject({ language: 'en' })
  })

  it('needs a body that is not empty, even if its length is not sent', async () => {
    await insert()
    const { app, authorization } = start()
    const headers = ['Authorization', authorization, 'Content-Type', 'application/json']
    const sent = { method: method.toUpperCase(), headers: [...headers, 'Transfer-Encoding', 'chunked'] }
    expect((await sendRaw(app, sent)).status).toBe(400)
    expect(await stored()).toMatchObject({ language: 'en' })
  })

  it('accepts a body that a parser of the app has read, and checks its size again', async () => {
    await insert()
    const { send } = start({ before: [express.json({ limit: '5mb', strict: false })] })
    expect((await send(method, { language: 'de' })).status).toBe(200)
    for (const body of ['[]', '1', '"text"']) expect((await send(method, body)).status).toBe(400)
    expect((await send(method, { language: 'x'.repeat(101 * 1024) })).status).toBe(413)
    expect(await stored()).toMatchObject({ language: 'de' })
  })

  it('is refused with more than 5,000 fields and elements, because their number takes time, and nothing is read', async () => {
    await insert()
    const { send } = start()
    await send('get')
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_item, i) => [`f${i}`, i]))
    database.commands.clear()
    for (const language of [
      many(9_000),
      Array.from({ length: 9_000 }, () => 1),
      [many(3_000), many(3_000)],
    ]) {
      expect(await send(method, { language })).toMatchObject({
        status: 413,
        body: { code: 'payload_too_large' },
      })
    }
    expect(database.commands.named('find', 'aggregate', 'findAndModify')).toEqual([])
    expect((await send(method, { language: many(4_999) })).status).toBe(200)
  })

  it('takes a text and bytes as they are parsed, with the same limits', async () => {
    await insert()
    const raw = express.raw({ type: () => true, limit: '5mb' })
    for (const parser of [raw, express.text({ type: () => true, limit: '5mb' })]) {
      const { send } = start({ before: [parser] })
      expect(await send(method, { language: 'de' })).toMatchObject({ status: 200, body: { language: 'de' } })
      for (const body of ['', '[]', '{', `{"language":${'['.repeat(6_000)}${']'.repeat(6_000)}}`]) {
        expect((await send(method, body)).status).toBe(400)
      }
      expect((await send(method, { language: 'x'.repeat(101 * 1024) })).status).toBe(413)
    }
    expect(await stored()).toMatchObject({ language: 'de' })
  })

  it('is refused over 100 kB', async () => {
    await insert()
    const answer = await start().send(method, { language: 'x'.repeat(101 * 1024) })
    expect(answer).toMatchObject({ status: 413, body: { code: 'payload_too_large' } })
    expect(await stored()).toMatchObject({ language: 'en' })
  })

  it('is refused if loads would refuse the result, because of its size or the schema', async () => {
    await insert({ notes: 'x'.repeat(500) })
    const small = start({ options: { maxDocumentBytes: 1_000 } })
    const large = { language: 'x'.repeat(600) }
    expect(await small.send(method, large)).toMatchObject({
      status: 413,
      body: { code: 'payload_too_large' },
    })
    const seen = { projection: { language: 1 }, maxDocumentBytes: 1_000 }
    expect((await start({ options: seen }).send(method, large)).status).toBe(200)
    const schema = z.looseObject({ language: z.string() })
    const checked = start({ options: { schema } })
    expect(await checked.send(method, { language: 1 })).toMatchObject({
      status: 422,
      body: { code: 'custom_data_refused' },
    })
    expect(await stored()).toMatchObject(large)
  })

  it('does not create a document that loads would refuse', async () => {
    const own = { fields: FIELDS, upsert: true }
    const small = start({ own, options: { maxDocumentBytes: 200 } })
    expect((await small.send(method, { language: 'x'.repeat(300) })).status).toBe(413)
    const schema = z.looseObject({ role: z.string() })
    expect((await start({ own, options: { schema } }).send(method, { language: 'x' })).status).toBe(422)
    expect(await stored()).toBeNull()
  })

  it('is a conflict if a unique index of the team refuses it', async () => {
    const others = database.db.collection('unique_languages')
    await others.drop().catch(() => undefined)
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
    await others.createIndex({ language: 1 }, { unique: true })
    await others.insertMany([{ userId: 'bob', language: 'fr' }, { userId: user }])
    const { send } = start({ options: { collection: others } })
    const answer = await send(method, { language: 'fr' })
    expect(answer).toMatchObject({ status: 409, body: { code: 'custom_data_conflict' } })
    expect(answer.text).not.toContain('fr')
  })

  it('needs a token', async () => {
    const userData = createTestUserData(database)
    const app = express()
      .use('/me', userData.ownData({ fields: FIELDS }))
      .use(userData.errorHandler())
    const answer = await request(app)[method]('/me').send({ language: 'de' })
    expect(answer).toMatchObject({ status: 401, body: { code: 'missing_token' } })
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/)
  })
})

describe('If-Match', () => {
  it('accepts exactly one of two parallel changes of the same state', async () => {
    await insert()
    const instances = [start(), start()]
    for (let round = 0; round < 20; round++) {
      const { etag } = (await instances[0]!.send('get')).headers as { etag: string }
      const sent = instances.map(({ send }, i) =>
        send(i ? 'put' : 'patch', { language: `${round}-${i}` }, { 'if-match': etag }),
      )
      const answers = await Promise.all(sent)
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 412])
      const won = answers.find(({ status }) => status === 200)!
      expect(await stored()).toMatchObject({ language: (won.body as Document)['language'] as string })
      expect(answers.find(({ status }) => status === 412)!.body).toMatchObject({
        code: 'precondition_failed',
      })
    }
  })

  it('works from one answer to the next, and a change of other fields does not matter', async () => {
    await insert({ language: { second: 'de', first: 1.5 }, timezone: 3 })
    const { send } = start()
    let { etag } = (await send('get')).headers as { etag: string }
    for (let i = 0; i < 3; i++) {
      await collection.updateOne({ userId: user }, { $set: { role: `role-${i}` } })
      const answer = await send('patch', { timezone: i }, { 'if-match': etag })
      expect(answer.status).toBe(200)
      etag = String(answer.headers['etag'])
      expect((await send('get')).headers['etag']).toBe(etag)
    }
    expect((await send('patch', { timezone: 9 }, { 'if-match': `W/${etag}` })).status).toBe(412)
    expect(await stored()).toMatchObject({ timezone: 2 })
  })

  it('is not needed for different fields: parallel changes of two fields are both kept', async () => {
    await insert()
    const { send } = start()
    await Promise.all([send('patch', { language: 'de' }), send('patch', { timezone: 'Europe/Berlin' })])
    expect(await stored()).toMatchObject({ language: 'de', timezone: 'Europe/Berlin' })
  })
})

describe('values that JSON cannot express', () => {
  const id = new ObjectId()
  const VALUES: Record<string, unknown> = {
    date: new Date('2020-01-02T03:04:05.678Z'),
    id,
    bytes: new Binary(Buffer.from('abc')),
    uuid: new BSON.UUID('0b6f4b1e-7a52-4f0d-9d5c-6b7f3e0d1c2a'),
    long: Long.fromNumber(2 ** 40),
    small: Long.fromNumber(5),
    beyond: Long.fromString('9007199254740993'),
    decimal: Decimal128.fromString('1.10'),
    timestamp: new Timestamp({ t: 1, i: 2 }),
  }
  const PLAIN: Record<string, unknown> = {
    int: 1,
    double: new Double(2),
    negativeZero: new Double(-0),
    nan: Number.NaN,
    infinite: Infinity,
    text: '2020-01-02T03:04:05.678Z',
    nothing: null,
    flag: true,
    key: new MinKey(),
    code: new Code('1'),
    regex: new BSONRegExp('a', 'i'),
  }
  const NESTED = {
    list: [
      { at: new Date(1), n: 1 },
      { at: new Date(2), n: 2 },
    ],
    deep: { id, note: 'a' },
  }
  const ALL = { ...VALUES, ...PLAIN, nested: NESTED }
  const fields = [...Object.keys(ALL), 'dates']
  /** The document with the type of each number. */
  const exactly = async () => {
    const raw = await collection.findOne({ userId: user }, { raw: true, projection: { _id: 0 } })
    return EJSON.stringify(deserialize(raw as never, { promoteValues: false, bsonRegExp: true }), {
      relaxed: false,
    })
  }

  it.each(['patch', 'put'] as const)('keep their types if %s sends back the body of GET', async method => {
    await insert(ALL)
    const { send } = start({ own: { fields } })
    const before = await exactly()
    const { text } = await send('get')
    expect(await send(method, text)).toMatchObject({ status: 200, text })
    expect(await exactly()).toBe(before)
    const { text: reordered } = await send('get')
    const swapped = Object.fromEntries(Object.entries(JSON.parse(reordered) as object).reverse())
    expect((await send(method, { ...swapped, nested: { ...NESTED, deep: { note: 'a', id } } })).status).toBe(
      200,
    )
    expect(await exactly()).toBe(before)
  })

  it('keep their types beside the parts of a field that change', async () => {
    await insert({ nested: NESTED, dates: [new Date(1), new Date(2), new Date(3)] })
    const { send } = start({ own: { fields } })
    const { nested, dates } = (await send('get')).body as { nested: typeof NESTED; dates: string[] }
    nested.deep.note = 'b'
    nested.list.splice(0, 1)
    const changed = { nested: { ...nested, added: 1 }, dates: [dates[0], dates[2]] }
    expect(await send('patch', changed)).toMatchObject({ status: 200, body: changed })
    expect(await stored()).toMatchObject({
      nested: { list: [{ at: new Date(2), n: 2 }], deep: { id, note: 'b' }, added: 1 },
      dates: [new Date(1), new Date(3)],
    })
  })

  it.each(Object.keys(VALUES))('do not become another type: %s', async name => {
    await insert({ ...VALUES, nested: { list: [{ value: VALUES[name] }] } })
    const { send } = start({ own: { fields } })
    const before = await exactly()
    const { nested } = (await send('get')).body as { nested: { list: object[] } }
    for (const value of [
      '2021-01-01T00:00:00.000Z',
      7,
      null,
      true,
      {},
      [],
      { $numberDecimal: '2' },
      { $timestamp: '9' },
    ]) {
      for (const [method, field, body] of [
        ['patch', name, { [name]: value }],
        ['put', name, { [name]: value }],
        ['patch', 'nested.list.0.value', { nested: { list: [{ value }] } }],
        ['patch', 'nested.list.1.value', { nested: { list: [...nested.list, { value }] } }],
      ] as const) {
        const answer = await send(method, JSON.stringify(body))
        expect(answer, JSON.stringify(body)).toMatchObject({
          status: 422,
          body: { code: 'type_would_change' },
        })
        expect((answer.body as { detail: string }).detail).toContain(JSON.stringify(field))
      }
    }
    expect(await exactly()).toBe(before)
    expect((await send('put', {})).status).toBe(200)
    expect(await stored()).toEqual({ userId: user, role: 'member', language: 'en', timezone: 'UTC' })
  })

  it('may be replaced if the schema returns the type, and only then', async () => {
    await insert({ date: new Date(0), long: Long.fromNumber(1) })
    const schema = z.object({
      date: z.string().transform(text => (text.endsWith('Z') ? new Date(text) : text)),
      long: z.number().transform(BigInt),
    })
    const { send } = start({ own: { schema } })
    const date = '2021-01-01T00:00:00.000Z'
    expect(await send('patch', { date, long: 7 })).toMatchObject({ status: 200, body: { date, long: 7 } })
    expect(await exactly()).toContain('"long":{"$numberLong":"7"}')
    expect(await stored()).toMatchObject({ date: new Date(date) })
    expect(await send('patch', { date: 'tomorrow' })).toMatchObject({
      status: 422,
      body: { code: 'type_would_change' },
    })
    expect(await send('patch', { long: 8 })).toMatchObject({ status: 200, body: { date, long: 8 } })
    expect(await stored()).toMatchObject({ date: new Date(date) })
  })

  it.each(['{"$numberDecimal":"1.1"}', '{"$ref":"a","$id":1}', '{"a":{"$timestamp":"1"}}'])(
    'are not made from the JSON of other values: %s',
    async value => {
      await insert({ nested: 1 })
      const { send } = start({ own: { fields } })
      for (const name of ['nested', 'dates']) {
        const answer = await send('patch', `{"${name}":${value}}`)
        expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
      }
    },
  )

  it('are not written at all if nothing changes, and MongoDB gets no update', async () => {
    await insert(ALL)
    const { send } = start({ own: { fields } })
    const { text } = await send('get')
    database.commands.clear()
    await send('put', text)
    expect(database.commands.named('update', 'findAndModify')).toEqual([])
  })

  it('need the BSON library of the driver, and the error says how to give it', () => {
    // This package resolves another copy of the driver.
    const { MongoClient } = createRequire(import.meta.url)('mongodb6') as typeof import('mongodb')
    const foreign = new MongoClient(database.uri).db('test').collection('custom_user_data')
    const userData = createTestUserData(database, { collection: foreign, bson: undefined })
    expect(() => userData.ownData({ fields })).toThrow(
      /^ownData\(\) needs the BSON library .* write bson: BSON/,
    )
  })

  describe.each(['relaxed', 'canonical'] as const)('in %s Extended JSON', extendedJson => {
    const own = { fields, extendedJson }
    const EJSON_TYPE = { 'content-type': 'application/ejson' }
    const relaxed = extendedJson === 'relaxed'
    const toText = (value: object) => EJSON.stringify(value, { relaxed })
    const sendIn = (app: ReturnType<typeof start>, method: 'patch' | 'put', body: string) =>
      request(app.app)
        [method]('/me')
        .set({ authorization: app.authorization, ...EJSON_TYPE })
        .send(body)

    it('are read, and sent back without a change of type', async () => {
      await insert(ALL)
      const app = start({ own })
      const before = await exactly()
      const got = await app.send('get', undefined, { accept: 'application/ejson' })
      expect(got.headers).toMatchObject({
        'content-type': /^application\/ejson/ as never,
        vary: 'Authorization, Accept',
      })
      expect(EJSON.parse(got.text, { relaxed: false })).toMatchObject({ date: VALUES['date'] })
      for (const method of ['patch', 'put'] as const) {
        const answer = await sendIn(app, method, got.text)
        expect(answer).toMatchObject({ status: 200, text: got.text })
        expect(answer.headers['etag']).toBe(got.headers['etag'])
        expect(await exactly()).toBe(before)
      }
    })

    it('may be replaced by values of any type', async () => {
      await insert({ date: new Date(0), id: 1, long: 1, decimal: 1 })
      const app = start({ own })
      const values = {
        date: 'never',
        id: new ObjectId(),
        long: Long.fromString('1099511627776'),
        decimal: Decimal128.fromString('2.20'),
        bytes: new Binary(Buffer.from('x')),
        nested: { at: [new Date(5)] },
      }
      const answer = await sendIn(app, 'put', toText(values))
      expect(answer).toMatchObject({ status: 200, text: toText({ ...answerOrder(values) }) })
      expect(await exactly()).toContain(EJSON.stringify(values.long, { relaxed: false }))
      expect(await stored()).toMatchObject({
        date: 'never',
        decimal: values.decimal,
        nested: { at: [new Date(5)] },
      })
    })

    it('make a document too, and its answer in JSON is what GET gives', async () => {
      const app = start({ own: { ...own, upsert: true } })
      const answer = await sendIn(app, 'patch', toText({ date: new Date(7), long: Long.fromNumber(5) })).set({
        accept: 'application/json',
      })
      expect(answer).toMatchObject({ status: 201, body: { date: '1970-01-01T00:00:00.007Z', long: 5 } })
      expect((await app.send('get')).text).toBe(answer.text)
      expect(await stored()).toMatchObject({ date: new Date(7) })
    })

    it('are checked by a schema as plain JSON, and keep the stated type where it returns what it got', async () => {
      await insert()
      const schema = z.object({ date: z.string().optional(), language: z.string().toUpperCase() })
      const app = start({ own: { schema, extendedJson } })
      const body = toText({ date: new Date(7), language: 'de' })
      expect((await sendIn(app, 'patch', body)).status).toBe(200)
      expect(await stored()).toMatchObject({ date: new Date(7), language: 'DE' })
      expect((await sendIn(app, 'patch', toText({ date: 1 }))).status).toBe(422)
    })

    it('have tags that work across the formats', async () => {
      await insert({ date: new Date(0) })
      const app = start({ own })
      for (const accept of ['application/json', 'application/ejson']) {
        const { etag } = (await app.send('get', undefined, { accept })).headers as { etag: string }
        expect((await app.send('patch', { text: accept }, { 'if-match': etag })).status).toBe(200)
        expect((await app.send('patch', { text: 'x' }, { 'if-match': etag })).status).toBe(412)
      }
    })

    it.each([
      '{"date":{"$date":"nonsense"}}',
      '{"date":{"$code":"1"}}',
      '{"date":{"$regularExpression":{"pattern":"(","options":""}}}',
      '{"date":{"$minKey":1}}',
      '{"date":{"$oid":"1"}}',
      '{"date":{"$ne":null}}',
      '{"date":{"__proto__":{"isAdmin":true}}}',
      '{"date":{"_bsontype":"ObjectId"}}',
      '{"date":{"a.b":{"$date":"2020-01-01T00:00:00Z"}}}',
      '{"$oid":"64b7f3a1c2d4e5f601234567"}',
      '{"role":{"$oid":"64b7f3a1c2d4e5f601234567"}}',
      `{"date":${'['.repeat(6_000)}${']'.repeat(6_000)}}`,
      '[]',
      '{',
    ])('are refused if they are malformed or unsafe: %s', async body => {
      await insert()
      const before = await exactly()
      const answer = await sendIn(start({ own }), 'patch', body)
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
      expect(await exactly()).toBe(before)
    })

    it('are not taken by plain JSON, nor without the option', async () => {
      await insert({ date: new Date(0) })
      expect(await start({ own }).send('patch', { date: 'x' })).toMatchObject({ status: 422 })
      const answer = await sendIn(start({ own: { fields } }), 'patch', '{}')
      expect(answer).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } })
    })
  })

  /** Members in the order of the option `fields`, as answers have them. */
  function answerOrder(values: Document): Document {
    return Object.fromEntries(
      fields.filter(name => name in values).map(name => [name, values[name] as unknown]),
    )
  }
})

describe('hostile input', () => {
  const HOSTILE: Record<string, string> = {
    'an operator': '{"$set":{"role":"admin"}}',
    'an operator as a value': '{"language":{"$ne":null}}',
    'an operator deep down': '{"language":[{"a":{"$where":"1"}}]}',
    'extended JSON': '{"language":{"$oid":"64b7f3a1c2d4e5f601234567"}}',
    'a path': '{"language.first":"x"}',
    'a path as a key': '{"language":{"a.b":1}}',
    'a field that is not allowed': '{"language":"de","role":"admin"}',
    'the user id field': '{"userId":"bob"}',
    'a path to it': '{"userId.x":"bob"}',
    _id: '{"_id":"x"}',
    __proto__: '{"__proto__":{"role":"admin"}}',
    '__proto__ deep down': '{"language":{"__proto__":{"isAdmin":true}}}',
    constructor: '{"language":{"constructor":{"prototype":{"isAdmin":true}}}}',
    'a value of the driver': '{"language":{"_bsontype":"ObjectId","id":"x"}}',
    'code of the driver': '{"language":{"_bsontype":"Code","code":"x"}}',
    NUL: '{"language":{"a\\u0000b":1}}',
    'an empty name': '{"language":{"":1}}',
    depth: `{"language":${'['.repeat(40)}${']'.repeat(40)}}`,
    'great depth': `{"language":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
  }

  it.each(Object.entries(HOSTILE))(
    '%s is refused, and no part of it reaches MongoDB',
    async (_name, body) => {
      await insert()
      const before = await stored()
      const { send } = start()
      await send('get')
      for (const method of ['patch', 'put'] as const) {
        database.commands.clear()
        const answer = await send(method, body)
        expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
        expect(answer.text.length).toBeLessThan(500)
        expect(database.commands.named('update', 'findAndModify', 'insert', 'aggregate', 'find')).toEqual([])
      }
      expect(await stored()).toEqual(before)
      expect({}).not.toHaveProperty('isAdmin')
    },
  )

  it.each(['$ne', '$$CURRENT', '$role', '__proto__', '$where: 1', 'a.b', "'; return true; //"])(
    'the text %j is an ordinary value, and is used only as a value',
    async text => {
      await insert()
      const { send } = start({ own: { fields: FIELDS, upsert: true } })
      database.commands.clear()
      const condition = { 'if-match': String((await send('get')).headers['etag']) }
      expect(await send('patch', { language: text }, condition)).toMatchObject({ body: { language: text } })
      expect((await send('put', { language: { a: [text] } })).status).toBe(200)
      for (const { command } of database.commands) expectOnlyAsValue(command, text)
      expect(await stored()).toEqual({ userId: user, language: { a: [text] }, role: 'member' })
    },
  )

  it.each([
    'language',
    ['language', '$set'],
    ['a.b'],
    [''],
    ['_id'],
    ['userId'],
    ['__proto__'],
    [],
    [1],
    undefined,
  ])('fields that users must not write are refused at creation: %j', fields => {
    expect(() => start({ own: { fields: fields as never } })).toThrow(/^ownData\(\): /)
  })

  it.each([
    { fields: FIELDS, upsert: 1 },
    { fields: FIELDS, other: 1 },
    { schema: {} },
    { fields: FIELDS, schema: 1 },
  ])('unknown options are refused at creation: %j', own => {
    expect(() => start({ own: own as never })).toThrow(/^ownData\(\): /)
  })

  it('the parent of a dotted user id field cannot be written', () => {
    const options = { userIdField: 'account.id' }
    expect(() => start({ own: { fields: ['account'] }, options })).toThrow(/account/)
  })
})

it('ownData() is a 503 in time while MongoDB is away, and logs no user out', async () => {
  await insert()
  const proxied = await openProxiedDatabase(database)
  const { proxy } = proxied
  const at = { db: proxied.db }
  const { send, all } = start({ at, options: { writeTimeoutMs: 300, loadTimeoutMs: 300 } })
  await all()
  proxy.pause()
  for (const sent of [send('get'), send('put', {}), send('patch', { language: 'de' })]) {
    const { answer } = await deadlines.passUntil(sent)
    expect(answer).toMatchObject({ status: 503, body: { code: 'custom_data_unavailable' } })
    expect(answer.headers).toMatchObject({ 'retry-after': '1' })
    expect(answer.headers).not.toHaveProperty('www-authenticate')
  }
  await proxy.restore()
})

/** In a filter or a pipeline it must be under `$literal`, in an update under `$set`. */
function expectOnlyAsValue(node: unknown, text: string, isValue = false): void {
  if (typeof node === 'string') {
    if (node === text) expect(isValue).toBe(true)
    return
  }
  if (typeof node !== 'object' || node === null) return
  for (const [key, member] of Object.entries(node)) {
    if (key === text) expect(isValue && false).toBe(true)
    expectOnlyAsValue(member, text, isValue || key === '$literal' || key === '$set')
  }
}
