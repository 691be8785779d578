import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import type { Db } from 'mongodb'
import { serveExample } from '../support/serve-example.js'
import { createSessions, logIn, logOut, requireLogin } from './existing-app.js'

serveExample('behind_express_session_example', createApp)

async function createApp(db: Db): Promise<express.Express> {
  // The collection is all, because this app has a guard of its own.
  const userData = createCustomUserData({ collection: db.collection('custom_user_data') })
  await userData.ready()

  // Without passport attach() cannot know that the session signed the user in, so boundTo names the session. Otherwise an
  // Authorization header of the client would count.
  const attachCustomData = userData.attach({ boundTo: req => req.sessionID })

  const app = express()
  app.use(createSessions())
  app.post('/login', logIn(userData.passwordCredentials({ collection: db.collection('users') })))
  app.post('/logout', logOut)
  app.use(requireLogin, attachCustomData)
  app.get('/me', (req, res) => res.json(req.user))
  app.use(userData.errorHandler())
  return app
}
