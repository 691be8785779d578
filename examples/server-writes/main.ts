import { randomBytes } from 'node:crypto'
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import type { Db } from 'mongodb'
import { serveExample } from '../support/serve-example.js'

interface Account {
  userId: string
  plan: 'free' | 'paid'
  reports: number
}

serveExample('server_writes_example', createApp)

async function createApp(db: Db): Promise<express.Express> {
  const userData = createCustomUserData<Account>({
    collection: db.collection('custom_user_data'),
    secret: randomBytes(32),
    issuer: 'https://auth.example.com',
    audience: 'https://api.example.com',
    hooks: { createCustomData: () => ({ plan: 'free', reports: 0 }) },
  })
  await userData.ready()

  const app = express()
  app.post('/login', userData.login(userData.passwordCredentials({ collection: db.collection('users') })))
  app.use(userData.authenticate())
  app.get('/me', (req, res) => res.json(userData.user(req).customData))
  app.post('/reports', async (req, res) => {
    // The token decides whose document is written, and this code decides what is written.
    const account = await userData.forUser(userData.user(req).id).update({ $inc: { reports: 1 } })
    res.status(201).json({ reports: account?.reports })
  })
  app.use(userData.errorHandler())
  return app
}
