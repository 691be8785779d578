import { randomBytes } from 'node:crypto'
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import type { Db } from 'mongodb'
import passport from 'passport'
import { serveExample } from '../support/serve-example.js'
import { createTeamStrategy, issueTeamToken, requireTeamToken, teamUser } from './existing-app.js'

serveExample('behind_passport_jwt_example', createApp)

async function createApp(db: Db): Promise<express.Express> {
  const userData = createCustomUserData({
    collection: db.collection('custom_user_data'),
    // Required, but not used here, because this app issues its own tokens.
    secret: randomBytes(32),
    issuer: 'https://auth.example.com',
    audience: 'https://api.example.com',
  })
  await userData.ready()

  const attachCustomData = userData.attach({
    userId: req => teamUser(req).accountId,
    expiresAt: req => teamUser(req).tokenExpiresAt * 1000,
  })

  passport.use(createTeamStrategy(db.collection('users')))
  const app = express()
  app.post('/tokens/:email', issueTeamToken(db.collection('users')))
  app.use(requireTeamToken(), attachCustomData)
  app.get('/me', (req, res) => res.json(req.user))
  app.use(userData.errorHandler())
  return app
}
