import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as ours from 'mongodb'
import type { Collection, Db, Document, MongoClient } from 'mongodb'
import * as mongodb6 from 'mongodb6'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, onTestFinished } from 'vitest'
import { createCustomUserData } from 'express-custom-user-data'
import { EXACT_BSON, openTeamDatabase, PLAIN_BSON } from '../../lib/mongo/team-database.js'
import type { OpenCollection } from '../../lib/mongo/team-database.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { insertInvalidText } from '../support/raw-insert.js'
import { AUDIENCE, ISSUER, SECRET } from '../support/user-data.js'

type Driver = typeof ours

/** The newest, past the alias under which these tests know the oldest. */
const mongodb7 = createRequire(import.meta.url)('mongodb') as Driver

describe.each([
  ['6', mongodb6 as unknown as Driver],
  ['7', mongodb7],
])('with mongodb %s as the driver of the team', (_version, driver) => {
  let client: MongoClient
  let db: Db
  let collection: Collection
  let open: OpenCollection
  beforeAll(async () => {
    client = await driver.MongoClient.connect(inject('mongoUri'))
    db = client.db(`test_${randomBytes(6).toString('hex')}`)
    collection = db.collection('custom_user_data')
    open = await openTeamDatabase(collection).open()
  })
  afterAll(async () => {
    await db.dropDatabase()
    await client.close()
  })

  it('bytes are decoded by it, or by the driver itself: never by another', () => {
    expect(open.decode !== undefined).toBe(driver.MongoClient === ours.MongoClient)
  })

  it('values are of its classes, whether a document is decoded, shared or known byte for byte', async () => {
    await collection.insertOne({ userId: 'alice', price: driver.Decimal128.fromString('1.50') })
    const userData = createCustomUserData({
      collection,
      secret: SECRET,
      issuer: ISSUER,
      audience: AUDIENCE,
      loadTimeoutMs: 10_000,
    })
    for (let load = 0; load < 4; load++) {
      const token = bearerOf('alice', Date.now() + load).slice('Bearer '.length)
      const { customData } = await userData.verifyToken(token)
      expect(customData['_id']).toBeInstanceOf(driver.ObjectId)
      expect(customData['price']).toBeInstanceOf(driver.Decimal128)
    }
    expect(userData.stats()).toMatchObject({ loads: 4, hits: 0 })
    userData.close()
  })
})

describe('where no driver can be had', () => {
  /** What becomes of the decoder in a folder of its own, with this as its `mongodb`. */
  async function findBeside(mongodb: string | undefined): Promise<unknown> {
    const folder = await mkdtemp(join(tmpdir(), 'bson-decoder-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const module = join(folder, 'node_modules', 'mongodb')
    await mkdir(module, { recursive: true })
    await writeFile(
      join(module, 'package.json'),
      '{ "name": "mongodb", "type": "module", "exports": "./index.js" }',
    )
    if (mongodb !== undefined) await writeFile(join(module, 'index.js'), mongodb)
    const source = await readFile(new URL('../../lib/mongo/bson-decoder.ts', import.meta.url), 'utf8')
    const copy = join(folder, 'bson-decoder.mts')
    await writeFile(copy, `${source}\nconsole.log(await findBsonDecoder({} as never))`)
    const tsx = fileURLToPath(import.meta.resolve('tsx'))
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', tsx, copy], {
      timeout: 15_000,
    })
    return stdout.trim()
  }

  it.each([
    ['there is none', undefined],
    ['it has no classes', 'export default {}'],
    ['it cannot be loaded', 'throw new Error("no")'],
    ['it is another', 'export class Db {}; export const BSON = {}'],
  ])('documents are left to the driver of the team: %s', async (_what, mongodb) => {
    expect(await findBeside(mongodb)).toBe('undefined')
  })
})

describe('what is decoded of bytes', () => {
  let database: TestDatabase
  let collection: Collection
  beforeAll(async () => {
    database = await openDatabase()
    collection = database.db.collection('documents')
  })
  afterAll(() => database.close())
  beforeEach(() => collection.deleteMany({}))

  async function decode(options: ours.BSONSerializeOptions): Promise<Document> {
    const { decode } = await openTeamDatabase(collection).open()
    const bytes = await collection.findOne<Buffer>({}, { raw: true })
    return decode!(bytes!, options)
  }

  it.each([PLAIN_BSON, EXACT_BSON])('is what the driver gives: $promoteValues', async options => {
    const { Binary, BSONRegExp, Code, DBRef, Decimal128, Double, Int32, Long, ObjectId, Timestamp, UUID } =
      ours
    await collection.insertOne({
      int: new Int32(1),
      double: new Double(1),
      small: Long.fromNumber(1),
      big: Long.fromString('9007199254740993'),
      decimal: Decimal128.fromString('1.10'),
      text: 'Grüße',
      none: null,
      date: new Date(0),
      id: new ObjectId(),
      uuid: new UUID(),
      bytes: new Binary(Buffer.from('abc')),
      time: new Timestamp({ t: 1, i: 2 }),
      pattern: new BSONRegExp('a', 'i'),
      code: new Code('x', { y: 1 }),
      reference: new DBRef('others', new ObjectId()),
      list: [1, [new Date(1)], { a: [] }],
      nested: { firstBatch: [{ a: 1 }], ['__proto__']: { own: true } },
    })
    expect(await decode(options)).toStrictEqual(await collection.findOne({}, options))
  })

  it('is refused where a text is no UTF-8, unless the team has turned that off', async () => {
    const namespace = { database: collection.dbName, collection: collection.collectionName }
    await insertInvalidText(inject('mongoUri'), namespace, { name: '?Bob' })
    await expect(decode(PLAIN_BSON)).rejects.toThrow(/UTF-8/i)
    const unchecked = { ...PLAIN_BSON, enableUtf8Validation: false }
    expect(await decode(unchecked)).toMatchObject({ name: '\ufffdBob' })
  })
})
