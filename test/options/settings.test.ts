import { BSON } from 'mongodb'
import { expect, test } from 'vitest'
import { createCustomUserData } from 'express-custom-user-data'
import { createTestUserData } from 'express-custom-user-data/testing'
import { useDatabase } from '../support/database.js'
import { toTeamCollection } from '../support/team-collection.js'
import { createTestUserData as createInstance, ISSUER } from '../support/user-data.js'

const database = useDatabase()

test('an instance tells its settings, with the defaults of options', () => {
  const { settings } = createInstance(database)
  expect(settings).toMatchObject({
    collectionName: 'custom_user_data',
    userIdField: 'userId',
    userDataInToken: false,
    issuesTokens: true,
    issuer: ISSUER,
  })
  expect(Object.isFrozen(settings)).toBe(true)
})

test('settings name the format of the data in tokens, and the own field of user ids', () => {
  const options = { userDataInToken: { format: 'canonical' }, userIdField: 'owner_id' } as const
  const { settings } = createInstance(database, options)
  expect(settings).toMatchObject({ userDataInToken: 'canonical', userIdField: 'owner_id' })
})

test('an instance of createTestUserData() has settings, too', () => {
  expect(createTestUserData().settings).toMatchObject({ userIdField: 'userId', issuesTokens: true })
})

test('an instance that issues no tokens has no issuer', () => {
  const collection = toTeamCollection(database.db, 'custom_user_data')
  const { settings } = createCustomUserData({ collection, bson: BSON })
  expect(settings).toMatchObject({ issuesTokens: false, issuer: undefined })
})

test('settings tell what handlers get of a document, and cannot be changed', () => {
  const projection = { secret: 0 }
  const { settings } = createInstance(database, { projection, maxDocumentBytes: 5_000 })
  expect(settings).toMatchObject({ projection: { secret: 0 }, maxDocumentBytes: 5_000 })
  expect(() => Object.assign(settings.projection ?? {}, { secret: 1 })).toThrow(TypeError)
  Object.assign(projection, { secret: 1 })
  expect(settings.projection).toEqual({ secret: 0 })
})
