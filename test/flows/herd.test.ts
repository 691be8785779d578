import { beforeAll, beforeEach, expect, it } from 'vitest'
import { ask } from '../support/ask.js'
import type { Answer } from '../support/ask.js'
import { useDatabase } from '../support/database.js'
import { createGuardedApp } from '../support/guarded-app.js'
import { serve } from '../support/http-server.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const database = useDatabase()
let origin: string
beforeAll(async () => {
  await database.db.collection('custom_user_data').insertOne({ userId: 'alice', plan: 'gold' })
  const userData = createTestUserData(database)
  await userData.ready()
  const server = await serve(createGuardedApp(userData))
  origin = server.origin
  // The first load looks up the index, which this file does not count.
  await ask(origin, '/me', tokenOf('nobody'))
  return server.close
})
beforeEach(() => {
  database.commands.clear()
})

const tokenOf = (userId: string) => forgeToken({ claims: validClaims(userId) })
const askMany = (count: number, token: string): Promise<Answer[]> =>
  Promise.all(Array.from({ length: count }, () => ask(origin, '/me', token)))

it('1,000 simultaneous requests with one new token cause one query', async () => {
  for (const { status, body } of await askMany(1_000, tokenOf('alice'))) {
    expect([status, JSON.parse(body)]).toEqual([200, expect.objectContaining({ plan: 'gold' })])
  }
  expect(database.commands.named('find', 'aggregate')).toHaveLength(1)
})

it('10,000 requests with one token of a user without a document cause one query', async () => {
  const token = tokenOf('carol')
  for (let round = 0; round < 100; round++) {
    for (const { status, body } of await askMany(100, token)) expect([status, body]).toEqual([200, '{}'])
  }
  expect(database.commands.named('find', 'aggregate')).toHaveLength(1)
})
