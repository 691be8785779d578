import { hashPassword } from 'express-custom-user-data'
import type { Collection, Db, ObjectId } from 'mongodb'
import type { Profile } from './profile.js'

/** Who may log in, as `passwordCredentials()` looks for them. */
export interface UserAccount {
  _id: ObjectId
  email: string
  /** A PHC string, made by `hashPassword`. */
  passwordHash: string
}

/** The password of every user that is seeded. */
export const PASSWORD = 'correct horse battery staple'

/** Carol has no document on purpose. */
const EMAILS = ['alice@example.com', 'bob@example.com', 'carol@example.com']

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

/** Fills `users` and `custom_user_data`, each only where it is empty. */
export async function seed(db: Db): Promise<void> {
  const users = db.collection<UserAccount>('users')
  await seedUsers(users)
  await seedProfiles(users, db.collection<Profile & { _id: ObjectId }>('custom_user_data'))
}

async function seedUsers(users: Collection<UserAccount>): Promise<void> {
  if (!(await isEmpty(users))) return
  // Each login looks for an email, and of two servers that start at once only one can seed.
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
    // The _id is the user's for the same reason as above; the package looks at userId alone.
    if (user) documents.push({ _id: user._id, userId: user._id.toHexString(), ...profile })
  }
  if (documents.length > 0) await profiles.insertMany(documents)
}

async function isEmpty<T extends object>(collection: Collection<T>): Promise<boolean> {
  return (await collection.findOne({}, { projection: { _id: 1 } })) === null
}
