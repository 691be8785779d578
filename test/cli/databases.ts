/** Databases for the tests of the command `doctor`: a healthy one, and one with every fault. */
import { createHash } from 'node:crypto'
import { hash } from '@node-rs/argon2'
import bcrypt from 'bcryptjs'
import { Int32, ObjectId } from 'mongodb'
import type { Db } from 'mongodb'
import { createCustomUserData, hashPassword } from 'express-custom-user-data'

/** The same digits as a text and as an ObjectId are the same user id. */
const HEX = '64b7f3a1c2d4e5f601234567'
const PASSWORD = 'correct horse battery staple'
/** What `--max-document-bytes` says in the tests. */
export const MAX_BYTES = 64 * 1024

/** Fills a database in which `doctor` finds nothing to mend, with the indexes that `ready()` makes. */
export async function fillHealthy(db: Db): Promise<void> {
  await db
    .collection('custom_user_data')
    .insertMany(Array.from({ length: 40 }, (_user, n) => ({ userId: `user-${n}`, language: 'en' })))
  const userData = createCustomUserData({
    collection: db.collection('custom_user_data'),
    secret: 'a secret of the tests, 32 bytes or more',
    issuer: 'https://auth.example.com',
    audience: 'https://api.example.com',
    readyTimeoutMs: 60_000,
  })
  await userData.ready()
  await userData.close()
  const users = db.collection('users')
  await users.createIndexes([{ key: { email: 1 }, name: 'email', unique: true }])
  await users.insertMany([
    { email: 'alice@example.com', passwordHash: await hashPassword(PASSWORD) },
    { email: 'bob@example.com', passwordHash: await bcrypt.hash(PASSWORD, 10) },
  ])
}

/** Fills a database that has every fault that `doctor` looks for in documents. */
export async function fillBroken(db: Db): Promise<void> {
  await db
    .collection('custom_user_data')
    .insertMany([
      ...Array.from({ length: 30 }, (_user, n) => ({ userId: `user-${n}`, language: 'en' })),
      { userId: 'alice', n: 1 },
      { userId: 'alice', n: 2 },
      { userId: HEX },
      { userId: new ObjectId(HEX) },
      { userId: new ObjectId() },
      { userId: new Int32(7) },
      { userId: new Int32(8) },
      { userId: ['bob', 'eve'] },
      { userId: null },
      { userId: '' },
      { language: 'de' },
      { _id: 'large' as never, userId: 'carol', notes: 'x'.repeat(MAX_BYTES) },
      { _id: 'larger' as never, userId: 'dave', notes: 'x'.repeat(3 * MAX_BYTES) },
    ])
  // As an app does that stores its sessions under the name that this package uses.
  await db.collection('custom_user_data_sessions').insertOne({ session: {} })
  const weak = { memoryCost: 4_096, timeCost: 1, parallelism: 1 }
  await db
    .collection('users')
    .insertMany([
      { email: 'Alice@Example.com', passwordHash: await hashPassword(PASSWORD) },
      { email: 'bob@example.com', passwordHash: await hash(PASSWORD, weak) },
      { email: 'carol@example.com', passwordHash: await bcrypt.hash(PASSWORD, 6) },
      { email: 'dave@example.com', passwordHash: createHash('md5').update(PASSWORD).digest('hex') },
      { email: 'eve@example.com', passwordHash: PASSWORD },
      { email: 'frank@example.com' },
    ])
}
