import assert from 'node:assert/strict'
import express from 'express'
import type { Request } from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import { createAppServices } from 'express-custom-user-data/app-services'
import { asUser, createTestClock, createTestUserData } from 'express-custom-user-data/testing'
import { MongoClient } from 'mongodb'
import { APP_ID, loginAndReadMe, logInAnonymously, MONGODB_DATABASE, MONGODB_URI, PATIENT } from './visit.js'

interface Profile {
  userId: string
  language: 'de' | 'fr'
  scores: number[]
}

interface Account {
  accountId: number
}

// What apps have: a type of their own for req.user, global or of one kind of request.
declare global {
  namespace Express {
    interface Request {
      user?: Account | { id: string }
    }
  }
}
interface RequestWithAccount extends Request {
  user: Account
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
    hooks: { createCustomData: async ({ id }) => (id === 'bob' ? { language: 'fr' } : undefined) },
    ...PATIENT,
  })

  // Methods and listeners as typescript-eslint's strict rules want them.
  const { user, forUser, ownData } = userData
  userData.events.on('load_failed', async ({ userId }) => {
    await client.db(MONGODB_DATABASE).collection('failures').insertOne({ userId })
  })
  const settings = ownData({ fields: ['language'] })
  await forUser('alice').update({ language: 'fr' })
  await forUser('alice').update({ language: 'de' })

  const app = express()
  app.use((req, _res, next) => {
    req.user = { id: 'of another middleware' }
    next()
  })
  app.get('/account', (req, res) => res.json((req as RequestWithAccount).user.accountId))
  app.post(
    '/login',
    userData.login(({ username }) => (typeof username === 'string' ? { id: username } : null)),
  )
  app.use(userData.authenticate())
  app.use('/settings', settings)
  app.get('/me', (req, res) => {
    const { id, customData } = user(req)
    const language: 'de' | 'fr' | undefined = customData.language
    const scores: readonly number[] | undefined = userData.userIfAny(req)?.customData.scores
    res.json({ id, language, scores })
  })
  app.use(userData.errorHandler())

  assert.deepEqual(await loginAndReadMe(app, 'alice'), { id: 'alice', language: 'de', scores: [1, 2] })

  const testUserData = createTestUserData<Profile>({
    documents: { alice: { language: 'de' } },
    clock: createTestClock(),
  })
  express().use(asUser(testUserData, 'alice', { language: 'fr' }))
  const read = await testUserData.forUser('alice').read()
  const testLanguage: 'de' | 'fr' | undefined = read?.language
  assert.equal(testLanguage, 'fr')

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
