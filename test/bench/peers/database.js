// What every server and every job reads from.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

// The one that the package itself finds, as in every app: with another copy it could not decode by itself.
const { resolve } = createRequire(new URL('../../../package.json', import.meta.url))
const { BSON, MongoClient, ObjectId } = await import(pathToFileURL(resolve('mongodb')).href)

/** How many users have a document; ids are `user-0`, `user-1`… */
export const USERS = 50
const DOCUMENT_BYTES = 472

export const userIdOf = index => `user-${index}`

/** A connected client, with pings done, as an app has it by the time of its first request. */
export async function connect({ mongoUri, database, ...options }) {
  const client = await MongoClient.connect(mongoUri, options)
  const db = client.db(database)
  await db.command({ ping: 1 })
  return { client, db, profiles: db.collection('custom_user_data') }
}

/** A user's document of exactly 472 bytes of BSON. */
export function createProfile(userId) {
  const profile = {
    _id: new ObjectId(),
    userId,
    language: 'en',
    displayName: 'A name of average length',
    joinedAt: new Date(1_700_000_000_000),
    plan: { name: 'gold', seats: 12, renewsAt: new Date(1_800_000_000_000) },
    roles: ['editor', 'reviewer', 'billing'],
    preferences: { theme: 'dark', newsletter: false, timeZone: 'Europe/Vienna' },
    bio: '',
  }
  profile.bio = 'x'.repeat(DOCUMENT_BYTES - BSON.calculateObjectSize(profile))
  return profile
}

/** Puts the users' documents into an empty database, with the index that every team would have. */
export async function seed(db, users = USERS) {
  const profiles = db.collection('custom_user_data')
  await profiles.createIndex({ userId: 1 }, { collation: { locale: 'simple' } })
  for (let from = 0; from < users; from += 10_000) {
    const count = Math.min(10_000, users - from)
    await profiles.insertMany(
      Array.from({ length: count }, (_, index) => createProfile(userIdOf(from + index))),
    )
  }
}
