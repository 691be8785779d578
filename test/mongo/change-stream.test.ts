import { setTimeout as wait } from 'node:timers/promises'
import { Long, MongoClient } from 'mongodb'
import type { Collection, Document } from 'mongodb'
import { MongoMemoryServer } from 'mongodb-memory-server-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createChangeFeed } from '../../lib/mongo/change-stream.js'
import type { ChangeEvent, ChangeFeed } from '../../lib/mongo/change-stream.js'
import { openTeamDatabase } from '../../lib/mongo/team-database.js'
import { findMongod } from '../../examples/support/find-mongod.js'
import { startMongod } from '../../examples/support/start-mongod.js'
import type { StartedMongod } from '../../examples/support/start-mongod.js'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { openDatabase, openProxiedDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { createFollower, startFollower } from '../support/following.js'
import type { Follower } from '../support/following.js'
import { createTestUserData } from '../support/user-data.js'

interface Profile {
  _id: number
  userId: string
  n?: number
}

const ALICE = { _id: 1, userId: 'alice', n: 1 }
const BOB = { _id: 2, userId: 'bob' }
/** The app name of the reading client. The server's fail points go by it. */
const READER = 'reader'

const deadlines = holdDeadlines()
let mongod: StartedMongod
let writing: TestDatabase
let reading: TestDatabase
let documents: Collection<Profile>
beforeAll(async () => {
  mongod = await startMongod({ args: ['--setParameter', 'enableTestCommands=1'] })
  writing = await openDatabase({ uri: mongod.uri })
  reading = await openDatabase({ uri: mongod.uri, appName: READER })
})
beforeEach(async () => {
  documents = writing.db.collection('custom_user_data')
  await documents.deleteMany({})
  await documents.insertMany([ALICE, BOB])
})
afterAll(async () => {
  await reading.client.close()
  await writing.close()
  await mongod.stop()
})

const otherDb = () => reading.client.db(writing.db.databaseName)
const streamsOpened = (of: TestDatabase) =>
  of.commands
    .named('aggregate')
    .filter(({ command }) => '$changeStream' in (command['pipeline'] as Document[])[0]!)
const loads = () => reading.commands.loads().length
const change = (n: number) => documents.updateOne({ _id: 1 }, { $set: { n } })

/** Makes the server fail the reader's commands, until {@link heal}. */
const fail = (failCommands: string[], fault: Document, mode: Document | string = 'alwaysOn') =>
  writing.client.db('admin').command({
    configureFailPoint: 'failCommand',
    mode,
    data: { failCommands, appName: READER, ...fault },
  })
const heal = () => writing.client.db('admin').command({ configureFailPoint: 'failCommand', mode: 'off' })

/** The ids of the cursors that are open on a collection. */
async function cursorsOn(name: string, databaseName = writing.db.databaseName): Promise<Long[]> {
  const operations = await writing.client
    .db('admin')
    .aggregate([
      { $currentOp: { allUsers: true, idleCursors: true } },
      { $match: { ns: `${databaseName}.${name}`, 'cursor.cursorId': { $exists: true } } },
    ])
    .toArray()
  return operations.map(({ cursor }) => Long.fromValue((cursor as { cursorId: Long }).cursorId))
}

/** Makes the watchdogs of streams follow `vi.advanceTimersByTime`, until the end of the test. */
function holdWatchdogs(): void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
}

describe('a stream that breaks', () => {
  let there: Follower
  beforeEach(async () => {
    there = await startFollower(otherDb())
    await there.seesOf('alice', ALICE)
    await there.dataOf('bob')
    reading.commands.clear()
  })
  afterEach(async () => {
    await heal()
    await there.userData.close()
  })

  it('because its cursor was killed is resumed: nothing is missed and nothing is dropped', async () => {
    let cursors: Long[] = []
    await expect.poll(async () => (cursors = await cursorsOn('custom_user_data'))).not.toEqual([])
    await writing.db.command({ killCursors: 'custom_user_data', cursors })
    await change(2)
    await there.seesOf('alice', { ...ALICE, n: 2 })
    await there.dataOf('bob')
    expect(loads()).toBe(1)
    expect(streamsOpened(reading)).toHaveLength(1)
  })

  it.each<[string, Document]>([
    ['its connection is cut', { closeConnection: true }],
    ['its operation was interrupted', { errorCode: 11601 }],
    ['its primary has stepped down', { errorCode: 189 }],
  ])(
    'because %s is resumed with the events of the meantime, and nothing is dropped',
    async (_name, fault) => {
      await fail(['getMore', 'aggregate'], fault)
      await there.until('custom_data', 'broken')
      await there.until('sessions', 'broken')
      await change(2)
      await heal()
      await there.until('custom_data', 'resumed')
      await there.until('sessions', 'resumed')
      reading.commands.clear()
      await there.seesOf('alice', { ...ALICE, n: 2 })
      await there.dataOf('bob')
      expect(loads()).toBe(1)
    },
  )

  it('and has lost its history starts at the present, and everything is dropped', async () => {
    await fail(['getMore'], { errorCode: 286 })
    await there.until('custom_data', 'broken')
    await heal()
    await there.until('custom_data', 'open', 2)
    expect(there.states).toContainEqual({
      of: 'custom_data',
      state: 'broken',
      error: expect.objectContaining({ code: 286 }) as Error,
    })
    reading.commands.clear()
    await there.dataOf('alice')
    await there.dataOf('bob')
    expect(loads()).toBe(2)
    await change(2)
    await there.seesOf('alice', { ...ALICE, n: 2 })
  })

  it('and whose resume token is refused starts at the present', async () => {
    await fail(['getMore'], { errorCode: 11601 })
    await there.until('custom_data', 'broken')
    const namespace = documents.namespace
    await fail(['aggregate'], { errorCode: 260, namespace }, { times: 1 })
    await change(2)
    await there.until('custom_data', 'open', 2)
    await there.seesOf('alice', { ...ALICE, n: 2 })
  })

  it('is opened again with growing waits while that fails', async () => {
    await fail(['getMore', 'aggregate'], { errorCode: 11601 })
    await there.until('custom_data', 'broken')
    await there.until('sessions', 'broken')
    reading.commands.clear()
    await wait(1_000)
    // Of each stream at 100, 300 and 700 ms, perhaps repeated by the driver.
    expect(streamsOpened(reading).length).toBeLessThanOrEqual(14)
  })
})

describe('while a stream is broken', () => {
  let there: Follower
  afterEach(async () => {
    await heal()
    await there.userData.close()
  })

  it.each(['cut', 'pause'] as const)(
    'by a network that is %s, earlier snapshots are served until changeStreamTimeoutMs has passed, and no longer',
    async fault => {
      const proxied = await openProxiedDatabase(writing)
      const { proxy } = proxied
      const options = { changeStreamTimeoutMs: 60_000, loadTimeoutMs: 300 }
      holdWatchdogs()
      there = createFollower(proxied.db, options)
      await there.userData.ready()
      await there.seesOf('alice', ALICE)
      proxy[fault]()
      // Subtract the duration of the last commands, because their answers were true when the commands were sent.
      vi.advanceTimersByTime(55_000)
      expect(await there.dataOf('alice')).toEqual(ALICE)
      // Twice its time: an answer may have been on its way.
      vi.advanceTimersByTime(60_000)
      await expect(deadlines.passUntil(there.dataOf('alice'))).rejects.toMatchObject({ status: 503 })
      await change(2)
      await proxy.restore()
      await there.seesOf('alice', { ...ALICE, n: 2 })
      await there.userData.close()
    },
  )

  it('new snapshots also live no longer than the time-out, and sessions are read as often', async () => {
    there = await startFollower(otherDb(), { changeStreamTimeoutMs: 1_000 })
    await fail(['getMore'], { errorCode: 11601 })
    await there.until('custom_data', 'broken')
    await there.until('sessions', 'broken')
    const writer = createFollower(writing.db, { changeStreams: 'off' })
    const { access_token: token } = await writer.userData.issueTokens('alice')
    for (const n of [2, 3]) {
      await change(n)
      await there.seesOf('alice', { ...ALICE, n })
    }
    await there.userData.verifyToken(token)
    await writer.userData.revoke('alice')
    await expect.poll(() => there.errorOf(token)).toMatchObject({ code: 'invalid_token' })
  })
})

describe('an event', () => {
  let clock: ManualClock
  let feed: ChangeFeed
  const handled: unknown[] = []
  const reports: [string, Error | undefined][] = []
  let resyncs: number
  beforeEach(() => {
    clock = createManualClock()
    handled.length = 0
    reports.length = 0
    resyncs = 0
    reading.commands.clear()
  })
  afterEach(async () => {
    feed.close()
    await heal()
  })

  function follow(handle: (change: { documentKey: { _id: unknown } }) => void): void {
    const database = openTeamDatabase(otherDb().collection('custom_user_data'))
    feed = createChangeFeed<ChangeEvent & { documentKey: { _id: unknown } }>(
      {
        collection: () => database.collection(),
        primary: signal => database.primary(signal),
        pipeline: [],
        handle,
        resync: () => {
          resyncs++
        },
        report: (state, error) => reports.push([state, error]),
      },
      { timeoutMs: 60_000, clock, wait: passAtOnce },
    )
    feed.start()
  }

  /** Lets the clock go on instead of waiting. */
  async function passAtOnce(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    clock.advance(ms)
    await wait(1)
  }

  it('that throws in its handler drops everything, and the stream goes on after it', async () => {
    follow(({ documentKey }) => {
      if (documentKey._id === 1) throw new RangeError('an odd document')
      handled.push(documentKey._id)
    })
    await feed.settled()
    expect(resyncs).toBe(1)
    await change(2)
    await documents.updateOne({ _id: 2 }, { $set: { n: 2 } })
    await expect.poll(() => handled).toEqual([2])
    expect([resyncs, streamsOpened(reading).length]).toEqual([2, 1])
    expect(reports.map(([state, error]) => [state, error?.message])).toEqual([
      ['open', undefined],
      ['skipped', 'an odd document'],
    ])
  })

  it('gives requests a turn of the event loop, however many events come in one answer', async () => {
    let turns = 0
    let isOver = false
    const countTurns = (): void => {
      turns++
      if (!isOver) setImmediate(countTurns)
    }
    const seen: number[] = []
    follow(() => {
      const endsAt = performance.now() + 6
      while (performance.now() < endsAt);
      seen.push(turns)
    })
    await feed.settled()
    countTurns()
    await documents.insertMany(Array.from({ length: 60 }, (_, n) => ({ _id: 100 + n, userId: `many-${n}` })))
    await expect.poll(() => seen).toHaveLength(60)
    isOver = true
    expect(new Set(seen).size).toBeGreaterThan(50)
  })

  it('comes again if the snapshots that it concerns could not be dropped', async () => {
    let isAway = false
    follow(({ documentKey }) => {
      if (documentKey._id === 1 && isAway) isAway = false
      else if (documentKey._id === 1) throw new RangeError('an odd document')
      handled.push(documentKey._id)
    })
    await feed.settled()
    await change(2)
    await expect.poll(() => resyncs).toBe(2)
    isAway = true
    await change(3)
    await expect.poll(() => handled).toEqual([1])
  })

  it('that makes each stream fail at once is tried with growing waits', async () => {
    follow(() => undefined)
    await feed.settled()
    const beganAt = clock.now()
    await fail(['getMore'], { errorCode: 11601 })
    await expect.poll(() => clock.now() - beganAt, { timeout: 15_000 }).toBeGreaterThan(60_000)
    feed.close()
    expect(streamsOpened(reading).length).toBeGreaterThan(5)
    // At 100 ms, 300 ms, 700 ms and so on, and every 5 seconds from then on; the driver repeats each once by itself.
    expect(streamsOpened(reading).length).toBeLessThan(50)
  })
})

describe('a stream that is behind by more than changeStreamTimeoutMs', () => {
  it('counts as broken: everything is dropped, and it starts at the present', async () => {
    const there = await startFollower(otherDb(), { changeStreamTimeoutMs: 1_000 })
    onTestFinished(() => there.userData.close())
    onTestFinished(async () => {
      await heal()
    })
    await fail(['getMore', 'aggregate'], { errorCode: 11601, namespace: documents.namespace })
    await there.until('custom_data', 'broken')
    await change(2)
    // The server tells whole seconds.
    await wait(3_500)
    await heal()
    await there.until('custom_data', 'open', 2)
    // It was broken before, and it did not go on where it was.
    const states = there.states.filter(({ of }) => of === 'custom_data').map(({ state }) => state)
    expect(states).toEqual(['open', 'broken', 'open'])
    await there.seesOf('alice', { ...ALICE, n: 2 })
    await change(3)
    await there.seesOf('alice', { ...ALICE, n: 3 })
  })
})

describe('a stream that the server refuses', () => {
  let there: Follower
  afterEach(async () => {
    await heal()
    await there.userData.close()
  })
  const states = () => there.userData.stats().changeStreams

  it.each([13, 8000, 96, 1])(
    'with the code %d when it is first opened is tried again until it opens',
    async errorCode => {
      // With the index, a load of this user is no aggregation, which would fail as well.
      await createTestUserData(writing).ready()
      await fail(['aggregate'], { errorCode, namespace: documents.namespace })
      there = createFollower(otherDb())
      expect(states()).toEqual({ custom_data: 'opening', sessions: 'opening' })
      await there.dataOf('alice')
      await there.until('custom_data', 'unavailable')
      await there.until('sessions', 'open')
      expect(states()).toEqual({ custom_data: 'unavailable', sessions: 'open' })
      expect(there.warnings.map(({ code }) => code)).toEqual(['change_stream_unavailable'])
      await heal()
      await there.until('custom_data', 'open')
      expect(await there.userData.ready()).toMatchObject({
        changeStreams: { custom_data: 'open', sessions: 'open' },
      })
      expect(states()).toEqual({ custom_data: 'open', sessions: 'open' })
      await there.dataOf('alice')
      await change(2)
      await there.seesOf('alice', { ...ALICE, n: 2 })
      expect(there.warnings).toHaveLength(1)
    },
  )

  it('several times in a row after it was open is tried again, and its snapshots do not live on meanwhile', async () => {
    there = await startFollower(otherDb(), { changeStreamTimeoutMs: 1_000 })
    await there.seesOf('alice', ALICE)
    await fail(['getMore', 'aggregate'], { errorCode: 8000, namespace: documents.namespace })
    await there.until('custom_data', 'unavailable')
    expect(await there.userData.ready()).toMatchObject({ changeStreams: { custom_data: 'unavailable' } })
    for (const n of [2, 3]) {
      await change(n)
      await there.seesOf('alice', { ...ALICE, n })
    }
    await heal()
    await there.until('custom_data', 'open', 2)
    await change(4)
    await there.seesOf('alice', { ...ALICE, n: 4 })
  })
})

describe('an event that cannot be decoded', () => {
  it('drops everything, and is not read again', async () => {
    const proxied = await openProxiedDatabase(writing)
    const { proxy } = proxied
    const there = await startFollower(proxied.db)
    onTestFinished(async () => {
      await there.userData.close()
    })
    await there.seesOf('alice', ALICE)
    // BSON has no type 0x20.
    const odd = 'userId\0\x04\0\0\0odd\0'
    proxy.rewrite(`\x02${odd}`, `\x20${odd}`)
    await documents.insertOne({ _id: 3, userId: 'odd' })
    await there.until('custom_data', 'broken')
    await there.until('custom_data', 'open', 2)
    await change(2)
    await there.seesOf('alice', { ...ALICE, n: 2 })
    expect(there.states.filter(({ of, state }) => of === 'custom_data' && state === 'broken')).toHaveLength(1)
    expect(streamsOpened(proxied).length).toBeLessThanOrEqual(3)
  })
})

describe('data inside a token', () => {
  afterEach(heal)
  const userDataInToken = 'relaxed'

  async function issue(): Promise<string> {
    return (await createTestUserData(writing, { userDataInToken }).issueTokens('alice')).access_token
  }

  it('is used only while the streams of custom data and of sessions are open', async () => {
    await fail(['aggregate'], {
      errorCode: 11601,
      namespace: `${writing.db.databaseName}.custom_user_data_sessions`,
    })
    const there = createFollower(otherDb(), { userDataInToken, clockToleranceSeconds: 0 })
    onTestFinished(() => there.userData.close())
    const { userData } = there
    const early = [await issue(), await issue()]
    await userData.verifyToken(early[0])
    await there.until('custom_data', 'open')
    await there.until('sessions', 'broken')
    await userData.verifyToken(early[1])
    expect(userData.stats().claimSnapshots).toBe(0)
    await heal()
    await there.until('sessions', 'open')
    await userData.verifyToken(await issue())
    expect(userData.stats().claimSnapshots).toBe(1)
  })

  it('is no longer used when a stream is broken for longer than its time-out', async () => {
    const clock = createManualClock()
    const { userData, until } = await startFollower(otherDb(), {
      clock,
      userDataInToken,
      clockToleranceSeconds: 0,
    })
    onTestFinished(() => userData.close())
    const issueNow = async () => {
      const issuing = createTestUserData(writing, { clock, userDataInToken })
      return (await issuing.issueTokens('alice')).access_token
    }
    await fail(['getMore', 'aggregate'], { errorCode: 11601, namespace: documents.namespace })
    await until('custom_data', 'broken')
    clock.advance(30_000)
    await userData.verifyToken(await issueNow())
    expect(userData.stats().claimSnapshots).toBe(1)
    clock.advance(30_000)
    await userData.verifyToken(await issueNow())
    expect(userData.stats().claimSnapshots).toBe(1)
    // A load that a drop of everything overtakes is repeated once.
    expect(userData.stats().loads).toBeGreaterThan(0)
  })
})

describe('a server without change streams', () => {
  let standalone: MongoMemoryServer
  let client: MongoClient
  beforeAll(async () => {
    // Any version will do.
    vi.stubEnv('MONGOMS_SYSTEM_BINARY_VERSION_CHECK', 'false')
    standalone = await MongoMemoryServer.create({
      binary: { systemBinary: await findMongod() },
      instance: { storageEngine: 'wiredTiger', ip: '127.0.0.1' },
    })
  })
  afterAll(async () => {
    await client.close()
    await standalone.stop()
    vi.unstubAllEnvs()
  })

  it('causes one warning and is not asked again soon; snapshots live as long as their TTL', async () => {
    const database = await openDatabase({ uri: standalone.getUri() })
    client = database.client
    await database.db.collection<Profile>('custom_user_data').insertOne(ALICE)
    holdWatchdogs()
    const alone = createFollower(database.db, { changeStreamTimeoutMs: 1_000 })
    await alone.userData.ready()
    expect(alone.states.map(({ of, state }) => `${of} ${state}`).sort()).toEqual([
      'custom_data unavailable',
      'sessions unavailable',
    ])
    expect(alone.warnings.map(({ code }) => code)).toEqual(['change_stream_unavailable'])
    expect(await alone.dataOf('alice')).toEqual(ALICE)
    vi.advanceTimersByTime(10_000)
    database.commands.clear()
    expect(await alone.dataOf('alice')).toEqual(ALICE)
    expect(database.commands).toHaveLength(0)
    await alone.userData.close()
  })

  it('is asked again every ten minutes, because it may become a replica set', async () => {
    const database = await openDatabase({ uri: standalone.getUri() })
    const team = openTeamDatabase(database.db.collection('custom_user_data'))
    const waits: number[] = []
    const feed = createChangeFeed(
      {
        collection: () => team.collection(),
        primary: signal => team.primary(signal),
        pipeline: [],
        handle: () => undefined,
        resync: () => undefined,
        report: () => undefined,
      },
      {
        timeoutMs: 60_000,
        clock: createManualClock(),
        wait: async (ms, signal) => {
          signal.throwIfAborted()
          waits.push(ms)
          await wait(1)
        },
      },
    )
    feed.start()
    await expect.poll(() => waits.slice(0, 3)).toEqual([600_000, 600_000, 600_000])
    feed.close()
    await database.close()
  })

  it('does not use data inside tokens, and its one warning says so', async () => {
    const database = await openDatabase({ uri: standalone.getUri() })
    await database.db.collection<Profile>('custom_user_data').insertOne(ALICE)
    const options = { userDataInToken: 'relaxed' } as const
    const alone = createFollower(database.db, options)
    const { access_token } = await createTestUserData(database, options).issueTokens('alice')
    await alone.userData.ready()
    database.commands.clear()
    expect((await alone.userData.verifyToken(access_token)).customData).toEqual(ALICE)
    expect(database.commands.loads()).toHaveLength(1)
    expect(alone.warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining('Custom data inside access tokens is not used'),
    ])
    await alone.userData.close()
    await database.close()
  })
})

describe('the streams of an instance', () => {
  it('are opened by the first load if nobody calls ready()', async () => {
    const there = createFollower(otherDb())
    await there.seesOf('alice', ALICE)
    await there.until('custom_data', 'open')
    await there.until('sessions', 'open')
    await change(2)
    await there.seesOf('alice', { ...ALICE, n: 2 })
    await there.userData.close()
  })

  it('drop snapshots from before they were open', async () => {
    await fail(['aggregate'], {
      errorCode: 11601,
      namespace: `${writing.db.databaseName}.custom_user_data_sessions`,
    })
    const there = createFollower(otherDb())
    reading.commands.clear()
    await there.dataOf('alice')
    await heal()
    await there.until('custom_data', 'open')
    await there.dataOf('alice')
    // A stream that opens during the first load has it repeated, and the second finds a snapshot from after that moment.
    expect(loads()).toBeGreaterThanOrEqual(2)
    await there.userData.close()
  })

  it('are two, even if ready() is called several times', async () => {
    reading.commands.clear()
    const there = await startFollower(otherDb())
    await Promise.all(Array.from({ length: 5 }, () => there.userData.ready()))
    expect(streamsOpened(reading)).toHaveLength(2)
    await there.userData.close()
  })

  it('are not opened if the option says so', async () => {
    reading.commands.clear()
    const there = createFollower(otherDb(), { changeStreams: 'off' })
    await there.userData.ready()
    expect(streamsOpened(reading)).toHaveLength(0)
    expect([there.states, there.warnings]).toEqual([[], []])
    await there.userData.close()
  })

  it('are not opened if they would occupy the whole pool, and a warning says so', async () => {
    const small = await openDatabase({ uri: mongod.uri, maxPoolSize: 3 })
    const there = createFollower(small.db)
    await there.userData.ready()
    expect(streamsOpened(small)).toHaveLength(0)
    expect(there.warnings.map(({ code }) => code)).toEqual(['change_stream_unavailable'])
    await there.userData.close()
    await small.close()
  })

  it('are closed at the server by close(), and are not opened again', async () => {
    const cursors = async () =>
      [
        await cursorsOn('custom_user_data', ownName),
        await cursorsOn('custom_user_data_sessions', ownName),
      ].flat()
    const ownName = `${writing.db.databaseName}_closed`
    const there = await startFollower(reading.client.db(ownName))
    await expect.poll(cursors).toHaveLength(2)
    await there.userData.close()
    await expect.poll(cursors).toEqual([])
    reading.commands.clear()
    await wait(300)
    expect(streamsOpened(reading)).toHaveLength(0)
    await reading.client.db(ownName).dropDatabase()
    expect(there.states.map(({ state }) => state)).toEqual(['open', 'open'])
  })

  it('end quietly when they are closed while they open, and when the client is closed first', async () => {
    const opening = createFollower(otherDb())
    const ready = opening.userData.ready()
    await opening.userData.close()
    await ready
    const other = await openDatabase({ uri: mongod.uri })
    const there = await startFollower(other.db)
    await other.close()
    await there.until('custom_data', 'broken')
    await there.userData.close()
  })
})
