import express from 'express'
import type { Express, RequestHandler } from 'express'
import type { Db } from 'mongodb'
import { createTestUserData } from '../support/user-data.js'
import type { AttackContext } from './context.js'

/**
 * Creates an app with this package. `/` has the default guard, and `/anywhere` also reads tokens from the query and
 * forms.
 */
export async function createGuardedApp(db: Db, { kid, alg, key }: AttackContext): Promise<Express> {
  const options = { keys: [{ kid, alg, key }] }
  const userData = createTestUserData({ db }, options)
  const tokenPlaces = { query: 'access_token', form: 'access_token' }
  const anywhere = createTestUserData({ db }, { ...options, tokenPlaces })
  await userData.ready()
  const app = express()
  app.use(express.urlencoded({ extended: false }))
  app.use('/anywhere', anywhere.authenticate(), sendUser)
  app.use(userData.authenticate(), sendUser)
  app.use(userData.errorHandler())
  return app
}

const sendUser: RequestHandler = (req, res) => {
  res.json(req.user)
}
