import type { ClientSession, Db } from 'mongodb'
import { setTimeout as wait } from 'node:timers/promises'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { withDeadline } from '../../lib/util/deadline.js'
import { createManualClock } from './clock.js'
import { openDatabase, openProxiedDatabase, useDatabase } from './database.js'
import { holdDeadlines } from './deadlines.js'
import type { ProxiedDatabase, TestDatabase } from './database.js'
import type { TcpProxy } from './tcp-proxy.js'

const deadlines = holdDeadlines()

describe('the database of a test file', () => {
  const database = useDatabase()

  it('answers a ping', async () => {
    expect(await database.db.command({ ping: 1 })).toMatchObject({ ok: 1 })
  })

  it('is a replica set member on WiredTiger, so transactions and change streams work', async () => {
    const session: ClientSession = database.client.startSession()
    await session.withTransaction(async () => {
      await database.db.collection('things').insertOne({ a: 1 }, { session })
    })
    await session.endSession()
    expect(await database.db.collection('things').countDocuments()).toBe(1)
  })

  it('records the commands sent, by name, until cleared', async () => {
    database.commands.clear()
    await database.db.collection('things').findOne({ a: 1 })
    await database.db.collection('things').insertOne({ a: 2 })
    expect(database.commands.map(({ name }) => name)).toEqual(['find', 'insert'])
    expect(database.commands.named('find', 'aggregate')).toMatchObject([{ command: { filter: { a: 1 } } }])
    database.commands.clear()
    expect(database.commands).toHaveLength(0)
  })
})

describe('the TCP proxy', () => {
  let direct: TestDatabase
  let proxy: TcpProxy
  let proxied: ProxiedDatabase
  beforeEach(async () => {
    direct = await openDatabase()
    onTestFinished(direct.close)
    // The driver must not try again, because these tests look at the errors that it meets.
    const impatience = { serverSelectionTimeoutMS: 500, retryReads: false, retryWrites: false }
    proxied = await openProxiedDatabase(direct, impatience)
    proxy = proxied.proxy
    await ping(proxied.db)
  })
  it('forwards without changes', async () => {
    expect(await ping(proxied.db)).toBe(1)
  })

  it('cuts the connections and refuses new ones until restored', async () => {
    proxy.cut()
    await expect.poll(() => ping(proxied.db).catch(String)).toMatch(/ECONNREFUSED/)
    await proxy.restore()
    await expect.poll(() => ping(proxied.db)).toBe(1)
  })

  it('holds everything while paused, and delivers it on resume', async () => {
    let answered = false
    proxy.pause()
    const answer = ping(proxied.db).then(() => (answered = true))
    await wait(150)
    expect(answered).toBe(false)
    proxy.resume()
    await answer
  })

  it('delays each answer', async () => {
    proxy.delay(100)
    const began = performance.now()
    await ping(proxied.db)
    // Timers may fire up to a millisecond early.
    expect(performance.now() - began).toBeGreaterThan(98)
  })

  it('lets a request through and drops its answer', async () => {
    proxy.dropResponses()
    const insertion = expect(proxied.db.collection('things').insertOne({ a: 1 })).rejects.toThrow(
      /ECONNRESET/,
    )
    await expect.poll(seenDirectly).toBe(1)
    proxy.cut()
    await insertion
    await proxy.restore()
    await expect.poll(() => ping(proxied.db)).toBe(1)
  })

  it('lets a request through and holds its answer until resumed', async () => {
    proxy.holdAnswers()
    let answered = false
    const insertion = proxied.db
      .collection('things')
      .insertOne({ a: 1 })
      .then(() => (answered = true))
    await expect.poll(() => proxy.holdsAnswer('electionId')).toBe(true)
    expect([await seenDirectly(), answered]).toEqual([1, false])
    proxy.resume()
    await insertion
    expect(proxy.holdsAnswer('electionId')).toBe(false)
  })

  const seenDirectly = () => direct.db.collection('things').countDocuments()
})

describe('held deadlines', () => {
  it('do not pass by themselves, and can be made to pass until an answer arrives', async () => {
    const never = withDeadline(20, () => new Promise<never>(() => undefined)).catch(() => 'over')
    let isOver = false
    void never.then(() => (isOver = true))
    deadlines.pass(19)
    // By the machine's own clock it would be over.
    await wait(60)
    expect(isOver).toBe(false)
    const { answer, passedMs } = await deadlines.passUntil(never)
    expect(answer).toBe('over')
    // A machine that stands still adds some steps.
    expect(passedMs).toBeLessThanOrEqual(60)
  })
})

describe('the manual clock', () => {
  it('stands still, and advances both clocks', () => {
    const clock = createManualClock()
    const monotonic = clock.monotonic()
    expect(clock.now()).toBe(1_800_000_000_000)
    clock.advance(1500)
    expect(clock.now()).toBe(1_800_000_001_500)
    expect(clock.monotonic() - monotonic).toBe(1500)
  })

  it('jumps the wall clock alone', () => {
    const clock = createManualClock(5000)
    const monotonic = clock.monotonic()
    clock.setWall(1000)
    expect(clock.now()).toBe(1000)
    expect(clock.monotonic()).toBe(monotonic)
  })
})

async function ping(db: Db): Promise<unknown> {
  return (await db.command({ ping: 1 }))['ok']
}
