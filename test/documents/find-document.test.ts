import { BSON, ObjectId } from 'mongodb'
import type { Collection, Document } from 'mongodb'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import { findDocument, prepareRead } from '../../lib/documents/find-document.js'
import type { DocumentQuery, DocumentRead } from '../../lib/documents/find-document.js'
import { openTeamDatabase } from '../../lib/mongo/team-database.js'
import { useDatabase } from '../support/database.js'
import { insertInvalidText } from '../support/raw-insert.js'

const INDEX = 'on_user_id'
const QUERY: DocumentQuery = {
  userIdField: 'userId',
  values: ['bob'],
  read: toRead({}),
  index: INDEX,
}

function toRead(read: Partial<DocumentRead>) {
  return prepareRead({ projection: undefined, maxDocumentBytes: 1_000, ...read })
}

const database = useDatabase()
let collection: Collection
beforeAll(async () => {
  collection = database.db.collection('documents')
  const others = Array.from({ length: 500 }, (_, n) => ({ userId: `user-${n}`, list: [n] }))
  await collection.insertMany([...others, { userId: 'bob', n: 1 }, { userId: ['bob', 'eve'] }])
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
  await collection.createIndex({ userId: 1 }, { name: INDEX })
})

/** How the server carries out the query that a load sends. */
async function explain(query: DocumentQuery): Promise<{ stages: string; documentsExamined: unknown }> {
  database.commands.clear()
  await read(await openTeamDatabase(collection).open(), query, limits())
  const [sent] = database.commands.loads()
  const ofTheDriver = ['lsid', '$clusterTime', '$db']
  const explain = Object.fromEntries(
    Object.entries(sent!.command).filter(([key]) => !ofTheDriver.includes(key)),
  )
  const plan = await database.db.command({ explain, verbosity: 'executionStats' })
  const text = JSON.stringify(plan)
  return { stages: text, documentsExamined: /"totalDocsExamined":(\d+)/.exec(text)?.[1] }
}

const limits = () => ({ timeoutMs: 5_000, signal: new AbortController().signal })

async function find(query: Partial<DocumentQuery>): Promise<Document | undefined> {
  return read(await openTeamDatabase(collection).open(), { ...QUERY, ...query }, limits())
}

const read = findDocument as (...task: Parameters<typeof findDocument>) => Promise<Document | undefined>

let collections = 0
const LARGE = 'x'.repeat(1_000)

/** A collection of nothing but these, with an index on the field. */
async function fill(userIdField: string, documents: readonly Document[]): Promise<Collection> {
  const filled = database.db.collection(`of_its_own_${collections++}`)
  await filled.insertMany(documents.map((document, n) => ({ ...document, n })))
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
  await filled.createIndex({ [userIdField]: 1 }, { name: INDEX })
  return filled
}

describe('the query for a document', () => {
  it('scans the index that it is told of, sorts nothing and reads no collection', async () => {
    const { stages, documentsExamined } = await explain(QUERY)
    expect(stages).toContain('"stage":"IXSCAN"')
    expect(stages).toContain(`"indexName":"${INDEX}"`)
    expect(stages).not.toMatch(/"SORT|\$sort|COLLSCAN/)
    expect(documentsExamined).toBe('1')
  })

  it('scans the index with a projection, too', async () => {
    const { stages } = await explain({ ...QUERY, read: toRead({ projection: { n: 1 } }) })
    expect(stages).toContain('"stage":"IXSCAN"')
    expect(stages).not.toMatch(/"SORT|\$sort|COLLSCAN/)
  })

  it('reads the collection in its natural order where there is no index', async () => {
    const { stages } = await explain({ ...QUERY, index: undefined })
    expect(stages).toContain('COLLSCAN')
    expect(stages).not.toContain('IXSCAN')
  })

  it('finds the same with and without the index', async () => {
    const withIndex = await find({})
    expect(withIndex).toMatchObject({ document: { userId: 'bob', n: 1 } })
    expect(await find({ index: undefined })).toEqual(withIndex)
  })

  it.each(['majority', 'local'] as const)(
    'has the read concern that the team chose for its collection: %s',
    async level => {
      const chosen = database.db.collection('documents', { readConcern: { level } })
      database.commands.clear()
      await read(await openTeamDatabase(chosen).open(), QUERY, limits())
      expect(database.commands).toMatchObject([{ command: { readConcern: { level } } }])
    },
  )

  it('goes to the primary, even if the team chose another read preference', async () => {
    const chosen = database.db.collection('documents', { readPreference: 'secondary' })
    expect(await read(await openTeamDatabase(chosen).open(), QUERY, limits())).toMatchObject({
      document: { n: 1 },
    })
  })

  it('finds nothing for a user without a document', async () => {
    expect(await find({ values: ['nobody'] })).toBeUndefined()
    expect(await find({ values: [] })).toBeUndefined()
  })

  it('measures a document over the limit, and does not read it', async () => {
    const found = await find({ read: toRead({ maxDocumentBytes: 10 }) })
    expect(found?.['document']).toBeUndefined()
    expect(found?.['excessiveSize']).toBeGreaterThan(10)
  })

  it('says of a document over the limit what BSON takes after the projection', async () => {
    const whole = await find({ read: toRead({ maxDocumentBytes: 1 }) })
    const part = await find({ read: toRead({ maxDocumentBytes: 1, projection: { n: 1 } }) })
    // The field name, its type, the length and the text with their terminators.
    expect((whole?.['excessiveSize'] as number) - (part?.['excessiveSize'] as number)).toBe(
      1 + 'userId'.length + 1 + 4 + 'bob'.length + 1,
    )
  })
})

const ID = new ObjectId()

describe.each([
  ['a string', ['bob'], undefined],
  ['a string or an ObjectId', ['bob', ID], undefined],
  [
    'a string or an ObjectId, with the types of BSON',
    ['bob', ID],
    (bytes: Uint8Array) => ({ plain: BSON.deserialize(bytes), exact: BSON.deserialize(bytes) }),
  ],
])('the query for a document by %s, where an array holds the id, too,', (_kind, values, decodeExactly) => {
  it.each([
    ['an array alone', 'userId', [{ userId: ['bob'] }]],
    ['an array before the document', 'userId', [{ userId: ['bob'] }, { userId: 'bob' }]],
    ['two arrays before it', 'userId', [{ userId: ['bob'] }, { userId: ['bob', 'eve'] }, { userId: 'bob' }]],
    ['an array after it', 'userId', [{ userId: 'bob' }, { userId: ['bob'] }]],
    [
      'an array after it, and a duplicate',
      'userId',
      [{ userId: 'bob' }, { userId: ['bob'] }, { userId: 'bob' }],
    ],
    ['duplicates alone', 'userId', [{ userId: 'bob' }, { userId: 'bob' }]],
    ['a large array before it', 'userId', [{ userId: ['bob'], LARGE }, { userId: 'bob' }]],
    ['a large array after it', 'userId', [{ userId: 'bob' }, { userId: ['bob'], LARGE }]],
    ['a large document', 'userId', [{ userId: 'bob', LARGE }, { userId: ['bob'] }]],
    ['an ObjectId', 'userId', [{ userId: [ID] }, { userId: ID }]],
    ['an ObjectId after a string', 'userId', [{ userId: ID }, { userId: 'bob' }, { userId: [ID] }]],
    ['an array of an array', 'userId', [{ userId: [['bob']] }, { userId: 'bob' }]],
    ['an array in a path', 'a.b', [{ a: [{ b: 'bob' }] }, { a: { b: 'bob' } }]],
    ['an array at the end of a path', 'a.b', [{ a: { b: ['bob'] } }, { a: { b: 'bob' } }]],
    ['an array by its number', 'a.0', [{ a: ['bob'] }, { a: { 0: 'bob' } }]],
  ])('finds what it finds without an index: %s', async (_what, userIdField, documents) => {
    const filled = await fill(userIdField, documents)
    const open = await openTeamDatabase(filled).open()
    const query = { ...QUERY, userIdField, values, read: toRead({ maxDocumentBytes: 500, decodeExactly }) }
    const found = await read(open, query, limits())
    expect(found).toEqual(await read(open, { ...query, index: undefined }, limits()))
  })
})

describe('what a load asks the server for', () => {
  it.each([
    ['a document', [{ userId: 'bob' }]],
    ['a document by its ObjectId', [{ userId: ID }]],
    ['two documents of a user', [{ userId: 'bob' }, { userId: 'bob' }]],
    ['no document', [{ userId: 'eve' }]],
    ['a document over the limit', [{ userId: 'bob', LARGE }]],
    ['a document beside an array that holds the id', [{ userId: ['bob'] }, { userId: 'bob' }]],
  ])('is one query for %s', async (_what, documents: Document[]) => {
    const filled = await fill('userId', documents)
    const open = await openTeamDatabase(filled).open()
    database.commands.clear()
    const query = { ...QUERY, values: ['bob', ID] }
    await findDocument(open, query, limits())
    expect(database.commands.map(({ name }) => name)).toEqual(['find'])
  })

  it('leaves out documents in which an array holds the id: one with a text that is no UTF-8 is never read', async () => {
    const filled = await fill('userId', [{ userId: 'bob' }])
    const namespace = { database: database.db.databaseName, collection: filled.collectionName }
    await insertInvalidText(inject('mongoUri'), namespace, { userId: ['bob'], text: '?' })
    const open = await openTeamDatabase(filled).open()
    const found = await read(open, QUERY, limits())
    expect(found).toMatchObject({ document: { userId: 'bob' } })
  })

  it.each([
    ['an operator', { $ne: null }],
    ['a pattern', /b/],
    ['null', null],
  ])('takes %s for a value, never for a condition', async (_what, value) => {
    const filled = await fill('userId', [{ userId: 'bob' }])
    const open = await openTeamDatabase(filled).open()
    database.commands.clear()
    await findDocument(open, { ...QUERY, values: [value] }, limits()).catch(() => undefined)
    const filter = { userId: { $in: [value], $not: { $type: 'array' } } }
    expect(database.commands).toMatchObject([{ command: { filter } }])
  })
})
