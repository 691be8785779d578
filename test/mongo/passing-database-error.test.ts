import { isPassingDatabaseError } from 'express-custom-user-data'
import { MongoClient } from 'mongodb'
import { expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'

const database = useDatabase()

async function errorOf(run: () => Promise<unknown>): Promise<unknown> {
  return run().then(
    () => undefined,
    (error: unknown) => error,
  )
}

test('an error of a MongoDB that cannot be reached may pass', async () => {
  const client = new MongoClient('mongodb://127.0.0.1:1', { serverSelectionTimeoutMS: 100 })
  const error = await errorOf(() => client.db('app').collection('any').findOne())
  await client.close()
  expect(error).toBeInstanceOf(Error)
  expect(isPassingDatabaseError(error)).toBe(true)
})

test('an error of the socket, which old drivers hand on as it is, may pass', () => {
  const error = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  expect(isPassingDatabaseError(error)).toBe(true)
})

test('a command that MongoDB refuses does not pass', async () => {
  const error = await errorOf(() => database.db.command({ noSuchCommand: 1 }))
  expect(error).toBeInstanceOf(Error)
  expect(isPassingDatabaseError(error)).toBe(false)
})

test.each([new TypeError('a fault'), 'a text', undefined])('a fault of the code does not pass: %s', error => {
  expect(isPassingDatabaseError(error)).toBe(false)
})
