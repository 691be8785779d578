import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createChangeFeed } from '../../lib/mongo/change-stream.js'
import { StreamConnections } from '../../lib/mongo/stream-connections.js'
import { openTeamDatabase } from '../../lib/mongo/team-database.js'
import { createManualClock } from '../support/clock.js'
import type { TestDatabase } from '../support/database.js'
import { openDatabase, useDatabase } from '../support/database.js'
import { createFollower } from '../support/following.js'
import type { Follower } from '../support/following.js'
import { createSessionApp, logIn } from '../support/session-app.js'

const direct = useDatabase()

const BOTH_OPEN = { custom_data: 'open', sessions: 'open' }
const BOTH_REFUSED = { custom_data: 'unavailable', sessions: 'unavailable' }

async function openClient(maxPoolSize: number): Promise<TestDatabase> {
  const client = await openDatabase({ maxPoolSize })
  onTestFinished(client.close)
  return client
}

/** Creates instances on one client, which become ready one after the other. */
async function startMany({ db }: TestDatabase, count: number): Promise<Follower[]> {
  const followers = Array.from({ length: count }, () => createFollower(db))
  onTestFinished(async () => {
    await Promise.all(followers.map(({ userData }) => userData.close()))
  })
  for (const { userData } of followers) await userData.ready()
  return followers
}

const statesOf = (followers: readonly Follower[]) =>
  followers.map(({ userData }) => userData.stats().changeStreams)

describe('the streams of several instances on one client', () => {
  it('of which the second would occupy the whole pool are refused to the second with one warning, and both log in', async () => {
    const client = await openClient(4)
    const [first, second] = (await startMany(client, 2)) as [Follower, Follower]
    expect(statesOf([first, second])).toEqual([BOTH_OPEN, BOTH_REFUSED])
    expect(first.warnings).toEqual([])
    expect(second.warnings.map(({ code }) => code)).toEqual(['change_stream_unavailable'])
    expect(second.warnings[0]!.message).toContain('other instances occupy 2 of the 4 connections')
    expect(second.warnings[0]!.message).toContain('write maxPoolSize: 12 or more')
    for (const { userData } of [first, second]) await logIn(createSessionApp(userData))
  })

  it('occupy a third of the pool at most: others go without both, and all become ready and serve', async () => {
    const client = await openClient(30)
    const followers = await startMany(client, 12)
    expect(statesOf(followers)).toEqual([
      ...Array.from({ length: 5 }, () => BOTH_OPEN),
      ...Array.from({ length: 7 }, () => BOTH_REFUSED),
    ])
    await Promise.all(followers.map(({ userData }) => logIn(createSessionApp(userData))))
    for (const { warnings } of followers.slice(5)) expect(warnings).toHaveLength(1)
  })

  it('that become ready at the same time get both streams or none', async () => {
    const client = await openClient(30)
    const followers = Array.from({ length: 12 }, () => createFollower(client.db))
    onTestFinished(async () => {
      await Promise.all(followers.map(({ userData }) => userData.close()))
    })
    await Promise.all(followers.map(({ userData }) => userData.ready()))
    const open = statesOf(followers).filter(({ custom_data }) => custom_data === 'open')
    expect(open).toEqual(Array.from({ length: 5 }, () => BOTH_OPEN))
  })

  it('are opened for a waiting instance after another was closed', async () => {
    const client = await openClient(4)
    const [first, second] = (await startMany(client, 2)) as [Follower, Follower]
    await first.userData.close()
    await second.until('custom_data', 'open')
    await second.until('sessions', 'open')
    const third = (await startMany(client, 1))[0]!
    expect(statesOf([third])).toEqual([BOTH_REFUSED])
  })

  it('are not limited if the pool has no limit', async () => {
    const client = await openClient(0)
    expect(statesOf(await startMany(client, 3))).toEqual([BOTH_OPEN, BOTH_OPEN, BOTH_OPEN])
  })

  it('are counted for each client by itself, also if sessions have a client of their own', async () => {
    const [data, sessions] = [await openClient(4), await openClient(4)]
    const sessionCollection = sessions.db.collection('sessions')
    const create = () => createFollower(data.db, { sessionCollection })
    const followers = [create(), create(), create()]
    for (const { userData } of followers) {
      onTestFinished(() => userData.close())
      await userData.ready()
    }
    expect(statesOf(followers)).toEqual([BOTH_OPEN, BOTH_OPEN, BOTH_REFUSED])
  })
})

describe('an instance whose streams are refused for the pool', () => {
  it('says once how large the pool must be', async () => {
    const [follower] = (await startMany(await openClient(3), 1)) as [Follower]
    expect(statesOf([follower])).toEqual([BOTH_REFUSED])
    expect(follower.warnings).toHaveLength(1)
    expect(follower.warnings[0]!.message).toContain('the maxPoolSize of the MongoClient is 3')
    expect(follower.warnings[0]!.message).toContain('write maxPoolSize: 4 or more')
  })

  it('drops no snapshot when they are tried again, because nothing was promised', async () => {
    const database = openTeamDatabase((await openClient(3)).db.collection('documents'))
    const connections = new StreamConnections([database, database])
    const counts = { tries: 0, resyncs: 0, reports: 0 }
    const feed = createChangeFeed(
      {
        collection: async () => {
          counts.tries++
          await connections.take(database)
          return database.collection()
        },
        primary: signal => database.primary(signal),
        pipeline: [],
        handle: () => undefined,
        resync: () => {
          counts.resyncs++
        },
        report: () => {
          counts.reports++
        },
      },
      {
        timeoutMs: 60_000,
        clock: createManualClock(),
        wait: async (_ms, signal) => {
          await nextTurn()
          signal.throwIfAborted()
        },
      },
    )
    onTestFinished(() => feed.close())
    feed.start()
    await expect.poll(() => counts.tries).toBeGreaterThan(5)
    expect(counts).toMatchObject({ resyncs: 0, reports: 1 })
  })

  it('refuses a token whose session another process has ended, at its next load', async () => {
    const client = await openClient(3)
    const [without] = (await startMany(client, 1)) as [Follower]
    const { access_token, refresh_token } = await logIn(createSessionApp(without.userData))
    expect(await without.errorOf(access_token)).toBeUndefined()
    const other = createFollower(direct.client.db(client.db.databaseName), { changeStreams: 'off' })
    await other.userData.revoke({ sid: refresh_token.split('.')[0]! })
    without.userData.invalidate('alice')
    expect(await without.errorOf(access_token)).toMatchObject({ code: 'invalid_token' })
  })
})
