const { once } = require('node:events')
const express = require('express')
const { createCustomUserData, hashPassword } = require('express-custom-user-data')
const { MongoClient } = require('mongodb')

const { MONGODB_URI, MONGODB_DATABASE } = process.env

/** Starts an app, logs in with a password, and returns what `GET /me` then answers. */
exports.loginAndReadMe = async function loginAndReadMe() {
  const client = new MongoClient(MONGODB_URI)
  const db = client.db(MONGODB_DATABASE)
  const users = db.collection('users')
  const collection = db.collection('custom_user_data')
  const { insertedId } = await users.insertOne({
    email: 'alice@example.com',
    passwordHash: await hashPassword('secret of alice'),
  })
  await collection.insertOne({ userId: insertedId, language: 'de' })

  const userData = createCustomUserData({
    collection,
    secret: 'a secret of a consumer, 32 bytes or more',
    issuer: 'https://issuer.example.com',
    audience: 'https://api.example.com',
    loadTimeoutMs: 20_000,
    sessionTimeoutMs: 20_000,
  })
  const app = express()
  app.post('/login', userData.login(userData.passwordCredentials({ collection: users })))
  app.use(userData.authenticate())
  app.get('/me', (req, res) => res.json({ language: req.user.customData.language }))
  app.use(userData.errorHandler())

  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    return await readMe(`http://127.0.0.1:${server.address().port}`)
  } finally {
    server.close()
    server.closeAllConnections()
    await userData.close()
    await client.close()
  }
}

async function readMe(origin) {
  const login = await fetch(`${origin}/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email: 'alice@example.com', password: 'secret of alice' }),
  })
  const { access_token } = await login.json()
  const me = await fetch(`${origin}/me`, { headers: { Authorization: `Bearer ${access_token}` } })
  return me.json()
}
