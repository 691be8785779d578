import assert from 'node:assert/strict'
import express from 'express'
import type { Request } from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import 'express-custom-user-data/global'
import { MongoClient } from 'mongodb'
import { z } from 'zod'
import { Profile } from './profile.js'
import { loginAndReadMe, MONGODB_DATABASE, MONGODB_URI, PATIENT } from './visit.js'

const client = new MongoClient(MONGODB_URI)
const collection = client.db(MONGODB_DATABASE).collection('custom_user_data')
const address = { city: 'Bern', lines: ['Gasse 1'] }
await collection.insertOne({ userId: 'alice', address, memberSince: new Date('2020-02-29T12:00:00Z') })

const options = {
  collection,
  secret: 'a secret of a consumer, 32 bytes or more',
  issuer: 'https://issuer.example.com',
  audience: 'https://api.example.com',
  schema: Profile,
  ...PATIENT,
}
// The schema alone gives the type; without a document, every field is missing.
const lenient = createCustomUserData(options)
// Handlers never see a user without a document, so every field is there.
const userData = createCustomUserData({ ...options, requireDocument: true })

// The schema says the type, also where the collection has another.
const counts = createCustomUserData({
  ...options,
  collection: client.db(MONGODB_DATABASE).collection<{ count: number }>('counts'),
  schema: z.object({ count: z.number().transform(BigInt) }),
})
const countOf = (req: Request): bigint | undefined => counts.user(req).customData.count
assert.throws(() => countOf({} as Request))

const app = express()
app.post(
  '/login',
  userData.login(({ username }) => (typeof username === 'string' ? { id: username } : null)),
)
app.use(userData.authenticate())
app.get('/me', (req, res) => {
  const { customData } = userData.user(req)
  const language: 'de' | 'fr' = customData.language
  const lines: readonly string[] = customData.address.lines
  const year: number = customData.memberSince.getUTCFullYear()
  const city: string | undefined = lenient.user(req).customData.address?.city
  // Typed by what is merged into the package's interface, requireDocument included.
  const userId: string | undefined = req.user?.customData.userId
  res.json({ userId, language, lines, year, city })
})
app.use(userData.errorHandler())

const me = await loginAndReadMe(app, 'alice')
assert.deepEqual(me, { userId: 'alice', language: 'fr', lines: ['Gasse 1'], year: 2020, city: 'Bern' })

await lenient.close()
await counts.close()
await userData.close()
await client.close()
