import { randomBytes } from 'node:crypto'
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import type { Db } from 'mongodb'
import { serveExample } from '../support/serve-example.js'

serveExample('minimal_example', createApp)

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
  app.use(userData.errorHandler())
  return app
}
