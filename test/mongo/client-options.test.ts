import { ReadConcern } from 'mongodb'
import type { MongoClientOptions } from 'mongodb'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openDatabase, useDatabase } from '../support/database.js'
import { createFollower } from '../support/following.js'
import { createSessionApp, getMe, logIn, refresh } from '../support/session-app.js'

const database = useDatabase()

const OPEN = { custom_data: 'open', sessions: 'open' }

const CLIENTS: readonly [string, MongoClientOptions][] = [
  ['the read concern local', { readConcernLevel: 'local' }],
  ['the read concern available', { readConcernLevel: 'available' }],
  ['the read concern majority', { readConcernLevel: 'majority' }],
  ['the read concern linearizable', { readConcernLevel: 'linearizable' }],
  ['the read preference secondaryPreferred', { readPreference: 'secondaryPreferred' }],
  ['the write concern 0', { writeConcern: { w: 0 } }],
  ['the write concern majority with a journal', { writeConcern: { w: 'majority', journal: true } }],
  ['the stable API, strictly', { serverApi: { version: '1', strict: true, deprecationErrors: true } }],
  ['no retries', { retryReads: false, retryWrites: false }],
  ['a timeout for sockets', { socketTimeoutMS: 60_000 }],
  ['values of BSON that are not promoted', { promoteValues: false, promoteLongs: false }],
  ['64-bit numbers as bigint', { useBigInt64: true }],
  ['no UTF-8 validation', { enableUtf8Validation: false }],
  ['undefined values left out', { ignoreUndefined: true }],
]

describe('behind a client with', () => {
  it.each(CLIENTS)('%s, logins, refreshes, writes and change streams work', async (_what, options) => {
    const client = await openDatabase(options)
    onTestFinished(client.close)
    const { userData, states, warnings, dataOf, seesOf } = createFollower(client.db)
    onTestFinished(() => userData.close())
    expect(await userData.ready()).toMatchObject({ changeStreams: OPEN })
    expect(states.map(({ state }) => state)).toEqual(['open', 'open'])

    const app = createSessionApp(userData)
    const { access_token, refresh_token } = await logIn(app)
    expect((await getMe(app, access_token)).status).toBe(200)
    expect((await refresh(app, refresh_token)).status).toBe(200)

    await userData.forUser('bob').update({ n: 1 }, { upsert: true })
    expect(await dataOf('bob')).toMatchObject({ n: 1 })
    const direct = database.client.db(client.db.databaseName).collection('custom_user_data')
    await direct.updateOne({ userId: 'bob' }, { $set: { n: 2 } })
    await seesOf('bob', expect.objectContaining({ n: 2 }))
    await userData.revoke('alice')
    expect((await getMe(app, access_token)).status).toBe(401)
    expect(warnings.filter(({ code }) => code !== 'bson_option_ignored')).toEqual([])
  })
})

describe('change streams open behind', () => {
  it.each(['local', 'available', 'linearizable', 'snapshot'] as const)(
    'a client, a database and collections with the read concern %s',
    async level => {
      const readConcern = new ReadConcern(level)
      const strict = await openDatabase({ readConcern })
      const client = await openDatabase()
      onTestFinished(strict.close)
      onTestFinished(client.close)
      const ofDatabase = client.client.db(client.db.databaseName, { readConcern })
      const ofCollections = {
        collection: client.db.collection('documents', { readConcern }),
        sessionCollection: client.db.collection('sessions', { readConcern }),
      }
      const followers = [
        createFollower(strict.db),
        createFollower(ofDatabase),
        createFollower(client.db, ofCollections),
      ]
      for (const { userData } of followers) {
        onTestFinished(() => userData.close())
        // With `snapshot` the server refuses reads for a moment after an index was made.
        await expect.poll(() => userData.ready()).toMatchObject({ changeStreams: OPEN })
      }
    },
  )

  it('a direct connection to the primary', async () => {
    const client = await openDatabase({ directConnection: true })
    onTestFinished(client.close)
    const { userData } = createFollower(client.db)
    onTestFinished(() => userData.close())
    expect(await userData.ready()).toMatchObject({ changeStreams: OPEN })
  })
})

it('with maxPoolSize: 1 logins, refreshes and writes work', async () => {
  const client = await openDatabase({ maxPoolSize: 1 })
  onTestFinished(client.close)
  const { userData } = createFollower(client.db, { changeStreams: 'off' })
  await userData.ready()
  const app = createSessionApp(userData)
  const { access_token, refresh_token } = await logIn(app)
  const answers = await Promise.all([
    ...Array.from({ length: 10 }, () => getMe(app, access_token)),
    refresh(app, refresh_token),
  ])
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 11 }, () => 200))
  expect(await userData.forUser('bob').update({ n: 1 }, { upsert: true })).toMatchObject({ n: 1 })
  await userData.revoke('alice')
  expect((await getMe(app, access_token)).status).toBe(401)
})
