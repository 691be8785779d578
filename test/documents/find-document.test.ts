import { BSON, ObjectId } from 'mongodb'
import type { Collection, Document } from 'mongodb'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import { findDocument, prepareRead } from '../../lib/documents/find-document.js'
import type { DocumentQuery, DocumentRead } from '../../lib/documents/find-document.js'
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

/** The server's plan for the query that a load sends. */
async function explain(query: DocumentQuery): Promise<{ stages: string; documentsExamined: unknown }> {
  database.commands.clear()
  await read(collection, query, limits())
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

function find(query: Partial<DocumentQuery>): Promise<Document | undefined> {
  return read(collection, { ...QUERY, ...query }, limits())
}

const read = findDocument as (...task: Parameters<typeof findDocument>) => Promise<Document | undefined>

let collections = 0
const LARGE = 'x'.repeat(1_000)
const ALL = toRead({ maxDocumentBytes: 10_000 })

/** A new collection with these documents, and with an index on the field. */
async function fill(userIdField: string, documents: readonly Document[]): Promise<Collection> {
  const filled = database.db.collection(`of_its_own_${collections++}`)
  await filled.insertMany(documents.map((document, n) => ({ ...document, n })))
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
  await filled.createIndex({ [userIdField]: 1 }, { name: INDEX })
  return filled
}

describe('the query for a document', () => {
  it('scans the named index, does not sort and does not scan the collection', async () => {
    const { stages, documentsExamined } = await explain(QUERY)
    expect(stages).toContain('"stage":"IXSCAN"')
    expect(stages).toContain(`"indexName":"${INDEX}"`)
    expect(stages).not.toMatch(/"SORT|\$sort|COLLSCAN/)
    expect(documentsExamined).toBe('1')
  })

  it('scans the index even with a projection', async () => {
    const { stages } = await explain({ ...QUERY, read: toRead({ projection: { n: 1 } }) })
    expect(stages).toContain('"stage":"IXSCAN"')
    expect(stages).not.toMatch(/"SORT|\$sort|COLLSCAN/)
  })

  it('reads the collection in its natural order if there is no index', async () => {
    const { stages } = await explain({ ...QUERY, index: undefined })
    expect(stages).toContain('COLLSCAN')
    expect(stages).not.toContain('IXSCAN')
  })

  it('finds the same document with and without the index', async () => {
    const withIndex = await find({})
    expect(withIndex).toMatchObject({ document: { userId: 'bob', n: 1 } })
    expect(await find({ index: undefined })).toEqual(withIndex)
  })

  it.each(['majority', 'local'] as const)('uses the read concern of the collection: %s', async level => {
    const chosen = database.db.collection('documents', { readConcern: { level } })
    database.commands.clear()
    await read(chosen, QUERY, limits())
    expect(database.commands).toMatchObject([{ command: { readConcern: { level } } }])
  })

  it('goes to the primary, even if the team chose another read preference', async () => {
    const chosen = database.db.collection('documents', { readPreference: 'secondary' })
    expect(await read(chosen, QUERY, limits())).toMatchObject({
      document: { n: 1 },
    })
  })

  it('finds nothing for a user without a document', async () => {
    expect(await find({ values: ['nobody'] })).toBeUndefined()
    expect(await find({ values: [] })).toBeUndefined()
  })

  it('measures a document over the limit, and does not send it', async () => {
    const found = await find({ read: toRead({ maxDocumentBytes: 10 }) })
    expect(found?.['document']).toBeUndefined()
    expect(found?.['bytes']).toBeGreaterThan(10)
  })

  it('gives the BSON size of a document over the limit as it is after the projection', async () => {
    const whole = await find({ read: toRead({ maxDocumentBytes: 1 }) })
    const part = await find({ read: toRead({ maxDocumentBytes: 1, projection: { n: 1 } }) })
    // The field name, its type, the length and the text with their terminators.
    expect((whole?.['bytes'] as number) - (part?.['bytes'] as number)).toBe(
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
])('the query for a document by %s, if an array holds the id too,', (_kind, values, decodeExactly) => {
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
  ])('finds the same document as without an index: %s', async (_what, userIdField, documents) => {
    const filled = await fill(userIdField, documents)
    const query = { ...QUERY, userIdField, values, read: toRead({ maxDocumentBytes: 500, decodeExactly }) }
    const found = await read(filled, query, limits())
    expect(found).toEqual(await read(filled, { ...query, index: undefined }, limits()))
  })
})

describe.each([
  ['with the index', INDEX],
  ['without the index', undefined],
])('the document of a user, %s,', (_where, index) => {
  it.each<[rule: string, documents: Document[], n: number | undefined]>([
    ['is the string before the ObjectId', [{ userId: ID }, { userId: 'bob' }], 1],
    ['is the ObjectId if no string is there', [{ userId: 'eve' }, { userId: ID }], 1],
    [
      'is the first inserted of several with any _id',
      [
        { _id: 'z', userId: 'bob' },
        { _id: 'a', userId: 'bob' },
      ],
      0,
    ],
    [
      'is the first inserted of several ObjectIds',
      [
        { _id: 'z', userId: ID },
        { _id: 'a', userId: ID },
      ],
      0,
    ],
    ['is the first inserted, even if others are smaller', [{ userId: 'bob', LARGE }, { userId: 'bob' }], 0],
    ['is never one with an array that contains the id', [{ userId: ['bob'] }, { userId: [ID] }], undefined],
    ['is compared exactly', [{ userId: 'Bob' }, { userId: 'bób' }, { userId: 'bob ' }], undefined],
  ])('%s', async (_rule, documents, n) => {
    const filled = await fill('userId', documents)
    const found = await read(filled, { ...QUERY, values: ['bob', ID], index, read: ALL }, limits())
    expect((found?.['document'] as Document | undefined)?.['n']).toBe(n)
  })

  it('is compared exactly, even if the collection has another collation', async () => {
    const name = `of_its_own_${collections++}`
    const loose = await database.db.createCollection(name, { collation: { locale: 'en', strength: 1 } })
    await loose.insertOne({ userId: 'BOB' })
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
    await loose.createIndex({ userId: 1 }, { name: INDEX, collation: { locale: 'simple' } })
    expect(await read(loose, { ...QUERY, index }, limits())).toBeUndefined()
    await loose.insertOne({ userId: 'bob' })
    expect(await read(loose, { ...QUERY, index }, limits())).toMatchObject({ document: { userId: 'bob' } })
  })
})

describe('a load', () => {
  it.each([
    ['a document', [{ userId: 'bob' }]],
    ['a document by its ObjectId', [{ userId: ID }]],
    ['two documents of a user', [{ userId: 'bob' }, { userId: 'bob' }]],
    ['no document', [{ userId: 'eve' }]],
    ['a document over the limit', [{ userId: 'bob', LARGE }]],
    [
      'a document and another one with an array that contains the id',
      [{ userId: ['bob'] }, { userId: 'bob' }],
    ],
  ])('sends one query for %s', async (_what, documents: Document[]) => {
    const filled = await fill('userId', documents)
    database.commands.clear()
    const query = { ...QUERY, values: ['bob', ID] }
    await findDocument(filled, query, limits())
    expect(database.commands.map(({ name }) => name)).toEqual(['find'])
  })

  it('does not read documents in which an array holds the id, so invalid UTF-8 in one of them does no harm', async () => {
    const filled = await fill('userId', [{ userId: 'bob' }])
    const namespace = { database: database.db.databaseName, collection: filled.collectionName }
    await insertInvalidText(inject('mongoUri'), namespace, { userId: ['bob'], text: '?' })
    const found = await read(filled, QUERY, limits())
    expect(found).toMatchObject({ document: { userId: 'bob' } })
  })

  it.each([
    ['an operator', { $ne: null }],
    ['a pattern', /b/],
    ['null', null],
  ])('searches for %s as a value, never as a condition', async (_what, value) => {
    const filled = await fill('userId', [{ userId: 'bob' }])
    database.commands.clear()
    await findDocument(filled, { ...QUERY, values: [value] }, limits()).catch(() => undefined)
    const filter = { userId: { $in: [value], $not: { $type: 'array' } } }
    expect(database.commands).toMatchObject([{ command: { filter } }])
  })
})
