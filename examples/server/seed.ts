import { hashPassword } from 'express-custom-user-data'
import type { Collection, Db, ObjectId } from 'mongodb'
import type { Profile } from './profile.js'

/** A user who may log in, in the form that `passwordCredentials()` expects. */
export interface UserAccount {
  _id: ObjectId
  email: string
  /** A PHC string, made by `hashPassword`. */
  passwordHash: string
}

/** The password of every example user. */
export const PASSWORD = 'correct horse battery staple'

/** Carol has no document, to show what handlers get then. */
export const EMAILS = ['alice@example.com', 'bob@example.com', 'carol@example.com']

const PROFILES: ({ email: string } & Omit<Profile, 'userId'>)[] = [
  {
    email: 'alice@example.com',
    language: 'en',
    timezone: 'Europe/London',
    dateOfBirth: new Date('1990-12-10'),
    role: 'member',
  },
  { email: 'bob@example.com', language: 'fr', role: 'admin' },
]

/** Fills `users` and `custom_user_data`, each only if it is empty. */
export async function seed(db: Db): Promise<void> {
  const users = db.collection<UserAccount>('users')
  await seedUsers(users)
  await seedProfiles(users, db.collection<Profile & { _id: ObjectId }>('custom_user_data'))
}

async function seedUsers(users: Collection<UserAccount>): Promise<void> {
  if (!(await isEmpty(users))) return
  // Each login searches by email. With two servers that start at the same time, only one insert succeeds.
  await users.createIndexes([{ key: { email: 1 }, unique: true }])
  const accounts = EMAILS.map(async email => ({ email, passwordHash: await hashPassword(PASSWORD) }))
  await users.insertMany((await Promise.all(accounts)) as UserAccount[])
}

async function seedProfiles(
  users: Collection<UserAccount>,
  profiles: Collection<Profile & { _id: ObjectId }>,
): Promise<void> {
  if (!(await isEmpty(profiles))) return
  const documents = []
  for (const { email, ...profile } of PROFILES) {
    const user = await users.findOne({ email })
    // The _id is the user's, so that only one of two servers inserts the document. The package uses userId only.
    if (user) documents.push({ _id: user._id, userId: user._id.toHexString(), ...profile })
  }
  if (documents.length > 0) await profiles.insertMany(documents)
}

async function isEmpty<T extends object>(collection: Collection<T>): Promise<boolean> {
  return (await collection.findOne({}, { projection: { _id: 1 } })) === null
}
