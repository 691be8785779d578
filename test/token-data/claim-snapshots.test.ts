import { BSON, Decimal128, Int32, Long, ObjectId } from 'mongodb'
import type { Collection, Document } from 'mongodb'
import request from 'supertest'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import type { CustomUserData, SnapshotLeftOutEvent } from 'express-custom-user-data'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { startIssuer } from '../support/key-server.js'
import { createGuardedApp } from '../support/guarded-app.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

type Options = NonNullable<Parameters<typeof createTestUserData>[1]>
type TestUserData = CustomUserData<Readonly<Record<string, unknown>>>

const MINUTE = 60_000
const TOLERANCE_MS = 5_000

const database = useDatabase()
let documents: Collection
let clock: ManualClock
beforeAll(async () => {
  documents = database.db.collection('custom_user_data')
})
beforeEach(async () => {
  await documents.deleteMany()
  await documents.insertOne({ userId: 'alice', language: 'en', logins: new Long(3) })
  clock = createManualClock()
})

/** An instance that has its indexes, so that what is counted from now on is reads. */
async function start(options: Options = {}): Promise<TestUserData> {
  const userData = createTestUserData(database, { clock, userDataInToken: 'relaxed', ...options })
  await userData.ready()
  database.commands.clear()
  return userData
}

async function issue(userData: TestUserData, userId = 'alice'): Promise<string> {
  const { access_token } = await userData.issueTokens(userId)
  database.commands.clear()
  return access_token
}

function claimsOf(token: string): Document {
  return JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Document
}

function reads(): number {
  return database.commands.loads().length
}

function leftOut(userData: TestUserData): SnapshotLeftOutEvent[] {
  const events: SnapshotLeftOutEvent[] = []
  userData.events.on('snapshot_left_out', event => events.push(event))
  return events
}

function change(language: string): Promise<unknown> {
  return documents.updateOne({ userId: 'alice' }, { $set: { language } })
}

describe('an access token', () => {
  it('contains no custom data by default', async () => {
    const token = await issue(await start({ userDataInToken: false }))
    expect(Object.keys(claimsOf(token)).filter(claim => claim.startsWith('user_data'))).toEqual([])
  })

  it('contains the document as relaxed Extended JSON', async () => {
    const { _id } = (await documents.findOne({}))!
    const token = await issue(await start())
    const user_data = { _id: { $oid: _id.toHexString() }, userId: 'alice', language: 'en', logins: 3 }
    expect(claimsOf(token)['user_data']).toEqual(user_data)
  })

  it('contains canonical Extended JSON with the types that the document has in MongoDB', async () => {
    const exact = await documents.findOne({}, { promoteValues: false })
    const token = await issue(await start({ userDataInToken: 'canonical' }))
    expect(claimsOf(token)['user_data']).toEqual(BSON.EJSON.serialize(exact, { relaxed: false }))
    expect(claimsOf(token)['user_data']).toMatchObject({ logins: { $numberLong: '3' } })
  })

  it('contains the current document after a refresh', async () => {
    const userData = await start()
    const { refresh_token } = await userData.issueTokens('alice')
    await change('fr')
    const { body } = await request(createGuardedApp(userData)).post('/refresh').send({ refresh_token })
    expect(claimsOf(body.access_token as string)['user_data']).toMatchObject({ language: 'fr' })
  })

  it('contains no user_data for a user without a document, as in App Services', async () => {
    const token = await issue(await start(), 'nobody')
    expect(claimsOf(token)).not.toHaveProperty('user_data')
  })

  it('cannot be changed in meaning by the names of fields', async () => {
    const hostile = JSON.parse('{"__proto__":{"a":1},"sub":"eve","toJSON":1}') as Document
    await documents.updateOne({ userId: 'alice' }, { $set: { hostile } })
    const token = await issue(await start())
    expect(JSON.stringify(claimsOf(token)['user_data'].hostile)).toBe(JSON.stringify(hostile))
    expect(claimsOf(token)['sub']).toBe('alice')
    const user = await (await start()).verifyToken(token)
    expect(JSON.stringify(user.customData['hostile'])).toBe(JSON.stringify(hostile))
  })
})

describe.each(['relaxed', 'canonical'] as const)(
  'another instance, of a token in %s Extended JSON,',
  format => {
    it('serves without a query the same document that a load would give', async () => {
      const values = {
        decimal: Decimal128.fromString('1.5'),
        long: Long.MAX_VALUE,
        int: new Int32(7),
        at: new Date(0),
      }
      await documents.updateOne({ userId: 'alice' }, { $set: { nested: [values], ref: new ObjectId() } })
      const first = await start({ userDataInToken: format })
      const token = await issue(first)
      const other = await start({ userDataInToken: format })
      // The classes of the driver are learned from what is loaded.
      await other.verifyToken(forgeToken({ claims: validClaims('alice', clock.now()) }))
      database.commands.clear()
      const { customData } = await other.verifyToken(token)
      expect(database.commands.named('aggregate', 'find')).toEqual([])
      expect(customData).toStrictEqual((await first.verifyToken(token)).customData)
      expect(customData).toEqual(await documents.findOne({}))
    })
  },
)

describe('an instance that gets a token with custom data', () => {
  it('serves the data without a query, from its first request on', async () => {
    const token = await issue(await start())
    const other = await start()
    expect((await other.verifyToken(token)).customData).toMatchObject({ language: 'en', logins: 3 })
    expect(reads()).toBe(0)
  })

  it('serves users without a document without a query', async () => {
    const token = await issue(await start(), 'nobody')
    expect((await (await start()).verifyToken(token)).customData).toEqual({})
    expect(reads()).toBe(0)
  })

  it('needs no query even if it never loaded a BSON class that the data contains', async () => {
    await documents.updateOne({ userId: 'alice' }, { $set: { price: Decimal128.fromString('9.90') } })
    const first = await start()
    const tokens = [await issue(first), await issue(first)]
    const other = await start()
    for (const token of tokens) {
      const { customData } = await other.verifyToken(token)
      expect(customData['price']).toEqual(Decimal128.fromString('9.90'))
      expect(reads()).toBe(0)
    }
  })

  it('verifies the token once and then caches it like any other', async () => {
    const token = await issue(await start())
    const other = await start()
    const [first, second] = [await other.verifyToken(token), await other.verifyToken(token)]
    expect(second.customData).toBe(first.customData)
  })

  it('hands out data that handlers cannot change', async () => {
    const token = await issue(await start())
    const { customData } = await (await start()).verifyToken(token)
    expect(Object.isFrozen(customData)).toBe(true)
    expect(customData['_id']).not.toBe(customData['_id'])
    expect(customData['_id']).toBeInstanceOf(ObjectId)
  })

  it('shows handlers the other claims, and custom data as customData only', async () => {
    const token = await issue(await start())
    for (const userData of [await start(), await start({ userDataInToken: false })]) {
      const { claims } = await userData.verifyToken(token)
      expect(claims).toMatchObject({ sub: 'alice', client_id: 'https://api.example.com' })
    }
    const { claims } = await (await start()).verifyToken(token)
    expect(Object.keys(claims).filter(claim => claim.startsWith('user_data'))).toEqual([])
  })

  it('serves the data until 30 minutes after iat, and then loads', async () => {
    const issuer = await start({ accessTokenTtlSeconds: 3_600 })
    const token = await issue(issuer)
    await change('fr')
    clock.advance(30 * MINUTE - 1)
    expect((await (await start()).verifyToken(token)).customData).toMatchObject({ language: 'en' })
    expect(reads()).toBe(0)
    clock.advance(1)
    expect((await (await start()).verifyToken(token)).customData).toMatchObject({ language: 'fr' })
    expect(reads()).toBe(1)
  })

  it('keeps the data no longer than that, even if the token came late', async () => {
    const token = await issue(await start({ accessTokenTtlSeconds: 3_600 }))
    await change('fr')
    const other = await start()
    clock.advance(20 * MINUTE)
    expect((await other.verifyToken(token)).customData).toMatchObject({ language: 'en' })
    clock.advance(10 * MINUTE - 1)
    expect((await other.verifyToken(token)).customData).toMatchObject({ language: 'en' })
    clock.advance(1)
    expect((await other.verifyToken(token)).customData).toMatchObject({ language: 'fr' })
  })

  it('loads if the user was invalidated after the data was read, cached or not', async () => {
    const userData = await start()
    const token = await issue(userData)
    const other = await start()
    clock.advance(MINUTE)
    await change('fr')
    for (const instance of [userData, other]) {
      instance.invalidate('alice')
      expect((await instance.verifyToken(token)).customData).toMatchObject({ language: 'fr' })
    }
    expect(reads()).toBe(2)
  })

  it('loads if differing clocks leave in doubt whether the read or the invalidation was first', async () => {
    const userData = await start()
    const other = await start()
    other.invalidate('alice')
    clock.advance(TOLERANCE_MS)
    const early = await issue(userData)
    await other.verifyToken(early)
    expect(reads()).toBe(1)
    clock.advance(1)
    const later = await issue(userData)
    await other.verifyToken(later)
    expect(reads()).toBe(0)
  })

  it('loads if the user is invalidated while the token is being verified', async () => {
    const schema = z.record(z.string(), z.unknown())
    const token = await issue(await start({ schema }))
    let isFirst = true
    const invalidating = schema.refine(() => {
      if (isFirst) other.invalidate('alice')
      isFirst = false
      return true
    })
    const other = await start({ schema: invalidating })
    clock.advance(MINUTE)
    await change('fr')
    expect((await other.verifyToken(token)).customData).toMatchObject({ language: 'fr' })
    expect(reads()).toBe(1)
  })

  it('serves the data if another user was invalidated', async () => {
    const token = await issue(await start())
    const other = await start()
    other.invalidate('bob')
    await other.verifyToken(token)
    expect(reads()).toBe(0)
  })

  it('loads if the data says that it was read in the future', async () => {
    const token = await issue(await start())
    clock.setWall(clock.now() - TOLERANCE_MS - 1)
    await (await start()).verifyToken(token)
    expect(reads()).toBe(1)
  })

  it('refuses the token after its session was revoked', async () => {
    const userData = await start()
    const token = await issue(userData)
    userData.invalidate('alice')
    await userData.revoke('alice')
    await expect(userData.verifyToken(token)).rejects.toMatchObject({ code: 'invalid_token' })
  })

  it('loads if the option is off, or if the collection or the projection is a different one', async () => {
    const token = await issue(await start())
    const others: Options[] = [
      { userDataInToken: false },
      { collection: database.db.collection('others') },
      { projection: { language: 0 } },
      { userIdField: 'owner' },
    ]
    for (const options of others) {
      const { customData } = await (await start(options)).verifyToken(token)
      expect([reads(), customData['language']]).toEqual([
        1,
        options.userDataInToken === false ? 'en' : undefined,
      ])
    }
  })
})

describe('a token that was issued before', () => {
  const toNumber = (id: string) => (/^\d+$/.test(id) ? [Number(id)] : [])
  const toText = (id: string) => [id]
  beforeEach(() =>
    documents.insertMany([
      { userId: 10, of: 'the number' },
      { userId: '10', of: 'the text' },
    ] as object[]),
  )

  it.each([
    ['a number', toNumber, toText, 'the text'],
    ['a text', toText, toNumber, 'the number'],
    ['another number', () => [10], toText, 'the text'],
    ['a list of both', (id: string) => [id, Number(id)], toNumber, 'the number'],
  ])(
    'toFieldValues was corrected is not used, and the document is loaded: from %s',
    async (_from, before, toFieldValues, of) => {
      const token = await issue(await start({ toFieldValues: before }), '11')
      const ten = await issue(await start({ toFieldValues: before }), '10')
      const other = await start({ toFieldValues })
      expect((await other.verifyToken(ten)).customData).toMatchObject({ of })
      expect(reads()).toBe(1)
      await other.verifyToken(token)
      expect(reads()).toBe(2)
    },
  )

  it('a new toFieldValues callback with the same result is used', async () => {
    const token = await issue(await start({ toFieldValues: toNumber }), '10')
    const other = await start({ toFieldValues: id => [parseInt(id, 10)] })
    expect((await other.verifyToken(token)).customData).toMatchObject({ of: 'the number' })
    expect(reads()).toBe(0)
  })

  it('the projection got another regular expression is not used, and the document is loaded', async () => {
    const projectionOf = (regex: RegExp) => ({ matches: { $regexMatch: { input: '$language', regex } } })
    const token = await issue(await start({ projection: projectionOf(/en/) }))
    const other = await start({ projection: projectionOf(/fr/) })
    expect((await other.verifyToken(token)).customData).toMatchObject({ matches: false })
  })

  it('maxDocumentBytes was lowered below its document is not used, and the error says so', async () => {
    await documents.updateOne({ userId: 'alice' }, { $set: { bio: 'x'.repeat(2_000) } })
    const token = await issue(await start())
    const other = await start({ maxDocumentBytes: 1_000 })
    await expect(other.verifyToken(token)).rejects.toMatchObject({ code: 'custom_data_too_large' })
    expect((await (await start({ maxDocumentBytes: 3_000 })).verifyToken(token)).customData).toMatchObject({
      language: 'en',
    })
  })
})

describe('user_data that this instance did not issue', () => {
  const forged = { user_data: { userId: 'alice', role: 'admin' } }

  function forge(token: string, secret: string): string {
    return forgeToken({ claims: { ...claimsOf(token), ...forged }, secret })
  }

  it('is refused with its token if the signature is not ours', async () => {
    const userData = await start()
    const token = await issue(userData)
    await expect(userData.verifyToken(forge(token, 'x'.repeat(32)))).rejects.toMatchObject({
      code: 'invalid_token',
    })
    const [header, , signature] = token.split('.')
    const payload = Buffer.from(JSON.stringify({ ...claimsOf(token), ...forged })).toString('base64url')
    const swapped = `${header}.${payload}.${signature}`
    await expect(userData.verifyToken(swapped)).rejects.toMatchObject({ code: 'invalid_token' })
  })

  it('is ignored in the token of a trusted issuer, which may use that claim for something else', async () => {
    const idp = await startIssuer()
    onTestFinished(() => idp.server.close())
    const userData = await start({ trustedIssuers: [idp.option({ userIdPrefix: 'idp|' })] })
    const { user_data_read } = claimsOf(await issue(userData))
    const token = idp.token({
      ...validClaims('alice', clock.now()),
      iss: idp.option().issuer,
      user_data_read,
      ...forged,
    })
    const { id, customData } = await userData.verifyToken(token)
    expect([id, customData, reads()]).toEqual(['idp|alice', {}, 1])
  })

  it.each([
    { user_data: undefined },
    { user_data: null },
    { user_data: 'text' },
    { user_data: [] },
    { user_data: { $oid: '65a000000000000000000001' } },
    { user_data: { a: { $numberLong: 'x' } } },
    { user_data: { a: { $oid: 'x' } } },
    { user_data_read: undefined },
    { user_data_read: null },
    { user_data_read: { at: 'now' } },
    { iat: 0 },
  ])('is ignored if it is malformed, even if the signature is ours: %j', async claims => {
    const userData = await start({ requireDocument: true })
    const token = await issue(userData)
    const other = await start({ requireDocument: true })
    const { customData } = await other.verifyToken(forgeToken({ claims: { ...claimsOf(token), ...claims } }))
    expect(customData).toMatchObject({ language: 'en' })
    expect(reads()).toBe(1)
  })
})

describe('a document that does not fit into a token', () => {
  it('is left out of the token with an event, and is loaded as usual', async () => {
    const userData = await start()
    const events = leftOut(userData)
    await documents.updateOne({ userId: 'alice' }, { $set: { bio: 'x'.repeat(6_000) } })
    const token = await issue(userData)
    expect(token.length).toBeLessThan(1_000)
    expect(events).toEqual([
      { userId: 'alice', reason: 'too_large', maxTokenBytes: 8_192, tokenBytes: expect.any(Number) },
    ])
    expect((await (await start()).verifyToken(token)).customData).toMatchObject({ language: 'en' })
    expect(reads()).toBe(1)
  })

  it('is left out if the token would be one byte too long', async () => {
    const userData = await start()
    const exactly = (await issue(userData)).length
    const fits = await start({ userDataInToken: { format: 'relaxed', maxTokenBytes: exactly } })
    expect(claimsOf(await issue(fits))).toHaveProperty('user_data')
    const small = await start({ userDataInToken: { format: 'relaxed', maxTokenBytes: exactly - 1 } })
    expect(claimsOf(await issue(small))).not.toHaveProperty('user_data')
  })

  it('is left out if the token would be longer than the guard accepts', async () => {
    const userData = await start({ maxTokenLength: 600 })
    await documents.updateOne({ userId: 'alice' }, { $set: { bio: 'x'.repeat(300) } })
    const token = await issue(userData)
    expect((await userData.verifyToken(token)).customData).toMatchObject({ language: 'en' })
    expect(claimsOf(token)).not.toHaveProperty('user_data')
  })

  it('is left out if Extended JSON cannot express it', async () => {
    const userData = await start()
    const events = leftOut(userData)
    const query = { $numberInt: '1' }
    await documents.replaceOne({ userId: 'alice' }, { userId: 'alice', language: 'en', query })
    const token = await issue(userData)
    expect(claimsOf(token)).not.toHaveProperty('user_data')
    expect(events).toEqual([{ userId: 'alice', reason: 'no_extended_json' }])
    expect((await (await start()).verifyToken(token)).customData).toMatchObject({ query })
  })
})

describe('a projection for clients', () => {
  const userDataInToken = { format: 'canonical', projection: { language: 1, _id: 0 } } as const

  it('limits only the token: handlers get the whole document, loaded as usual', async () => {
    const userData = await start({ userDataInToken })
    const token = await issue(userData)
    expect(claimsOf(token)['user_data']).toEqual({ language: 'en' })
    for (const instance of [userData, await start({ userDataInToken }), await start()]) {
      expect((await instance.verifyToken(token)).customData).toMatchObject({ userId: 'alice', logins: 3 })
    }
  })
})

describe('with a schema, the token', () => {
  it('contains the result of the schema, as the answer of the login does', async () => {
    const userData = await start({ schema: z.object({ language: z.string() }) })
    expect(claimsOf(await issue(userData))['user_data']).toEqual({ language: 'en' })
  })

  it('is served without a query if the schema does not change it', async () => {
    const schema = z.object({ language: z.string(), theme: z.string().default('dark') })
    const token = await issue(await start({ schema }))
    const { customData } = await (await start({ schema })).verifyToken(token)
    expect([customData, reads()]).toEqual([{ language: 'en', theme: 'dark' }, 0])
  })

  it.each([
    ['no longer passes the schema', z.object({ language: z.string(), logins: z.number() })],
    ['would be changed by the schema', z.object({ language: z.string().transform(text => `${text}!`) })],
  ])('is not used if its document %s', async (_why, schema) => {
    const token = await issue(await start({ schema: z.object({ language: z.string() }) }))
    const { customData } = await (await start({ schema })).verifyToken(token)
    expect(reads()).toBe(1)
    expect(customData).toEqual(schema.parse({ language: 'en', logins: 3 }))
  })
})
