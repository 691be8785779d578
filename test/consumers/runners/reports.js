const { once } = require('node:events')
const express = require('express')
const { asUser, createTestClock, createTestUserData, tokenFor } = require('express-custom-user-data/testing')

const HALF_HOUR_MS = 30 * 60 * 1000

/** Asks a guarded route without MongoDB: by a token, by a user who is signed in, and after the token has expired. */
exports.readReports = async function readReports() {
  const clock = createTestClock()
  const userData = createTestUserData({ documents: { alice: { plan: 'pro', tags: ['a'] } }, clock })
  const token = await tokenFor(userData, 'alice')
  const byToken = await ask(userData, [userData.authenticate()], token)
  const bySignIn = await ask(userData, [asUser(userData, 'bob', { plan: 'pro', tags: [] })])
  clock.advance(HALF_HOUR_MS + 60_000)
  const expired = await ask(userData, [userData.authenticate()], token)
  return [byToken, bySignIn, expired]
}

/** What {@link readReports} resolves to. */
exports.REPORTS = [{ id: 'alice', tags: ['a'] }, { id: 'bob', tags: [] }, { code: 'invalid_token' }]

async function ask(userData, guards, token) {
  const app = express()
  app.use(...guards)
  app.use(userData.allow(user => user.customData.plan === 'pro', { maxAgeMs: 0 }))
  app.get('/', (req, res) => res.json({ id: req.user.id, tags: req.user.customData.tags }))
  app.use((error, _req, res, _next) => res.status(error.status).json({ code: error.code }))
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` }
    const answer = await fetch(`http://127.0.0.1:${server.address().port}/`, { headers })
    return await answer.json()
  } finally {
    server.close()
    server.closeAllConnections()
  }
}
