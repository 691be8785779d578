import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import type { Db } from 'mongodb'
import passport from 'passport'
import { serveExample } from '../support/serve-example.js'
import { createTeamStrategy, issueTeamToken, requireTeamToken, teamUser } from './existing-app.js'

serveExample('behind_passport_jwt_example', createApp)

async function createApp(db: Db): Promise<express.Express> {
  // The collection is all, because this app has a guard of its own.
  const userData = createCustomUserData({ collection: db.collection('custom_user_data') })
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
