import { randomBytes } from 'node:crypto'
import { Int32, ObjectId } from 'mongodb'
import type { Db } from 'mongodb'
import { describe, expect, it, onTestFinished } from 'vitest'
import { useDatabase } from '../support/database.js'
import { fillBroken, fillHealthy, MAX_BYTES } from './databases.js'
import { runCli, runDoctor } from './run-cli.js'
import type { CliSurroundings, DoctorRun } from './run-cli.js'

const database = useDatabase()
const DATA = 'custom_user_data'
const STRONG = randomBytes(32).toString('base64url')

/** Begins the name of a database that is never filled, so that it is near no other. */
const NEW = 'database_of_an_app_that_is_new_'

/** A database that only this test uses. */
function openDb(prefix = 'doctor_'): Db {
  const db = database.client.db(`${prefix}${randomBytes(6).toString('hex')}`)
  onTestFinished(async () => {
    await db.dropDatabase()
  })
  return db
}

/** Runs `doctor` on the custom data of a database. */
function examine(db: Db, args: readonly string[] = [], given: CliSurroundings = {}): Promise<DoctorRun> {
  return runDoctor(database.uri, ['--database', db.databaseName, '--collection', DATA, ...args], given)
}

const messageOf = ({ findings }: DoctorRun, code: string) =>
  findings.find(finding => finding.code === code)?.message ?? ''
const statusOf = ({ checks }: DoctorRun, name: string) => checks.find(check => check.name === name)?.status

describe('a healthy database', () => {
  it('has no findings, and the exit code is 0', async () => {
    const db = openDb()
    await fillHealthy(db)
    const args = ['--users', 'users', '--secret-env', 'SECRET']
    const run = await examine(db, args, { env: { SECRET: STRONG } })
    expect(run.codes).toEqual([])
    expect(run).toMatchObject({ code: 0, ok: true, errors: '' })
    expect(run.facts).toMatchObject({
      driver: { from: 'of this app' },
      connection: { database: db.databaseName },
      server: { topology: 'replica set', hasChangeStreams: true },
      collection: { exists: true },
      userIdIndex: { name: 'express_custom_user_data:userId', isUnique: false },
      documents: { count: 40, isComplete: true, withUserId: 40, userIdTypes: { string: 40 }, overLimit: 0 },
      sessions: { exists: true, missingIndexes: 0 },
      usernames: { areNormalized: true, hasUniqueIndex: true },
      passwordHashes: { count: 2, withHash: 2 },
      secrets: { SECRET: 'strong' },
    })
  })

  it('is a table in which no row is worse than a note', async () => {
    const db = openDb()
    await fillHealthy(db)
    const args = ['--database', db.databaseName, '--collection', DATA, '--users', 'users']
    const { output } = await runCli(['doctor', ...args], { env: { MONGODB_URI: database.uri } })
    const rows = output.split('\n').filter(line => /^(ok|note|warning|problem|not checked) {2,}/.test(line))
    expect(rows.length).toBeGreaterThan(10)
    // The server of the tests may be one that MongoDB no longer mends.
    expect(rows.filter(row => !/^(ok|note) /.test(row) && !row.includes(' server '))).toEqual([])
  })
})

describe('a broken database', () => {
  const BROKEN = ['--users', 'users', '--max-document-bytes', String(MAX_BYTES), '--secret-env', 'SECRET']

  it('has a finding for each fault, and the exit code is 1', async () => {
    const db = openDb()
    await fillBroken(db)
    const run = await examine(db, BROKEN, { env: { SECRET: 'short' } })
    const severities = Object.fromEntries(run.findings.map(({ code, severity }) => [code, severity]))
    delete severities['server_end_of_life']
    expect(severities).toEqual({
      user_id_index_missing: 'warning',
      documents_of_nobody: 'warning',
      document_over_limit: 'problem',
      user_id_types_mixed: 'warning',
      duplicate_documents: 'problem',
      foreign_collection: 'problem',
      username_not_normalized: 'warning',
      username_index_missing: 'warning',
      password_hash_unsafe: 'problem',
      password_hash_weak: 'warning',
      password_hash_unreadable: 'warning',
      secret_weak: 'problem',
    })
    expect(run).toMatchObject({ code: 1, ok: false })
    expect(run.facts).toMatchObject({
      documents: {
        count: 43,
        withUserId: 37,
        userIdTypes: { string: 35, objectId: 2, int: 2, array: 1, null: 1, 'empty string': 1, missing: 1 },
        overLimit: 2,
        largest: [{ id: '"larger"' }, { id: '"large"' }],
      },
      passwordHashes: { count: 6, withHash: 5 },
    })
  })

  it('has findings that name the documents, the numbers and the commands', async () => {
    const db = openDb()
    await fillBroken(db)
    const run = await examine(db, BROKEN, { env: { SECRET: STRONG } })
    expect(messageOf(run, 'documents_of_nobody')).toContain('6 of 43 documents')
    expect(messageOf(run, 'documents_of_nobody')).toContain(
      '2 int, 1 array, 1 null, 1 empty string, 1 missing',
    )
    expect(messageOf(run, 'document_over_limit')).toContain('"larger" (192 kB), "large" (64 kB)')
    expect(messageOf(run, 'duplicate_documents')).toContain('"alice"')
    expect(messageOf(run, 'duplicate_documents')).toContain('"64b7f3a1c2d4e5f601234567"')
    expect(messageOf(run, 'user_id_index_missing')).toContain('createIndex({"userId":1}')
    expect(messageOf(run, 'username_index_missing')).toContain('createIndex({"email":1}, { unique: true })')
    expect(messageOf(run, 'password_hash_unsafe')).toContain('1 × digest in hex')
    expect(messageOf(run, 'password_hash_weak')).toContain(
      '1 × argon2id (m=4096,t=1,p=1); 1 × bcrypt (cost 6)',
    )
  })

  it('names a page of the package for each finding', async () => {
    const db = openDb()
    await fillBroken(db)
    const { findings } = await examine(db, BROKEN)
    expect(findings.length).toBeGreaterThan(5)
    for (const { code, help } of findings) {
      expect(help).toMatch(
        new RegExp(`^node_modules/express-custom-user-data/docs/reference/(doctor|events)\\.md#${code}$`),
      )
    }
  })

  it('shows no hash and no part of one', async () => {
    const db = openDb()
    await fillBroken(db)
    const users = await db.collection('users').find().toArray()
    const { output } = await examine(db, BROKEN)
    for (const { passwordHash } of users.filter(user => 'passwordHash' in user)) {
      const text = String(passwordHash)
      expect(output).not.toContain(text.slice(-20))
    }
  })

  it.each([[[]], [['--to-field-values']]])(
    'answers the query in a finding with the documents that it counts, with the options %j',
    async args => {
      const db = openDb()
      await fillBroken(db)
      const message = messageOf(await examine(db, args), 'documents_of_nobody')
      const counted = Number(/^\d+/.exec(message)?.[0])
      const filter = JSON.parse(/\.find\((.*)\)$/.exec(message)?.[1] ?? '') as object
      expect(await db.collection(DATA).countDocuments(filter)).toBe(counted)
      expect(counted).toBe(args.length === 0 ? 6 : 4)
    },
  )
})

it('the finding of duplicates has their number, and its query answers with these documents', async () => {
  const db = openDb()
  await fillBroken(db)
  const message = messageOf(await examine(db), 'duplicate_documents')
  expect(message).toContain(
    `2 user ids have several documents in ${db.databaseName}.${DATA}, 4 documents in all`,
  )
  const [, pipeline = '', options = ''] = /\.aggregate\((\[.*\]), (\{.*\})\)$/.exec(message) ?? []
  const found = await db
    .collection(DATA)
    .aggregate<{ _id: string; documents: unknown[] }>(
      JSON.parse(pipeline) as object[],
      JSON.parse(options) as object,
    )
    .toArray()
  expect(found.map(({ _id }) => _id).sort()).toEqual(['64b7f3a1c2d4e5f601234567', 'alice'])
  expect(found.flatMap(({ documents }) => documents)).toHaveLength(4)
})

describe('the rows of the user ids', () => {
  /** The row of a check in the table. */
  const rowOf = async (db: Db, name: string, args: readonly string[] = []) => {
    const command = ['doctor', '--database', db.databaseName, '--collection', DATA, ...args]
    const { output } = await runCli(command, { env: { MONGODB_URI: database.uri } })
    return output.split('\n').find(line => line.includes(`  ${name}  `))
  }

  it('say which share is usable, and are only ok if it is all', async () => {
    const db = openDb()
    await db.collection(DATA).insertMany([{ userId: 'a' }, { userId: 'b' }, { userId: 'c' }])
    expect(await rowOf(db, 'user ids')).toMatch(/^ok +user ids +of a usable type$/)
    await db.collection<{ userId: unknown }>(DATA).insertOne({ userId: new Int32(7) })
    expect(await rowOf(db, 'user ids')).toMatch(/^note +user ids +75\.0 % of a usable type$/)
    expect(await rowOf(db, 'user ids', ['--to-field-values'])).toMatch(/^ok +user ids +of a usable type$/)
  })

  it.each<[string, object[], string, string]>([
    ['of two types', [{ userId: 'a' }, { userId: new ObjectId() }], 'user ids', 'some texts, some ObjectIds'],
    ['of no usable type', [{ userId: 1 }], 'user ids', 'of no usable type'],
    ['in another field', [{ user_id: 'a' }], 'user ids', 'in no document'],
    ['twice', [{ userId: 'a' }, { userId: 'a' }], 'duplicates', 'several documents for one user id'],
  ])('have words for ids %s', async (_what, documents, name, words) => {
    const db = openDb()
    await db.collection(DATA).insertMany(documents)
    const row = await rowOf(db, name)
    expect(row).toMatch(/^(problem|warning) /)
    expect(row?.endsWith(`  ${words}`)).toBe(true)
  })

  it('show no code in place of words, whatever the database is like', async () => {
    const db = openDb()
    await fillBroken(db)
    const args = [
      '--database',
      db.databaseName,
      '--collection',
      DATA,
      '--users',
      'users',
      '--secret-env',
      'SECRET',
    ]
    const { output } = await runCli(['doctor', ...args], { env: { MONGODB_URI: database.uri } })
    const rows = output.split('\n').filter(line => /^(ok|note|warning|problem|not checked) {2,}/.test(line))
    expect(rows.length).toBeGreaterThan(10)
    const { codes } = await examine(db, args.slice(4))
    expect(codes.length).toBeGreaterThan(5)
    expect(rows.filter(row => codes.some(code => row.includes(code)))).toEqual([])
  })
})

describe('warnings alone', () => {
  it('give the exit code 0, and 1 with --strict', async () => {
    const db = openDb()
    await db.collection(DATA).insertOne({ userId: 'alice' })
    expect(await examine(db)).toMatchObject({ code: 0, ok: true, codes: ['user_id_index_missing'] })
    expect(await examine(db, ['--strict'])).toMatchObject({ code: 1, ok: false })
  })
})

describe('the collection of custom data', () => {
  it('whose name is mistyped is a problem that names the near collection', async () => {
    const db = openDb()
    await db.collection('custom_userdata').insertOne({ userId: 'alice' })
    const run = await examine(db)
    expect(run).toMatchObject({ code: 1, codes: ['collection_missing'] })
    expect(messageOf(run, 'collection_missing')).toContain('"custom_userdata"')
  })

  it('that does not exist is a warning, because the app may be new', async () => {
    expect(await examine(openDb(NEW))).toMatchObject({ code: 0, codes: ['collection_missing'] })
  })

  it('that is empty is only a note', async () => {
    const db = openDb()
    await db.createCollection(DATA)
    const run = await examine(db)
    expect(run.codes).toEqual(['user_id_index_missing'])
    expect(statusOf(run, 'documents')).toBe('note')
    // Nothing was looked at, so nothing may be called well.
    expect(statusOf(run, 'user ids')).toBeUndefined()
    expect(statusOf(run, 'duplicates')).toBeUndefined()
  })

  it('that is a view is a problem, and no index is missed', async () => {
    const db = openDb()
    await db.collection('people').insertOne({ userId: 'alice' })
    await db.createCollection(DATA, { viewOn: 'people', pipeline: [] })
    const run = await examine(db)
    expect(run).toMatchObject({ code: 1, codes: ['collection_is_view'] })
    expect(run.facts).toMatchObject({ documents: { count: 1, withUserId: 1 } })
  })

  it('without the user id field is a problem that names the near field', async () => {
    const db = openDb()
    await db.collection(DATA).insertMany([{ user_id: 'alice' }, { user_id: 'bob' }])
    const run = await examine(db)
    expect(run.codes).toEqual(['user_id_index_missing', 'user_id_field_missing'])
    expect(messageOf(run, 'user_id_field_missing')).toContain('userIdField: "user_id"')
    expect((await examine(db, ['--user-id-field', 'user_id'])).codes).toEqual(['user_id_index_missing'])
  })

  it('with numbers as ids is a problem, unless the app has toFieldValues', async () => {
    const db = openDb()
    await db.collection(DATA).insertMany([{ userId: new Int32(1) }, { userId: new Int32(2) }])
    expect((await examine(db)).codes).toEqual(['user_id_index_missing', 'user_id_type_unusable'])
    const run = await examine(db, ['--to-field-values'])
    expect(run.codes).toEqual(['user_id_index_missing'])
    expect(run.facts).toMatchObject({ documents: { withUserId: 2 } })
  })

  it('can have the user id in _id, whose index is there', async () => {
    const db = openDb()
    await db.collection(DATA).insertMany([{ _id: new ObjectId() }, { _id: new ObjectId() }])
    const run = await examine(db, ['--user-id-field', '_id'])
    expect(run).toMatchObject({ codes: [], facts: { userIdIndex: { name: '_id_', isUnique: true } } })
  })
})

describe('the index on the user id', () => {
  it('that is hidden is missing, with the command that shows it again', async () => {
    const db = openDb()
    await db.collection(DATA).insertOne({ userId: 'alice' })
    expect((await examine(db, ['--create-index'])).facts).toMatchObject({ madeIndex: true })
    await db.command({
      collMod: DATA,
      index: { name: 'express_custom_user_data:userId', hidden: true },
    })
    const run = await examine(db)
    expect(run.codes).toEqual(['user_id_index_missing'])
    expect(messageOf(run, 'user_id_index_missing')).toContain('unhideIndex')
  })

  it('is made by --create-index, once, and nothing else is written', async () => {
    const db = openDb()
    await db.collection(DATA).insertOne({ userId: 'alice' })
    expect(await examine(db, ['--create-index'])).toMatchObject({ codes: [], facts: { madeIndex: true } })
    expect(await db.collection(DATA).indexes()).toMatchObject([
      { name: '_id_' },
      { key: { userId: 1 }, name: 'express_custom_user_data:userId' },
    ])
    const again = await examine(db, ['--create-index'])
    expect(again.codes).toEqual([])
    expect(again.facts).not.toHaveProperty('madeIndex')
    expect(await db.listCollections().toArray()).toHaveLength(1)
  })

  it('is unique for --unique-user-id, and duplicates that prevent it are named', async () => {
    const db = openDb()
    await db.collection(DATA).insertOne({ userId: 'alice' })
    const unique = ['--unique-user-id', '--create-index']
    expect((await examine(db, unique)).facts).toMatchObject({ userIdIndex: { isUnique: true } })
    const other = openDb()
    await other.collection(DATA).insertMany([{ userId: 'alice' }, { userId: 'alice' }])
    const run = await examine(other, unique)
    expect(run).toMatchObject({ code: 1, codes: ['user_id_index_conflict', 'duplicate_documents'] })
  })

  it('is not made for a collection that does not exist', async () => {
    const db = openDb(NEW)
    await examine(db, ['--create-index'])
    expect(await db.listCollections().toArray()).toEqual([])
  })
})

describe('the users', () => {
  it('that do not exist are a problem, without findings that follow from it', async () => {
    const db = openDb()
    await db.createCollection(DATA)
    const run = await examine(db, ['--users', 'userz'])
    expect(run.codes).toEqual(['user_id_index_missing', 'users_missing'])
  })

  it('without names or hashes in the given fields are problems that name the near fields', async () => {
    const db = openDb()
    await db.createCollection(DATA)
    await db.collection('users').insertOne({ emails: 'alice@example.com', password_hash: '$2b$10$' })
    const run = await examine(db, ['--users', 'users'])
    expect(run.codes).toEqual(['user_id_index_missing', 'username_field_missing', 'hash_field_missing'])
    expect(messageOf(run, 'username_field_missing')).toContain('--username-field emails')
    expect(messageOf(run, 'hash_field_missing')).toContain('--hash-field password_hash')
  })

  it.each([
    ['a non-unique index', true, { email: 1 }, {}],
    ['a unique index on two fields', true, { email: 1, tenant: 1 }, { unique: true }],
    [
      'a unique index for some users',
      true,
      { email: 1 },
      { unique: true, partialFilterExpression: { a: 1 } },
    ],
    ['a unique index', false, { email: 1 }, { unique: true }],
    ['a unique index in falling order', false, { email: -1 }, { unique: true }],
    [
      'a unique index for all who have a name',
      false,
      { email: 1 },
      { unique: true, partialFilterExpression: { email: { $exists: true } } },
    ],
  ] as const)('with %s on their names: a finding is %s', async (_what, isFound, key, options) => {
    const db = openDb()
    await db.createCollection(DATA)
    const users = db.collection('users')
    await users.insertOne({ email: 'alice@example.com' })
    await users.createIndexes([{ key: { ...key }, name: 'email', ...options }])
    const { codes } = await examine(db, ['--users', 'users'])
    expect(codes.includes('username_index_missing')).toBe(isFound)
  })
})

describe('the clock of this machine', () => {
  it('that is a minute ahead of the server is a warning', async () => {
    const db = openDb()
    await db.createCollection(DATA)
    const clock = { now: () => Date.now() + 60_000, monotonic: () => performance.now() }
    expect((await examine(db, [], { clock })).codes).toContain('clock_skew')
  })
})
