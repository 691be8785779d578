import { setTimeout as wait } from 'node:timers/promises'
import { Credentials } from 'realm-web'
import type { User } from 'realm-web'
import { beforeAll, expect, test } from 'vitest'
import { recordSteps } from '../support/command-steps.js'
import { useDatabase, useProxiedDatabase } from '../support/database.js'
import { startRealmServer } from './support/realm-service.js'

const DELAY_MS = 30
const direct = useDatabase()
// A command that waits for a new connection would look like a step of its own.
const database = useProxiedDatabase(direct, { minPoolSize: 12 })
let steps: Readonly<Record<string, number>>

beforeAll(async () => {
  const service = await startRealmServer(database, {
    instance: { loginThrottle: {}, changeStreams: 'off' },
    service: {
      providers: { anonymous: true, emailPassword: { autoConfirm: true } },
      functions: { double: (_context, value) => 2 * Number(value) },
      customData: { database: 'app', collection: 'custom_user_data', rules: 'read-write' },
    },
  })
  try {
    await service.appServices.ready()
    const account = { email: 'alice@example.com', password: 'a long password' }
    const app = service.newClient()
    await app.emailPasswordAuth.registerUser(account)
    const logIn = (client = service.newClient()) =>
      client.logIn(Credentials.emailPassword(account.email, account.password), false)
    const user = await logIn(app)
    await Promise.all([1, 2, 3].map(() => logIn()))
    await service.userData.forUser(user.id).update({ $set: { theme: 'dark' } }, { upsert: true })
    const custom = collectionOf(user)
    await custom.findOne()
    steps = {
      login: await measure(() => logIn()),
      refresh: await measure(() => user.refreshAccessToken()),
      call: await measure(() => user.functions['double']?.(2)),
      findOne: await measure(() => custom.findOne()),
      updateOne: await measure(() => custom.updateOne({}, { $set: { theme: 'light' } })),
      profile: await measure(() => user.refreshProfile()),
      logout: await measure(() => user.logOut()),
    }
    console.log('Commands that wait for each other:', JSON.stringify(steps))
  } finally {
    await service.close()
  }
})

test.each([
  ['login', 7],
  ['refresh', 4],
  ['call', 1],
  ['findOne', 3],
  ['updateOne', 6],
  ['profile', 2],
  ['logout', 3],
])('commands that wait for each other: in %s at most %i', (name, most) => {
  expect(steps[name]).toBeGreaterThan(0)
  expect(steps[name]).toBeLessThanOrEqual(most)
})

async function measure(run: () => unknown): Promise<number> {
  // Commands that run after an answer must not be taken for steps of the next request.
  await wait(3 * DELAY_MS)
  const recorded = recordSteps(database.client)
  database.proxy.delay(DELAY_MS)
  try {
    await run()
    return recorded.stop()
  } finally {
    database.proxy.delay(0)
  }
}

function collectionOf(user: User) {
  return user.mongoClient('mongodb-atlas').db('app').collection('custom_user_data')
}
