import { randomBytes } from 'node:crypto'
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import type { Db } from 'mongodb'
import { z } from 'zod'
import { serveExample } from '../support/serve-example.js'

const settings = z.object({
  language: z.enum(['de', 'en', 'es', 'fr']),
  timezone: z.string().max(64).optional(),
})

serveExample('own_data_example', createApp)

async function createApp(db: Db): Promise<express.Express> {
  const userData = createCustomUserData({
    collection: db.collection('custom_user_data'),
    secret: randomBytes(32),
    issuer: 'https://auth.example.com',
    audience: 'https://api.example.com',
  })
  await userData.ready()

  const app = express()
  app.post('/login', userData.login(userData.passwordCredentials({ collection: db.collection('users') })))
  app.use(userData.authenticate())
  app.get('/me', (req, res) => res.json(userData.user(req).customData))
  app.use('/me/settings', userData.ownData({ schema: settings, upsert: true }))
  app.use(userData.errorHandler())
  return app
}
