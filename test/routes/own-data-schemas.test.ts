import { type } from 'arktype'
import type { Collection, Document } from 'mongodb'
import { ObjectId } from 'mongodb'
import express from 'express'
import type { CustomUserDataOptions, OwnDataOptions } from 'express-custom-user-data'
import request from 'supertest'
import * as v from 'valibot'
import { z } from 'zod'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let collection: Collection
let user: string
beforeAll(() => {
  collection = database.db.collection('custom_user_data')
})
beforeEach(() => {
  user = new ObjectId().toHexString()
})

type Schema = NonNullable<OwnDataOptions['schema']>

function start(own: OwnDataOptions, options: Partial<CustomUserDataOptions<Document>> = {}) {
  const userData = createTestUserData(database, options)
  const failures: { message: string }[] = []
  userData.events.on('request_failed', failure => failures.push(failure))
  const app = express().use(userData.authenticate())
  app.use('/me', userData.ownData(own)).use(userData.errorHandler())
  const send = (method: 'get' | 'patch' | 'put', body?: object) => {
    const sent = request(app)
      [method]('/me')
      .set({ authorization: bearerOf(user) })
    return body ? sent.send(body) : sent
  }
  return { app, send, failures }
}

const insert = (document: Document = {}) =>
  collection.insertOne({ userId: user, language: 'en', timezone: 'UTC', role: 'member', ...document })
const stored = async () =>
  collection.findOne({ userId: user }, { projection: { _id: 0, userId: 0, role: 0 } })
const refusal = (detail: string) => ({ status: 422, body: { code: 'custom_data_refused', detail } })

/** The same object schema in three libraries: a required field, an optional one, a default and a conversion. */
const SETTINGS: [string, Schema][] = [
  [
    'zod',
    z.object({
      language: z.enum(['en', 'de']),
      timezone: z.string().optional(),
      theme: z.string().default('light'),
      birthday: z.iso
        .date()
        .transform(text => new Date(text))
        .optional(),
    }),
  ],
  [
    'valibot',
    v.object({
      language: v.picklist(['en', 'de']),
      timezone: v.optional(v.string()),
      theme: v.optional(v.string(), 'light'),
      birthday: v.optional(
        v.pipe(
          v.string(),
          v.isoDate(),
          v.transform(text => new Date(text)),
        ),
      ),
    }),
  ],
  [
    'arktype',
    type({
      language: "'en'|'de'",
      'timezone?': 'string',
      theme: "string = 'light'",
      'birthday?': 'string.date.iso.parse',
    }),
  ],
]

describe.each(SETTINGS)('an object schema of %s', (_library, schema) => {
  it('names the fields, and refuses a field with its path', async () => {
    await insert()
    const { send } = start({ schema })
    expect(await send('patch', { language: 'xx', timezone: 1 })).toMatchObject(
      refusal('The schema refuses: "language", "timezone".'),
    )
    expect((await send('patch', { role: 'admin' })).status).toBe(400)
    expect((await send('get')).body).toEqual({ language: 'en', timezone: 'UTC' })
  })

  it('may turn a text into a date, and later changes still work', async () => {
    await insert()
    const { send } = start({ schema })
    const birthday = '1990-12-10T00:00:00.000Z'
    expect((await send('patch', { birthday: '1990-12-10' })).body).toMatchObject({ birthday })
    expect(await send('patch', { language: 'de' })).toMatchObject({ status: 200, body: { birthday } })
    expect(await send('put', { language: 'en', birthday })).toMatchObject({ status: 200 })
    expect(await send('put', { language: 'de', birthday: '1990-12-11' })).toMatchObject({ status: 200 })
    expect(await stored()).toEqual({ language: 'de', theme: 'light', birthday: new Date('1990-12-11') })
  })

  it('stores its defaults for missing fields, by PATCH too, and never over a stored value', async () => {
    await insert()
    const { send } = start({ schema })
    expect((await send('patch', { timezone: 'CET' })).body).toMatchObject({ theme: 'light' })
    expect(await stored()).toEqual({ language: 'en', timezone: 'CET', theme: 'light' })
    await send('patch', { theme: 'dark' })
    await send('patch', { language: 'de' })
    expect(await stored()).toMatchObject({ language: 'de', theme: 'dark' })
    await send('put', { language: 'de' })
    expect(await stored()).toEqual({ language: 'de', theme: 'light' })
  })

  it('requires fields in a PUT and in a new document; a PATCH cannot remove a field, so it may leave them out', async () => {
    const { send } = start({ schema, upsert: true })
    const missing = refusal('The schema refuses: "language".')
    expect(await send('patch', { timezone: 'CET' })).toMatchObject(missing)
    expect(await send('put', { timezone: 'CET' })).toMatchObject(missing)
    expect(await send('patch', { language: 'de' })).toMatchObject({ status: 201 })
    expect(await stored()).toEqual({ language: 'de', theme: 'light' })
    expect(await send('put', { timezone: 'CET' })).toMatchObject(missing)
    await collection.updateOne({ userId: user }, { $unset: { language: 1 } })
    expect(await send('patch', { timezone: 'CET' })).toMatchObject({ status: 200 })
  })

  it('does not check stored fields that a request leaves as they are', async () => {
    await insert({ language: 'from before the schema' })
    const { send } = start({ schema })
    expect((await send('patch', { timezone: 'CET' })).status).toBe(200)
    const { body } = await send('get')
    expect((await send('put', body as object)).status).toBe(200)
    expect((await send('patch', { language: 'from before' })).status).toBe(422)
  })
})

it('a default of arktype is converted like a value that is sent', async () => {
  await insert()
  const schema = type({
    'language?': 'string',
    birthday: type('string.date.iso.parse').default('2020-01-01'),
  })
  const { send } = start({ schema })
  expect((await send('put', {})).status).toBe(200)
  expect(await stored()).toEqual({ birthday: new Date('2020-01-01'), timezone: 'UTC' })
})

describe('schemas of single fields', () => {
  const fields = {
    language: z.enum(['en', 'de']),
    teams: z.preprocess(given => (given === null ? undefined : given), z.array(z.string()).optional()),
    start: v.pipe(
      v.string(),
      v.transform(text => new Date(text)),
    ),
    end: type('string.date.iso.parse').or('undefined'),
  }

  it('may come from several libraries, and each gets only what the client sends', async () => {
    await insert({ start: new Date(0), end: new Date(1) })
    const { send } = start({ fields })
    expect((await send('patch', { language: 'xx', end: 'never' })).body).toMatchObject({
      detail: 'The schema refuses: "language", "end".',
    })
    expect((await send('patch', { end: '2020-01-01T00:00:00Z' })).status).toBe(200)
    expect((await send('patch', { language: 'de' })).status).toBe(200)
    expect(await stored()).toMatchObject({ language: 'de', start: new Date(0), end: new Date('2020-01-01') })
  })

  it('remove a field where they return undefined, for example for null', async () => {
    await insert({ teams: ['a'] })
    const { send } = start({ fields })
    expect((await send('patch', { teams: null })).body).toEqual({ language: 'en' })
    expect(await stored()).not.toHaveProperty('teams')
  })

  it('stand before a schema of all fields, which gets what they return', async () => {
    await insert({ start: new Date(5), end: new Date(9) })
    const schema = z
      .object({ start: z.date(), end: z.date(), days: z.number().optional() })
      .refine(({ start, end }) => start <= end, { path: ['end'] })
      .transform(all => ({ ...all, days: (all.end.getTime() - all.start.getTime()) / 86_400_000 }))
    const date = z.iso.datetime().transform(text => new Date(text))
    const { send } = start({ fields: { start: date, end: date, days: z.never().optional() }, schema })
    expect(await send('patch', { end: '1969-01-01T00:00:00Z' })).toMatchObject(
      refusal('The schema refuses: "end".'),
    )
    expect((await send('patch', { days: 1 })).body).toMatchObject({ detail: 'The schema refuses: "days".' })
    expect((await send('patch', { end: '1970-01-03T00:00:00.005Z' })).body).toMatchObject({ days: 2 })
    expect((await send('patch', { start: '1970-01-02T00:00:00.005Z' })).body).toMatchObject({ days: 1 })
    expect(await stored()).toMatchObject({ start: new Date(86_400_005), end: new Date(172_800_005), days: 1 })
  })

  it.each([
    ['zod', z.string().exactOptional()],
    ['valibot', v.exactOptional(v.string())],
  ] as [string, Schema][])(
    'of %s may be exactly optional: missing, but not undefined',
    async (_name, note) => {
      await insert({ note: 'a' })
      const { send } = start({
        schema: _name === 'zod' ? z.object({ note: note as never }) : v.object({ note: note as never }),
      })
      expect((await send('put', {})).body).toEqual({})
      expect((await send('put', { note: 1 })).status).toBe(422)
    },
  )

  it.each([
    { fields: { language: 1 } },
    { fields: {} },
    { fields: { _id: z.string() } },
    { fields: { 'a.b': z.string() } },
  ])('are checked at creation: %j', own => {
    expect(() => start(own as never)).toThrow(/^ownData\(\): option "fields/)
  })

  it('must include each field of the option fields', () => {
    expect(() =>
      start({ fields: ['language', 'langage'], schema: z.object({ language: z.string() }) }),
    ).toThrow(
      'ownData(): option "fields": "langage" is not a field of "schema". Add it there, or leave it out here.',
    )
  })
})

/** The same rule across two fields in three libraries. */
const RANGES: [string, Schema][] = [
  ['zod', z.object({ from: z.number(), to: z.number().default(100) }).refine(({ from, to }) => from <= to)],
  [
    'valibot',
    v.pipe(
      v.object({ from: v.number(), to: v.optional(v.number(), 100) }),
      v.check(({ from, to }) => from <= to),
    ),
  ],
  [
    'arktype',
    type({ from: 'number', to: 'number = 100' }).narrow(
      ({ from, to }, context) => from <= to || context.mustBe('in order'),
    ),
  ],
]

describe.each(RANGES)('a schema of %s with a rule across its fields', (_library, schema) => {
  const own = { schema }

  it('checks what is sent together with what is stored', async () => {
    await insert({ from: 1, to: 10 })
    const { send } = start(own)
    expect((await send('patch', { from: 11 })).status).toBe(422)
    expect((await send('patch', { from: 5 })).status).toBe(200)
    expect((await send('patch', { to: 4 })).status).toBe(422)
    expect((await send('put', { from: 4 })).body).toEqual({ from: 4, to: 100 })
    expect(await stored()).toMatchObject({ from: 4, to: 100 })
  })

  it('stores what it adds, by PATCH too', async () => {
    await insert({ from: 1 })
    const { send } = start(own)
    expect((await send('patch', { from: 2 })).body).toEqual({ from: 2, to: 100 })
    expect(await stored()).toMatchObject({ from: 2, to: 100 })
  })
})

describe('a schema of all fields', () => {
  const toDate = z.iso.date().transform(text => new Date(text))
  const withRule = (birthday: z.ZodType) =>
    z.object({ language: z.string(), birthday: birthday.optional() }).refine(() => true)

  it('gets stored values as they are, so a date as a Date', async () => {
    await insert({ birthday: new Date(0) })
    const { send } = start({ schema: withRule(z.union([z.date(), toDate])) })
    expect((await send('patch', { language: 'de' })).status).toBe(200)
    expect((await send('patch', { birthday: '2000-01-01' })).status).toBe(200)
    expect((await send('put', { language: 'fr', birthday: '2000-01-01T00:00:00.000Z' })).status).toBe(200)
    expect(await stored()).toMatchObject({ language: 'fr', birthday: new Date('2000-01-01') })
  })

  it('that refuses its own result stores nothing, so that it locks no user out, and the event says what to write', async () => {
    await insert()
    const { send, failures } = start({ schema: withRule(toDate) })
    expect(await send('patch', { birthday: '2000-01-01' })).toMatchObject({
      status: 500,
      body: { code: 'callback_failed' },
    })
    expect(failures[0]?.message).toMatch(
      /^ownData's schema refuses what it returned itself: "birthday"\. .* by the option "fields"\.$/,
    )
    expect(await send('patch', { language: 'de' })).toMatchObject({ status: 200 })
    expect(await stored()).toEqual({ language: 'de', timezone: 'UTC' })
  })

  it.each([true, false])(
    'never deletes a field that PATCH has sent by leaving it out, and the refusal names it (stored: %s)',
    async isStored => {
      if (isStored) await insert({ a: '1', note: 'old' })
      const schema = z.object({ a: z.string() }).refine(() => true)
      const { send } = start({ fields: ['a', 'note'], schema, upsert: true })
      expect(await send('patch', { a: '2', note: 'new' })).toMatchObject(
        refusal('The schema refuses: "note".'),
      )
      if (isStored) expect(await stored()).toMatchObject({ a: '1', note: 'old' })
      else expect(await stored()).toBeNull()
    },
  )

  it('removes a field that PATCH has sent by returning undefined for it', async () => {
    await insert({ a: '1', note: 'old' })
    const schema = z.object({ a: z.string() }).transform(all => ({ ...all, note: undefined }))
    const { send } = start({ fields: ['a', 'note'], schema })
    expect((await send('patch', { note: 'new' })).body).toEqual({ a: '1' })
  })

  it('may leave out a field that PUT has sent, so that it is not stored', async () => {
    await insert({ a: '1', note: 'old' })
    const schema = z.object({ a: z.string() }).refine(() => true)
    const { send } = start({ fields: ['a', 'note'], schema })
    expect((await send('put', { a: '2', note: 'new' })).body).toEqual({ a: '2' })
  })

  it('that refuses the fields together, without a path, is a refusal of "the fields together"', async () => {
    await insert({ from: 1, to: 10 })
    const { send } = start({ schema: RANGES[0]![1] })
    expect(await send('patch', { from: 11 })).toMatchObject(
      refusal('The schema refuses: the fields together.'),
    )
  })

  it('with a fallback is not split, so the fallback still holds', async () => {
    await insert()
    const schema = v.fallback(v.object({ language: v.picklist(['en', 'de']) }), { language: 'en' })
    const { send } = start({ schema })
    expect(await send('patch', { language: 'xx' })).toMatchObject({ status: 200, body: { language: 'en' } })
  })

  it.each<[string, Schema]>([
    ['a loose object of zod', z.looseObject({ language: z.string() })],
    ['a catchall of zod', z.object({ language: z.string() }).catchall(z.string())],
    ['a loose object of valibot', v.looseObject({ language: v.string() })],
    ['an object of valibot with a rest', v.objectWithRest({ language: v.string() }, v.string())],
    ['an object of arktype', type({ language: 'string' })],
  ])('may be %s, and the option fields may name more fields than it', async (_what, schema) => {
    await insert()
    const { send } = start({ fields: ['language', 'note'], schema })
    expect((await send('patch', { note: 'new' })).body).toEqual({ language: 'en', note: 'new' })
    expect((await send('patch', { language: 1 })).status).toBe(422)
  })

  it.each<[string, Schema]>([
    ['a strict object of zod', z.strictObject({ language: z.string() })],
    ['an object of zod', z.object({ language: z.string() })],
    ['an object of valibot', v.object({ language: v.string() })],
    ['an object of arktype that deletes', type({ language: 'string', '+': 'delete' })],
  ])('that is %s must name all fields', (_what, schema) => {
    expect(() => start({ fields: ['language', 'note'], schema })).toThrow('"note" is not a field of "schema"')
  })

  it('may change other fields than the request, and fields that it leaves out stay as they are', async () => {
    await insert({ first: 'Ada', last: 'Byron' })
    const schema = z
      .object({ first: z.string(), last: z.string() })
      .transform(name => ({ ...name, full: `${name.first} ${name.last}`, role: 'admin' }))
    const { send } = start({ fields: ['first', 'last', 'full', 'timezone'], schema })
    expect((await send('patch', { last: 'Lovelace' })).body).toEqual({
      first: 'Ada',
      last: 'Lovelace',
      full: 'Ada Lovelace',
      timezone: 'UTC',
    })
    expect(await collection.findOne({ userId: user })).toMatchObject({ role: 'member', full: 'Ada Lovelace' })
  })

  it('refuses a value of Extended JSON whose type it would refuse later, so that it locks no user out', async () => {
    await insert()
    const { send, app } = start({ schema: withRule(z.string()), extendedJson: 'relaxed' })
    const answer = await request(app)
      .patch('/me')
      .set({ authorization: bearerOf(user), 'content-type': 'application/ejson' })
      .send('{"birthday":{"$date":"2000-01-01T00:00:00Z"}}')
    expect(answer).toMatchObject(refusal('The schema refuses: "birthday".'))
    expect((await send('patch', { birthday: '2000-01-01' })).status).toBe(200)
  })

  it.each(['fields', 'schema'])(
    'or of single ones is not asked about a value that users must not store, which is a 400 (option %s)',
    async option => {
      await insert()
      const own = option === 'fields' ? { fields: { language: z.any() } } : { schema: withRule(z.any()) }
      const { app } = start({ ...own, extendedJson: 'relaxed' })
      const answer = await request(app)
        .patch('/me')
        .set({ authorization: bearerOf(user), 'content-type': 'application/ejson' })
        .send('{"language":{"$regularExpression":{"pattern":"(?i)a","options":""}}}')
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
    },
  )

  it.each([false, true])(
    'may return undefined members, and the answer of a new document is the next answer of GET (ignoreUndefined: %s)',
    async ignoreUndefined => {
      const schema = z
        .object({ language: z.string() })
        .transform(({ language }) => ({ language, more: { a: undefined, b: 1 } }))
      const opened = database.db.collection('custom_user_data', { ignoreUndefined })
      const { send } = start({ fields: ['language', 'more'], schema, upsert: true }, { collection: opened })
      const created = await send('put', { language: 'de' })
      expect(created.status).toBe(201)
      const got = await send('get')
      expect(created.text).toBe(got.text)
      expect(created.headers['etag']).toBe(got.headers['etag'])
      expect(created.body).toMatchObject({ more: ignoreUndefined ? { b: 1 } : { a: null, b: 1 } })
    },
  )

  it('that throws is a 500 that does not reveal the reason', async () => {
    await insert()
    const throwing = z.object({ language: z.string() }).refine(() => {
      throw new Error('secret')
    })
    const answer = await start({ schema: throwing }).send('patch', { language: 'de' })
    expect(answer.status).toBe(500)
    expect(answer.text).not.toContain('secret')
  })
})

describe('the refusal of a strict schema', () => {
  const address = { city: 'Bonn', zip: '53111', 'a "b"': 1 }

  it.each<[string, Schema, string]>([
    ['zod', z.strictObject({ city: z.string() }), '"address.zip", "address.a \\"b\\""'],
    // valibot stops at the first one.
    ['valibot', v.strictObject({ city: v.string() }), '"address.zip"'],
    ['arktype', type({ city: 'string', '+': 'reject' }), '"address.zip", "address.a \\"b\\""'],
  ])('of %s names the unknown members', async (_library, schema, named) => {
    await insert()
    const answer = await start({ fields: { address: schema } }).send('patch', { address })
    expect(answer.status).toBe(422)
    const { detail } = answer.body as { detail: string }
    const names = detail.replace(/^The schema refuses: |\.$/g, '').split(', ')
    expect(names.sort()).toEqual(named.split(', ').sort())
  })

  it('of all fields names the unknown fields', async () => {
    await insert()
    const schema = z.strictObject({ language: z.string() }).refine(() => true)
    const answer = await start({ fields: ['language', 'timezone'], schema }).send('patch', { language: 'de' })
    expect(answer).toMatchObject(refusal('The schema refuses: "timezone".'))
  })

  it('of the instance names them in the cause of the event load_failed', async () => {
    await insert()
    const schema = z.strictObject({ _id: z.any(), userId: z.string(), language: z.string() })
    const userData = createTestUserData(database, { schema })
    const failures: { error: Error }[] = []
    userData.events.on('load_failed', failure => failures.push(failure))
    await expect(userData.forUser(user).read()).rejects.toMatchObject({ code: 'custom_data_invalid' })
    expect(failures[0]?.error.cause).toMatchObject({ message: 'The schema refuses: timezone, role' })
  })
})
