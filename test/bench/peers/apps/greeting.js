import express from 'express'
import { USERS, userIdOf } from '../database.js'
import { signToken } from '../tokens.js'

/** An app whose route `/` answers with one field of the user's data: the same bytes whoever found it. */
export function createGreetingApp(languageOf, ...middleware) {
  const app = express()
  for (const use of middleware) app.use(use)
  app.get('/', (req, res) => res.json({ language: languageOf(req) }))
  return app
}

/** The headers of each user's requests, with a token of their own. */
export function bearerHeaders(keys, users = USERS) {
  return Array.from({ length: users }, (_, index) => ({
    authorization: `Bearer ${signToken(keys, userIdOf(index))}`,
  }))
}
