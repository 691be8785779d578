import { randomBytes } from 'node:crypto'
import express from 'express'
import { createCustomUserData, hashPassword } from 'express-custom-user-data'
import { MongoClient } from 'mongodb'

const client = new MongoClient(process.env.MONGODB_URI ?? 'mongodb://127.0.0.1:27017/javascript_example')
const db = client.db()
const users = db.collection('users')

const passwordHash = await hashPassword('correct horse battery staple')
await users.updateOne({ email: 'alice@example.com' }, { $setOnInsert: { passwordHash } }, { upsert: true })
const { _id } = await users.findOne({ email: 'alice@example.com' })
const documents = db.collection('custom_user_data')
await documents.updateOne(
  { userId: _id.toHexString() },
  { $setOnInsert: { language: 'en' } },
  { upsert: true },
)

const userData = createCustomUserData({
  collection: documents,
  secret: randomBytes(32),
  issuer: 'https://auth.example.com',
  audience: 'https://api.example.com',
})
await userData.ready()

const app = express()
app.post('/login', userData.login(userData.passwordCredentials({ collection: users })))
app.use(userData.authenticate())
app.get('/me', (req, res) => res.json(req.user.customData))
app.use(userData.errorHandler())

const server = app.listen(process.env.PORT ?? 3000, '127.0.0.1', error => {
  if (error) throw error
  console.log(`Listening on http://127.0.0.1:${server.address().port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close(async () => {
      await userData.close()
      await client.close()
    })
    server.closeAllConnections()
  })
}
