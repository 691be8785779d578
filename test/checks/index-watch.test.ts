import type { Collection } from 'mongodb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { WarningEvent } from 'express-custom-user-data'
import { startMongod } from '../../examples/support/start-mongod.js'
import type { StartedMongod } from '../../examples/support/start-mongod.js'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { openDatabase, useDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { loadCustomData } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

const USER_ID_INDEX = 'express_custom_user_data:userId'
const ALL_THERE = { custom_data: 'there', sessions: 'there', login_attempts: 'there' } as const

const database = useDatabase()
let collections = 0
let documents: Collection
let sessions: Collection
let attempts: Collection
beforeEach(async () => {
  collections++
  documents = database.db.collection(`documents_${collections}`)
  sessions = database.db.collection(`sessions_${collections}`)
  attempts = database.db.collection(`attempts_${collections}`)
  await documents.insertOne({ userId: 'alice', n: 1 })
})

/** An instance that is ready, and its warnings. */
async function startInstance() {
  const clock = createManualClock(Date.now())
  const userData = createTestUserData(database, {
    collection: documents,
    sessionCollection: sessions,
    loginAttemptCollection: attempts,
    loginThrottle: {},
    clock,
  })
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  expect(await userData.ready()).toMatchObject({ indexes: ALL_THERE })
  const indexes = async () => (await userData.ready()).indexes
  return { userData, clock, warnings, indexes }
}

const namesOf = async (collection: Collection) => (await collection.indexes()).map(({ name }) => name)
const hide = (collection: Collection, name: string, hidden: boolean) =>
  database.db.command({ collMod: collection.collectionName, index: { name, hidden } })
const afterFiveMinutes = (clock: ManualClock, indexes: () => Promise<object>) => () => {
  clock.advance(300_000)
  return indexes()
}
const codesOf = (warnings: readonly WarningEvent[]) => warnings.map(({ code }) => code)

describe('an index on the user id that is dropped while the app runs', () => {
  it('is missed by no load, is one warning, and is made again by the next load', async () => {
    const { userData, warnings } = await startInstance()
    await documents.dropIndex(USER_ID_INDEX)
    const loads = Array.from({ length: 20 }, () => userData.forUser('alice').read())
    for (const read of await Promise.all(loads)) expect(read).toMatchObject({ n: 1 })
    expect(codesOf(warnings)).toEqual(['user_id_index_missing'])
    expect(warnings[0]!.message).toContain('was dropped or hidden')
    expect(warnings[0]!.message).toContain('createIndex({"userId":1}')
    expect(await loadCustomData(userData, 'alice')).toMatchObject({ n: 1 })
    await expect.poll(() => namesOf(documents)).toContain(USER_ID_INDEX)
    await loadCustomData(userData, 'alice')
    expect(codesOf(warnings)).toEqual(['user_id_index_missing'])
  })

  it('is found and made again by ready() within a minute, although no load has missed it', async () => {
    const { clock, indexes } = await startInstance()
    await documents.dropIndex(USER_ID_INDEX)
    clock.advance(59_000)
    await indexes()
    expect(await namesOf(documents)).toEqual(['_id_'])
    clock.advance(1_000)
    await indexes()
    await expect.poll(() => namesOf(documents)).toContain(USER_ID_INDEX)
    expect(await indexes()).toEqual(ALL_THERE)
  })

  it('is one warning too if ready() notices it, and not a load', async () => {
    const { clock, indexes, warnings } = await startInstance()
    await documents.dropIndex(USER_ID_INDEX)
    clock.advance(60_000)
    await indexes()
    await expect.poll(() => namesOf(documents)).toContain(USER_ID_INDEX)
    expect(codesOf(warnings)).toEqual(['user_id_index_missing'])
    expect(warnings[0]!.message).toContain('was dropped or hidden')
  })

  it('again and again is made again after growing pauses', async () => {
    const { userData, clock, indexes } = await startInstance()
    const askAndList = async () => {
      await indexes()
      return namesOf(documents)
    }
    const lose = async () => {
      await documents.dropIndex(USER_ID_INDEX)
      await userData.forUser('alice').read()
      await indexes()
    }
    await lose()
    await expect.poll(() => namesOf(documents)).toContain(USER_ID_INDEX)
    await userData.forUser('alice').read()
    await lose()
    expect(await indexes()).toMatchObject({ custom_data: 'missing' })
    expect(await namesOf(documents)).toEqual(['_id_'])
    clock.advance(1_000)
    await expect.poll(askAndList).toContain(USER_ID_INDEX)
    await userData.forUser('alice').read()
    await lose()
    clock.advance(1_000)
    await indexes()
    expect(await namesOf(documents)).toEqual(['_id_'])
    clock.advance(1_000)
    await expect.poll(askAndList).toContain(USER_ID_INDEX)
  })
})

describe('an index on the user id that is hidden while the app runs', () => {
  it('is missed by no load, is said with the command that shows it, and is used when it is shown again', async () => {
    const { userData, warnings, indexes } = await startInstance()
    await hide(documents, USER_ID_INDEX, true)
    expect(await userData.forUser('alice').read()).toMatchObject({ n: 1 })
    expect(await indexes()).toMatchObject({ custom_data: 'missing' })
    await expect.poll(() => codesOf(warnings)).toEqual(['user_id_index_missing', 'user_id_index_missing'])
    expect(warnings[1]!.message).toContain(
      `db.getCollection("${documents.collectionName}").unhideIndex("${USER_ID_INDEX}")`,
    )
    await hide(documents, USER_ID_INDEX, false)
    await userData.forUser('alice').read()
    expect(await indexes()).toEqual(ALL_THERE)
    expect(warnings).toHaveLength(2)
  })
})

describe('an index of sessions or login attempts', () => {
  it.each([
    ['sessions', 'session_user', () => sessions],
    ['login_attempts', 'custom_user_data_login_attempt_expiry', () => attempts],
  ])('that is dropped (%s) is made again by ready() within a minute', async (_what, name, collectionOf) => {
    const { clock, indexes, warnings } = await startInstance()
    await collectionOf().dropIndex(name)
    clock.advance(60_000)
    await indexes()
    await expect.poll(() => namesOf(collectionOf())).toContain(name)
    expect(warnings).toEqual([])
  })

  it.each([
    ['sessions', 'session_index_missing', 'session_user', () => sessions],
    [
      'login_attempts',
      'login_attempt_index_missing',
      'custom_user_data_login_attempt_expiry',
      () => attempts,
    ],
  ] as const)(
    'that is hidden (%s) is one warning with the command that shows it, and ready() tells',
    async (of, code, name, collectionOf) => {
      const { clock, indexes, warnings } = await startInstance()
      await hide(collectionOf(), name, true)
      for (let times = 0; times < 3; times++) {
        await expect.poll(afterFiveMinutes(clock, indexes)).toMatchObject({ [of]: 'missing' })
      }
      expect(codesOf(warnings)).toEqual([code])
      expect(warnings[0]!.message).toContain(`unhideIndex("${name}")`)
      await hide(collectionOf(), name, false)
      // A look may still run, and then the next one begins the pause again.
      await expect.poll(afterFiveMinutes(clock, indexes)).toEqual(ALL_THERE)
    },
  )
})

it('ready() and a new instance ask for no index that was made by hand under another name', async () => {
  await startInstance()
  await sessions.dropIndex('session_user')
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
  await sessions.createIndex(
    { userId: 1, revokedAt: 1 },
    { name: 'by_hand', partialFilterExpression: { expressCustomUserData: { $exists: true } } },
  )
  const { warnings } = await startInstance()
  expect(warnings).toEqual([])
  expect(await namesOf(sessions)).not.toContain('session_user')
})

describe('a collection that is dropped while the app runs', () => {
  const collectionNames = async () => (await database.db.listCollections().toArray()).map(({ name }) => name)

  it('is not created again by ready(), and gets its indexes when it exists again', async () => {
    const { clock, indexes } = await startInstance()
    const dropped = [documents, sessions, attempts]
    for (const collection of dropped) await collection.drop()
    const ALL_MISSING = { custom_data: 'missing', sessions: 'missing', login_attempts: 'missing' }
    await expect.poll(afterFiveMinutes(clock, indexes)).toEqual(ALL_MISSING)
    const names = await collectionNames()
    for (const { collectionName } of dropped) expect(names).not.toContain(collectionName)
    for (const { collectionName } of dropped) await database.db.createCollection(collectionName)
    await expect.poll(afterFiveMinutes(clock, indexes)).toEqual(ALL_THERE)
  })
})

describe('on a server that refuses commands, ready()', () => {
  const APP_NAME = 'refused-commands'
  let mongod: StartedMongod
  let failing: TestDatabase
  beforeAll(async () => {
    mongod = await startMongod({ args: ['--setParameter', 'enableTestCommands=1'] })
    failing = await openDatabase({ uri: mongod.uri, appName: APP_NAME, retryReads: false })
  })
  afterAll(async () => {
    await failing.close()
    await mongod.stop()
  })

  const configure = (rest: object) =>
    failing.client.db('admin').command({ configureFailPoint: 'failCommand', ...rest })

  it('looks for the indexes again after growing pauses if the look fails', async () => {
    const clock = createManualClock(Date.now())
    const userData = createTestUserData(failing, { clock })
    userData.events.on('warning', () => undefined)
    await userData.ready()
    await configure({
      mode: 'alwaysOn',
      data: { failCommands: ['listIndexes'], appName: APP_NAME, errorCode: 50 },
    })
    let refused = 0
    failing.client.on(
      'commandFailed',
      ({ commandName }) => (refused += commandName === 'listIndexes' ? 1 : 0),
    )
    const looksAfter = async (ms: number, looks: number) => {
      clock.advance(ms)
      await userData.ready()
      // Each look asks for the indexes of custom data and of sessions.
      await expect.poll(() => refused).toBeGreaterThanOrEqual(2 * looks)
      // A look that has begun without being due is over by then.
      for (let pings = 0; pings < 5; pings++) await userData.ready()
      expect(refused).toBe(2 * looks)
    }
    // Looks are due every minute, and pauses longer than a minute begin with the seventh failure in a row.
    for (let looks = 1; looks <= 7; looks++) await looksAfter(60_000, looks)
    await looksAfter(60_000, 7)
    await looksAfter(4_000, 8)
    await configure({ mode: 'off' })
  })

  it('rejects while a load without the index would not end in time, and resolves when it is there again', async () => {
    const clock = createManualClock(Date.now())
    const userData = createTestUserData(failing, { clock })
    userData.events.on('warning', () => undefined)
    await userData.ready()
    // Without the index a load is an aggregation. The server ends a long one with this code.
    await configure({
      mode: 'alwaysOn',
      data: { failCommands: ['aggregate', 'createIndexes'], appName: APP_NAME, errorCode: 50 },
    })
    await failing.db.collection('custom_user_data').dropIndex(USER_ID_INDEX)
    const unavailable = { code: 'custom_data_unavailable', status: 503 }
    await expect(userData.forUser('alice').read()).rejects.toMatchObject(unavailable)
    await expect(userData.ready()).rejects.toMatchObject(unavailable)
    await configure({ mode: 'off' })
    // A look may still run, and then the next one begins the pause again.
    await expect
      .poll(afterFiveMinutes(clock, () => userData.ready()))
      .toMatchObject({ indexes: { custom_data: 'there' } })
  })
})
