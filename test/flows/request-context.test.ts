import { AsyncLocalStorage } from 'node:async_hooks'
import express from 'express'
import type { CustomUserData } from 'express-custom-user-data'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { memoryInUse } from '../support/heap.js'
import { serve } from '../support/http-server.js'
import { startIssuer } from '../support/key-server.js'
import type { TestIssuer } from '../support/key-server.js'
import { createTestUserData } from '../support/user-data.js'

type UserData = CustomUserData<Readonly<Record<string, unknown>>>

/** Stores like this one hold the request in apps with OpenTelemetry. */
const requests = new AsyncLocalStorage<object>()
let database: TestDatabase
let issuer: TestIssuer
beforeAll(async () => {
  // The driver opens connections when they are needed, and each keeps the context of the request that needed it. That is the
  // driver's. So all connections are there before the first request.
  database = await openDatabase({ minPoolSize: 8, maxPoolSize: 8 })
  const slow = database.db.collection('slow')
  await slow.insertOne({})
  // A quick command would leave its connection to the next command, and fewer than 8 would be opened.
  await Promise.all(Array.from({ length: 8 }, () => slow.findOne({ $where: 'sleep(300) || true' })))
  issuer = await startIssuer()
})
afterAll(async () => {
  await database.close()
  await issuer.server.close()
})

/** Answers one request inside of a store that holds it. Returns a weak reference to the request. */
async function answerFirstRequest(userData: UserData, token: string): Promise<WeakRef<object>> {
  let first: WeakRef<object> | undefined
  const app = express()
    .use((req, _res, next) => {
      first = new WeakRef(req)
      requests.run({ req }, next)
    })
    .get('/me', userData.authenticate(), (req, res) => res.json(req.user))
    .use(userData.errorHandler())
  const server = await serve(app)
  const answer = await fetch(`${server.origin}/me`, {
    headers: { authorization: `Bearer ${token}`, connection: 'close' },
  })
  expect(answer.status).toBe(200)
  await answer.text()
  await server.close()
  return first!
}

async function expectCollected(first: WeakRef<object>): Promise<void> {
  await expect
    .poll(
      async () => {
        await memoryInUse()
        return first.deref() === undefined
      },
      { timeout: 20_000 },
    )
    .toBe(true)
}

it.each([
  ['begins the change streams', 'ours', false],
  ["begins the timer of a trusted issuer's keys", 'theirs', false],
  ["begins the timer of a trusted issuer's keys after ready()", 'theirs', true],
])('the first request is collected although it %s', async (_what, whose, callsReady) => {
  const userData = createTestUserData(database, {
    changeStreams: 'auto',
    trustedIssuers: whose === 'theirs' ? [issuer.option()] : [],
  })
  onTestFinished(() => userData.close())
  if (callsReady) await userData.ready()
  const { access_token: ours } = await createTestUserData(database).issueTokens('alice')
  const first = await answerFirstRequest(userData, whose === 'ours' ? ours : issuer.token())
  await expect.poll(() => userData.stats().changeStreams).toEqual({ custom_data: 'open', sessions: 'open' })
  await expectCollected(first)
})

it('events that later changes cause do not run with the stores of the first request', async () => {
  const userData = createTestUserData(database, { changeStreams: 'auto' })
  onTestFinished(() => userData.close())
  const stores: [string, unknown][] = []
  userData.events.on('change_stream', ({ of, state }) => stores.push([`${of} ${state}`, requests.getStore()]))
  const { access_token: token } = await createTestUserData(database).issueTokens('alice')
  await answerFirstRequest(userData, token)
  await expect.poll(() => userData.stats().changeStreams).toEqual({ custom_data: 'open', sessions: 'open' })
  await database.db.collection('custom_user_data').drop()
  await expect.poll(() => stores.map(([name]) => name)).toContain('custom_data broken')
  expect(stores.map(([, store]) => store)).toEqual(stores.map(() => undefined))
})
