import { createRequire } from 'node:module'
import { Binary, BSON, BSONRegExp, Decimal128, Double, Int32, Long, MinKey, ObjectId } from 'mongodb'
import type { Document } from 'mongodb'
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import type {
  CustomUserDataOptions,
  ExtendedJsonFormat,
  LoginOptions,
  RefreshOptions,
} from 'express-custom-user-data'
import request from 'supertest'
import { z } from 'zod'
import { beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { AUDIENCE, createTestUserData, ISSUER, SECRET } from '../support/user-data.js'

const { EJSON } = BSON
const database = useDatabase()
let user: string
beforeEach(() => {
  user = new ObjectId().toHexString()
})

/** Values whose type or content plain JSON loses. */
const VALUES = {
  int: new Int32(5),
  long: new Long(5),
  double: new Double(5),
  unsafe: Long.fromString('9007199254740993'),
  nan: new Double(Number.NaN),
  zero: new Double(-0),
  decimal: Decimal128.fromString('1.10'),
  date: new Date('2020-01-02T03:04:05.678Z'),
  id: new ObjectId('65a000000000000000000001'),
  bytes: new Binary(Buffer.from('abc'), 0x80),
  pattern: new BSONRegExp('a', 'ilmsux'),
  least: new MinKey(),
  nested: { list: [new Long(7), { at: new Date(0) }] },
}
const FIELDS = Object.keys(VALUES)

interface Setting {
  options?: Partial<CustomUserDataOptions<Document>>
  login?: LoginOptions<Document>
  refresh?: RefreshOptions
  own?: { extendedJson?: ExtendedJsonFormat | false }
}

function start({ options, login, refresh, own }: Setting = {}) {
  const userData = createTestUserData(database, options)
  const app = express()
  app.post(
    '/login',
    userData.login(({ user: id }) => ({ id: String(id) }), login as never),
  )
  app.post('/refresh', userData.refresh(refresh))
  app.use(userData.authenticate())
  app.get('/me', (req, res) => res.json(req.user!.customData))
  app.use('/own', userData.ownData({ fields: FIELDS, ...own }))
  return { app, userData }
}

/** The custom data in the answers of a login, a refresh and `ownData()`. */
async function answersOf(
  app: express.Express,
): Promise<Record<'login' | 'refresh' | 'own' | 'me', Document>> {
  const first = await request(app).post('/login').send({ user })
  const { access_token, refresh_token } = first.body as Record<string, string>
  const second = await request(app).post('/refresh').send({ refresh_token })
  const authorization = `Bearer ${access_token!}`
  const own = await request(app).get('/own').set({ authorization, accept: 'application/ejson' })
  const me = await request(app).get('/me').set({ authorization })
  const customDataOf = ({ body }: request.Response) =>
    (body as { user: { customData: Document } }).user.customData
  // Our client does not parse the type application/ejson.
  const ownBody = (own.status === 200 ? JSON.parse(own.text) : {}) as Document
  return { login: customDataOf(first), refresh: customDataOf(second), own: ownBody, me: me.body as Document }
}

const insert = () => database.db.collection('custom_user_data').insertOne({ userId: user, ...VALUES })

describe.each(['relaxed', 'canonical'] as const)('extendedJson: %j', extendedJson => {
  it('of the instance is the format of all its answers, and states the stored types', async () => {
    await insert()
    const { login, refresh, own, me } = await answersOf(start({ options: { extendedJson } }).app)
    const { _id, userId, ...fields } = login
    expect({ _id: { $oid: expect.any(String) as unknown }, userId }).toEqual({ _id, userId: user })
    expect(refresh).toEqual(login)
    expect(own).toEqual(fields)
    if (extendedJson === 'canonical') expect(fields).toEqual(EJSON.serialize(VALUES, { relaxed: false }))
    expect(fields).toMatchObject({
      unsafe: { $numberLong: '9007199254740993' },
      nan: { $numberDouble: 'NaN' },
      zero: { $numberDouble: '-0.0' },
      bytes: { $binary: { base64: 'YWJj', subType: '80' } },
      pattern: { $regularExpression: { pattern: 'a', options: 'ilmsux' } },
      least: { $minKey: 1 },
      ...(extendedJson === 'relaxed' && { int: 5, long: 5, double: 5 }),
    })
    // Handlers get what they get without the option.
    expect(me).toMatchObject({ int: 5, long: 5, date: VALUES.date.toISOString() })
  })

  it('of the instance is the format of issueTokens() too', async () => {
    await insert()
    const userData = createTestUserData(database, { extendedJson })
    const { user: issued } = await userData.issueTokens(user)
    expect(issued.customData).toMatchObject({ unsafe: { $numberLong: '9007199254740993' } })
  })

  it('of a route overrides the instance', async () => {
    await insert()
    const one = { extendedJson }
    const { login, refresh, own } = await answersOf(start({ login: one, refresh: one, own: one }).app)
    expect(login['date']).toHaveProperty('$date')
    expect(refresh['date']).toHaveProperty('$date')
    expect(own['date']).toHaveProperty('$date')
    const off = { extendedJson: false } as const
    const plain = await answersOf(start({ options: one, login: off, refresh: off, own: off }).app)
    for (const answer of [plain.login, plain.refresh, plain.own]) {
      expect(answer).toMatchObject({ date: VALUES.date.toISOString(), long: 5 })
    }
  })

  it.each([undefined, 'relaxed', 'canonical'] as const)(
    'does not depend on the claim of custom data in the token: %j',
    async userDataInToken => {
      await insert()
      const { login } = await answersOf(start({ options: { extendedJson, userDataInToken } }).app)
      const fields = Object.fromEntries(FIELDS.map(name => [name, login[name] as unknown]))
      expect(EJSON.deserialize({ fields }, { relaxed: false })).toMatchObject({
        fields: { pattern: VALUES.pattern },
      })
      if (extendedJson === 'canonical') expect(fields).toEqual(EJSON.serialize(VALUES, { relaxed: false }))
    },
  )

  it('keeps the projection, writes what a schema returns, and {} for a user without a document', async () => {
    await insert()
    const projection = { long: 1, date: 1, _id: 0 }
    const projecting = await answersOf(start({ options: { extendedJson, projection } }).app)
    expect(EJSON.deserialize(projecting.login)).toEqual({ long: 5, date: VALUES.date })
    const schema = z.object({ long: z.number().transform(BigInt), at: z.date().default(new Date(0)) })
    const returned = await answersOf(start({ options: { extendedJson, schema } }).app)
    expect(EJSON.deserialize(returned.login)).toEqual({ long: 5, at: new Date(0) })
    user = 'nobody'
    expect((await answersOf(start({ options: { extendedJson } }).app)).login).toEqual({})
  })
})

describe('plain JSON', () => {
  it('is the default, and is what res.json(req.user.customData) gives', async () => {
    await insert()
    const { login, refresh, me } = await answersOf(start().app)
    expect(login).toEqual(me)
    expect(refresh).toEqual(me)
  })

  it('loses what the documentation says', async () => {
    await insert()
    expect((await answersOf(start().app)).me).toMatchObject({
      long: 5,
      unsafe: { high: 2_097_152, low: 1, unsigned: false },
      nan: null,
      zero: 0,
      decimal: { $numberDecimal: '1.10' },
      date: '2020-01-02T03:04:05.678Z',
      id: '65a000000000000000000001',
      bytes: 'YWJj',
      pattern: {},
      least: {},
    })
  })
})

describe('a wrong extendedJson', () => {
  it.each(['ejson', true, null, {}])('is refused in one way by the instance and by each route: %j', value => {
    const { userData } = start()
    const given = { extendedJson: value as never }
    const says = /option "extendedJson": write "relaxed", "canonical" or false/
    expect(() => start({ options: given })).toThrow(says)
    expect(() => userData.login(() => null, given)).toThrow(says)
    expect(() => userData.refresh(given)).toThrow(says)
    expect(() => userData.ownData({ fields: ['a'], ...given })).toThrow(says)
  })

  it('needs the BSON library of the driver, and the error names the option', () => {
    // This package resolves another copy of the driver.
    const { MongoClient } = createRequire(import.meta.url)('mongodb6') as typeof import('mongodb')
    const collection = new MongoClient(database.uri).db('test').collection('custom_user_data')
    const create = (options: object) =>
      createCustomUserData({ collection, secret: SECRET, issuer: ISSUER, audience: AUDIENCE, ...options })
    expect(() => create({ extendedJson: 'relaxed' })).toThrow(
      /^createCustomUserData: option "extendedJson" needs the BSON library .* write bson: BSON/,
    )
    const userData = create({})
    expect(() => userData.login(() => null, { extendedJson: 'relaxed' })).toThrow(
      /^login\(\): option "extendedJson"/,
    )
    expect(() => userData.refresh({ extendedJson: 'relaxed' })).toThrow(/^refresh\(\): option "extendedJson"/)
  })
})
