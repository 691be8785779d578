import assert from 'node:assert/strict'
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import type { CollectionLike } from 'express-custom-user-data'
import { createAppServices } from 'express-custom-user-data/app-services'
import { BSON } from 'mongodb'
import mongoose from 'mongoose'
import { APP_ID, loginAndReadMe, logInAnonymously, MONGODB_DATABASE, MONGODB_URI, PATIENT } from './visit.js'

interface Profile {
  userId: mongoose.Types.ObjectId
  language: string
}

const schema = new mongoose.Schema<Profile>({
  userId: { type: mongoose.Schema.Types.ObjectId, required: true },
  language: { type: String, required: true },
})
const ProfileModel = mongoose.model('Profile', schema, 'custom_user_data')

// Made before there is a connection, as an app's modules do.
const byConnection = createApp(mongoose.connection.collection('custom_user_data'))
const byModel = createApp(ProfileModel.collection)

// The driver that this package resolves is not the driver of the app, and each refuses the values of the other.
assert.notEqual(mongoose.mongo.BSON.ObjectId, BSON.ObjectId)

// Asked before there is a database to ask: it waits for one.
const ready = Promise.all([byConnection.userData.ready(), byModel.userData.ready()])
await mongoose.connect(MONGODB_URI, { dbName: MONGODB_DATABASE })
await ready

const userId = new mongoose.Types.ObjectId()
await ProfileModel.create({ userId, language: 'de' })

const afterwards = createApp(mongoose.connection.collection('custom_user_data'))
for (const { app, userData } of [byConnection, byModel, afterwards]) {
  const me = await loginAndReadMe(app, userId.toHexString())
  assert.deepEqual(me, { id: userId.toHexString(), userId: userId.toHexString(), language: 'de' })
  const service = createAppServices({
    userData,
    database: () => mongoose.connection,
    appId: APP_ID,
    hostname: 'https://api.example.com/realm',
    providers: { anonymous: true },
  })
  assert.match(await logInAnonymously(express().use('/realm', service.router())), /^[0-9a-f]{24}$/)
  await userData.close()
}

// The types of a model's collection do not tell its documents, so the call names them.
const direct = createCustomUserData<Profile>({ collection: ProfileModel.collection })
const read = await direct.forUser(userId.toHexString()).read()
const language: string | undefined = read?.language
assert.equal(language, 'de')
// Without a name the fields are unknown, and nothing is refused.
const unnamed = createCustomUserData({ collection: ProfileModel.collection })
const unknown: unknown = (await unnamed.forUser(userId.toHexString()).read())?.['language']
assert.equal(unknown, 'de')

await mongoose.disconnect()

function createApp(collection: CollectionLike) {
  const userData = createCustomUserData<Profile>({
    collection,
    secret: 'a secret of a consumer, 32 bytes or more',
    issuer: 'https://issuer.example.com',
    userDataInToken: 'canonical',
    audience: 'https://api.example.com',
    ...PATIENT,
  })
  const app = express()
  app.post(
    '/login',
    userData.login(({ username }) => (typeof username === 'string' ? { id: username } : null)),
  )
  app.use(userData.authenticate())
  app.get('/me', (req, res) => {
    const { id, customData } = userData.user(req)
    const userId: mongoose.Types.ObjectId | undefined = customData.userId
    res.json({ id, userId, language: customData.language })
  })
  app.use(userData.errorHandler())
  return { app, userData }
}
