import { randomBytes } from 'node:crypto'
import cors from 'cors'
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import type { Db } from 'mongodb'

/** Creates the API, which pages of another origin call. */
export async function createApi(db: Db, pageOrigin: string): Promise<express.Express> {
  const userData = createCustomUserData({
    collection: db.collection('custom_user_data'),
    secret: randomBytes(32),
    issuer: 'https://auth.example.com',
    audience: 'https://api.example.com',
    // The refresh token is in a cookie that no script can read. The routes take it only from these pages.
    refreshTokenTransport: 'cookie',
    allowedOrigins: [pageOrigin],
  })
  await userData.ready()

  const app = express()
  // 1. CORS comes first. A browser asks by OPTIONS without a token, and scripts must be able to read refusals too.
  app.use(
    cors({
      origin: pageOrigin, // never '*' or true: these answers are for users who are logged in
      credentials: true, // the refresh cookie
      exposedHeaders: ['ETag', 'Retry-After', 'WWW-Authenticate'], // scripts can read no others of these answers
    }),
  )
  // 2. The routes that need no access token.
  app.post('/login', userData.login(userData.passwordCredentials({ collection: db.collection('users') })))
  app.post('/refresh', userData.refresh())
  app.post('/logout', userData.logout())
  // 3. The guard, and the routes behind it.
  app.use(userData.authenticate())
  app.use('/me/settings', userData.ownData({ fields: ['language'], upsert: true }))
  app.use(userData.errorHandler())
  return app
}
