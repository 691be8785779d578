import { expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()

test('documentOptions() gives the options that decide what handlers get of a document', () => {
  const projection = { secret: 0 }
  const userData = createTestUserData(database, {
    userIdField: 'owner.id',
    projection,
    maxDocumentBytes: 5_000,
  })
  const options = userData.documentOptions()
  expect(options).toEqual({ userIdField: 'owner.id', projection, maxDocumentBytes: 5_000 })
  Object.assign(options.projection ?? {}, { secret: 1 })
  expect(userData.documentOptions().projection).toEqual(projection)
  expect(() => (userData.documentOptions as (given: unknown) => unknown)({})).toThrow(/documentOptions\(\)/)
})
