import { ObjectId } from 'mongodb'
import type { Collection, Document } from 'mongodb'
import { beforeEach, expect, it } from 'vitest'
import type { CustomUserDataOptions, WarningEvent } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const HEX = '64b7f3a1c2d4e5f601234567'

const database = useDatabase()
let collection: Collection
let collections = 0
beforeEach(() => {
  collection = database.db.collection(`documents_${++collections}`)
})

/** The warnings of an instance when it becomes ready. */
async function warningsOf(
  documents: Document[],
  options: Partial<CustomUserDataOptions<Document>> = {},
): Promise<WarningEvent[]> {
  await collection.insertMany(documents)
  const userData = createTestUserData(database, { collection, ...options })
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  await userData.ready()
  await userData.ready()
  return warnings.filter(({ code }) => code === 'duplicate_documents')
}

it.each([
  ['two strings', [{ userId: 'bob' }, { userId: 'eve' }, { userId: 'bob' }], '"bob"'],
  ['two ObjectIds', [{ userId: new ObjectId(HEX) }, { userId: new ObjectId(HEX) }], `"${HEX}"`],
  ['a string and the ObjectId of the same digits', [{ userId: HEX }, { userId: new ObjectId(HEX) }], HEX],
  ['two numbers', [{ userId: 7 }, { userId: 7 }], '7'],
])('ready() warns once if two documents hold one user id, as %s', async (_what, documents, named) => {
  const warnings = await warningsOf(documents)
  expect(warnings).toMatchObject([{ code: 'duplicate_documents' }])
  expect(warnings[0]?.message).toContain(named)
})

it('ready() names at most five users if more have several documents', async () => {
  const twice = Array.from({ length: 40 }, (_user, n) => ({ userId: `user-${n % 20}` }))
  const [warning] = await warningsOf(twice)
  expect(warning?.message).toContain('20 user ids have several documents')
  expect(warning?.message).toContain(', 40 documents in all')
  expect(warning?.message).toContain(' and others.')
  expect(warning?.message.match(/"user-\d+"/g)).toHaveLength(5)
  expect(warning?.message.length).toBeLessThan(900)
})

it.each([
  ['belong to one user each', [{ userId: 'bob' }, { userId: 'eve' }]],
  ['belong to no user', [{ userId: null }, { userId: null }, {}, {}]],
  ['hold a list of the same ids', [{ userId: ['bob'] }, { userId: ['bob'] }]],
])('ready() does not warn if documents %s', async (_what, documents) => {
  expect(await warningsOf(documents)).toEqual([])
})

it('ready() does not search if the index is unique', async () => {
  database.commands.clear()
  await warningsOf([{ userId: 'bob' }], { uniqueUserId: true })
  const pipelines = database.commands.named('aggregate').map(({ command }) => JSON.stringify(command))
  expect(pipelines.filter(pipeline => pipeline.includes('$group'))).toEqual([])
})
