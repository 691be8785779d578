import assert from 'node:assert/strict'
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import type { WriteCounts } from 'express-custom-user-data'
import 'express-custom-user-data/global'
import { asUser, createTestUserData, tokenFor } from 'express-custom-user-data/testing'
import { MongoClient } from 'mongodb'
import type { Profile } from './profile.js'
import { loginAndReadMe, MONGODB_DATABASE, MONGODB_URI, PATIENT } from './visit.js'

const client = new MongoClient(MONGODB_URI)
const collection = client.db(MONGODB_DATABASE).collection<Profile>('custom_user_data')
const memberSince = new Date('2020-02-29T12:00:00Z')
await client
  .db(MONGODB_DATABASE)
  .collection('custom_user_data')
  .insertOne({ userId: 'alice', language: 'de', address: { city: 'Bern', lines: ['Gasse 1'] }, memberSince })

/** The value of a setting that the app does not have. */
const unset = undefined

const userData = createCustomUserData({
  collection,
  secret: 'a secret of a consumer, 32 bytes or more',
  issuer: 'https://issuer.example.com',
  audience: 'https://api.example.com',
  ...PATIENT,
  hooks: { beforeLogin: unset, createCustomData: unset, afterLogin: unset, afterDelete: unset },
})

const app = express()
app.post(
  '/login',
  userData.login(({ username }) => (typeof username === 'string' ? { id: username } : null)),
)
app.use(userData.authenticate({ maxAgeMs: unset, optional: unset }))
app.get('/me', (req, res) => {
  // Typed by Profile being merged into the package's interface, far away from here; partial, as a user may have no document.
  const language: 'de' | 'fr' | undefined = req.user?.customData.language
  const city: string | undefined = req.user?.customData.address?.city
  const memberSince: Date | undefined = req.user?.customData.memberSince
  const id: string | undefined = req.user?.id
  const expiresAt: number | undefined = req.user?.claims.exp
  res.json({ id, language, city, year: memberSince?.getUTCFullYear(), expires: typeof expiresAt })
})
app.use(userData.errorHandler())

const me = await loginAndReadMe(app, 'alice')
assert.deepEqual(me, { id: 'alice', language: 'de', city: 'Bern', year: 2020, expires: 'number' })

const testUserData = createTestUserData<Profile>({ documents: { alice: { language: 'de', memberSince } } })
const { customData } = await testUserData.verifyToken(await tokenFor(testUserData, 'alice'))
const testLanguage: 'de' | 'fr' | undefined = customData.language
assert.equal(testLanguage, 'de')
assert.deepEqual(customData.memberSince, memberSince)
express().use(asUser(testUserData, 'alice', { language: 'fr' }), asUser('bob'), asUser(userData, 'alice'))
const strict = createTestUserData<Profile>({ documents: {}, requireDocument: true })
express().get('/', strict.authenticate(), (req, res) => {
  const city: string = strict.user(req).customData.address.city
  res.json(city)
})
const { access_token } = await userData.issueTokens('alice', { res: unset, address: unset })
assert.equal(typeof access_token, 'string')
const changed = await userData
  .forUser('alice')
  .update({ language: 'fr' }, { upsert: unset, invalidate: unset })
assert.equal(changed?.language, 'fr')
const counts: WriteCounts = await userData
  .forUser('alice')
  .update({ language: 'de' }, { where: { language: 'fr' }, returns: 'counts', arrayFilters: unset })
assert.equal(counts.modifiedCount, 1)
const before = await userData.forUser('alice').replace({ language: 'fr' }, { returns: 'before' })
assert.equal(before?.language, 'de')
const part = await userData.forUser('alice').find({ language: 'fr' }, { projection: { language: 1 } })
assert.equal(part?.['language'], 'fr')
assert.equal((await userData.forUser('alice').find({ language: 'de' }))?.language, undefined)

await userData.close()
await client.close()
