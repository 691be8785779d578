import type { Collection, Document } from 'mongodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findDocument, prepareRead, toCommand } from '../../lib/custom-data/query.js'
import type { DocumentQuery, DocumentRead } from '../../lib/custom-data/query.js'
import { openTeamDatabase } from '../../lib/mongo/team-database.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'

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

let database: TestDatabase
let collection: Collection
beforeAll(async () => {
  database = await openDatabase()
  collection = database.db.collection('documents')
  const others = Array.from({ length: 500 }, (_, n) => ({ userId: `user-${n}`, list: [n] }))
  await collection.insertMany([...others, { userId: 'bob', n: 1 }, { userId: ['bob', 'eve'] }])
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
  await collection.createIndex({ userId: 1 }, { name: INDEX })
})
afterAll(() => database.close())

async function explain(query: DocumentQuery): Promise<{ stages: string; documentsExamined: unknown }> {
  const explain = toCommand(collection.collectionName, query)
  const plan = await database.db.command({ explain, verbosity: 'executionStats' })
  const text = JSON.stringify(plan)
  return { stages: text, documentsExamined: /"totalDocsExamined":(\d+)/.exec(text)?.[1] }
}

async function find(query: Partial<DocumentQuery>): Promise<Document | undefined> {
  const { signal } = new AbortController()
  const open = await openTeamDatabase(collection).open()
  return findDocument(open, { ...QUERY, ...query }, { timeoutMs: 5_000, signal })
}

describe('the query for a document', () => {
  it('scans the index that it is told of, sorts nothing and reads no collection', async () => {
    const { stages, documentsExamined } = await explain(QUERY)
    expect(stages).toContain('"stage":"IXSCAN"')
    expect(stages).toContain(`"indexName":"${INDEX}"`)
    expect(stages).not.toMatch(/"SORT|\$sort|COLLSCAN/)
    // Bob's own, and the array that holds his id.
    expect(documentsExamined).toBe('2')
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
    expect(withIndex).toMatchObject({ document: { userId: 'bob', n: 1 }, hasDuplicates: false })
    expect(await find({ index: undefined })).toEqual(withIndex)
  })

  it('goes by what the team chose for its client and for its collection', async () => {
    const client = await openDatabase({ retryReads: false })
    const options = {
      enableUtf8Validation: false,
      ignoreUndefined: true,
      readConcern: { level: 'majority' },
    } as const
    const chosen = await openTeamDatabase(client.db.collection('documents', options)).open()
    const usual = await openTeamDatabase(collection).open()
    await client.close()
    expect(chosen.choices).toEqual({ ...options, retryReads: false })
    expect(usual.choices).toEqual({
      enableUtf8Validation: true,
      ignoreUndefined: false,
      readConcern: undefined,
      retryReads: true,
    })
  })

  it('finds nothing for a user without a document', async () => {
    expect(await find({ values: ['nobody'] })).toBeUndefined()
    expect(await find({ values: [] })).toBeUndefined()
  })

  it('measures a document over the limit, and does not read it', async () => {
    const found = await find({ read: toRead({ maxDocumentBytes: 10 }) })
    expect(found?.['document']).toBeUndefined()
    expect(found?.['size']).toBeGreaterThan(10)
  })

  it('says the size that BSON takes after the projection', async () => {
    const whole = await find({})
    const part = await find({ read: toRead({ projection: { n: 1 } }) })
    // The field name, its type, the length and the text with their terminators.
    expect((whole?.['size'] as number) - (part?.['size'] as number)).toBe(
      1 + 'userId'.length + 1 + 4 + 'bob'.length + 1,
    )
  })
})
