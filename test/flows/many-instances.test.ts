import type { MongoClient } from 'mongodb'
import { expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { memoryInUse } from '../support/heap.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()

/** The driver's sessions: those in use, and those that it keeps for later operations of the whole app. */
function sessionsOf(client: MongoClient): { inUse: number; kept: number } {
  const { s } = client as unknown as {
    s: { activeSessions: Set<unknown>; sessionPool: { sessions: { length: number } } }
  }
  return { inUse: s.activeSessions.size, kept: s.sessionPool.sessions.length }
}

async function useAndClose(count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const userData = createTestUserData(database, { changeStreams: 'auto' })
    await userData.ready()
    const { access_token: token } = await userData.issueTokens('alice')
    await userData.verifyToken(token)
    await userData.close()
  }
}

it('100 instances that were made and closed leave no session of the driver in use, nor more that are kept', async () => {
  // Compiled code grows by 2 MB until every function has run often enough, and then no longer.
  await useAndClose(100)
  await expect.poll(() => sessionsOf(database.client).inUse).toBe(0)
  const { kept } = sessionsOf(database.client)
  database.commands.clear()
  const before = await memoryInUse()
  await useAndClose(100)
  await expect.poll(() => sessionsOf(database.client).inUse).toBe(0)
  expect(sessionsOf(database.client).kept).toBeLessThan(kept + 10)
  database.commands.clear()
  expect((await memoryInUse()) - before).toBeLessThan(100 * 10_000)
}, 120_000)
