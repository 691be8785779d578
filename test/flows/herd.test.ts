import type { Server } from 'node:http'
import request from 'supertest'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { bearerOf, createGuardedApp, listen } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

let database: TestDatabase
let server: Server
beforeAll(async () => {
  database = await openDatabase()
  await database.db.collection('custom_user_data').insertOne({ userId: 'alice', plan: 'gold' })
  const userData = createTestUserData(database)
  await userData.ready()
  server = await listen(createGuardedApp(userData))
  // The index is looked up once.
  await getMe(bearerOf('nobody'))
  return () => server.close()
})
afterAll(() => database.close())
beforeEach(() => {
  database.commands.clear()
})

const getMe = (authorization: string) => request(server).get('/me').set('Authorization', authorization)
const getMany = (count: number, authorization: string) =>
  Promise.all(Array.from({ length: count }, () => getMe(authorization)))

it('1,000 requests at once with one token that nobody has seen cost 1 query', async () => {
  for (const { status, body } of await getMany(1_000, bearerOf('alice'))) {
    expect([status, body.plan]).toEqual([200, 'gold'])
  }
  expect(database.commands.named('find', 'aggregate')).toHaveLength(1)
})

it('10,000 requests of a user without a document cost 1 query on one token', async () => {
  const token = bearerOf('carol')
  for (let round = 0; round < 100; round++) {
    for (const { status, body } of await getMany(100, token)) expect([status, body]).toEqual([200, {}])
  }
  expect(database.commands.named('find', 'aggregate')).toHaveLength(1)
}, 60_000)
