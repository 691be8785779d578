import { afterAll, beforeAll } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createTestUserData, forgeToken, SECRET, validClaims } from '../support/user-data.js'

/** An instance of the tests. */
export type TestUserData = ReturnType<typeof createTestUserData>

/** Every user of these tests is this one. */
export const ALICE = { id: 'alice', customData: { plan: 'free' } }

/** Gives an app its own instance, over a database that has the custom data of {@link ALICE}. */
export function useAlice(): () => TestUserData {
  const database = useDatabase()
  const instances: TestUserData[] = []
  beforeAll(async () => {
    await database.db.collection('custom_user_data').insertOne({ userId: ALICE.id, ...ALICE.customData })
  })
  afterAll(async () => {
    await Promise.all(instances.map(instance => instance.close()))
  })
  return () => {
    const instance = createTestUserData(database, { projection: { _id: 0, userId: 0 } })
    instances.push(instance)
    return instance
  }
}

/** A token of {@link ALICE} that no snapshot is cached for. */
export function tokenOfAlice(): string {
  return forgeToken({ claims: validClaims(ALICE.id) })
}

/** A token whose signature is wrong. */
export function forgedToken(): string {
  return forgeToken({ claims: validClaims(ALICE.id), secret: `another ${SECRET}` })
}

/** The challenge to a request that presents no token. */
export const CHALLENGE = 'Bearer realm="api"'
