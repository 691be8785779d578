import assert from 'node:assert/strict'
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import { createAppServices } from 'express-custom-user-data/app-services'
import { MongoClient } from 'mongodb'
import { APP_ID, loginAndReadMe, logInAnonymously, MONGODB_DATABASE, MONGODB_URI, PATIENT } from './visit.js'

interface Profile {
  userId: string
  language: 'de' | 'fr'
  scores: number[]
}

async function main(): Promise<void> {
  const client = new MongoClient(MONGODB_URI)
  const collection = client.db(MONGODB_DATABASE).collection<Profile>('custom_user_data')
  await collection.insertOne({ userId: 'alice', language: 'de', scores: [1, 2] })

  const userData = createCustomUserData({
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
    const language: 'de' | 'fr' | undefined = customData.language
    const scores: readonly number[] | undefined = customData.scores
    res.json({ id, language, scores })
  })
  app.use(userData.errorHandler())

  assert.deepEqual(await loginAndReadMe(app, 'alice'), { id: 'alice', language: 'de', scores: [1, 2] })

  const service = createAppServices({
    userData: userData,
    database: client.db(MONGODB_DATABASE),
    appId: APP_ID,
    hostname: 'https://api.example.com/realm',
    providers: { anonymous: true },
    functions: { greet: ({ user }, name) => `${String(name)} of ${user.id}` },
    customData: { database: MONGODB_DATABASE, collection: 'custom_user_data', rules: 'read' },
  })
  assert.match(await logInAnonymously(express().use('/realm', service.router())), /^[0-9a-f]{24}$/)

  await userData.close()
  await client.close()
}

void main()
