/**
 * One process of a service with several processes. It is JavaScript and uses the built package, because it is started a
 * thousand times. It reads its options from the variable SERVICE, and tells its parent its port.
 */
import bcrypt from 'bcryptjs'
import express from 'express'
import { MongoClient } from 'mongodb'
import { createCustomUserData, CustomUserDataError } from '../../dist/index.mjs'

const { uri, database, options = {}, clientOptions = {} } = JSON.parse(process.env.SERVICE)

let offsetMs = 0
const clock = { now: () => Date.now() + offsetMs, monotonic: () => performance.now() + offsetMs }

const client = new MongoClient(uri, clientOptions)
const db = client.db(database)
const userData = createCustomUserData({
  collection: db.collection('custom_user_data'),
  issuer: 'https://issuer.example.com',
  audience: 'https://api.example.com',
  ...(options.keys ? {} : { secret: 'a secret of the session service, 32 bytes or more' }),
  // Long time limits, so that a busy machine does not look like a MongoDB that is away.
  loadTimeoutMs: 10_000,
  sessionTimeoutMs: 10_000,
  loginThrottle: false,
  // One user stands for many here.
  maxSessionsPerUser: false,
  clock,
  ...options,
})

/** How often each event came. */
const counts = {}
for (const name of ['login', 'login_refused', 'refreshed', 'replayed', 'reuse_detected', 'revoked']) {
  counts[name] = 0
  userData.events.on(name, () => counts[name]++)
}
/** How often a token was answered although its successor was used. */
counts.tolerated = 0
userData.events.on('replayed', ({ successorUsed }) => (counts.tolerated += successorUsed ? 1 : 0))
userData.events.on('warning', () => undefined)

/** Drops the answer after the work is done, like a network that fails. */
function loseAnswer(req, res, next) {
  if (req.headers['x-lose-answer']) res.end = () => req.socket.destroy()
  next()
}

const users = db.collection('users')
const byPassword = userData.passwordCredentials({
  collection: users,
  isRefused: user => user.locked === true,
})

/** Passwords of users of whom some still have bcrypt hashes, with the decoy for unknown users. */
const byEitherHash = decoyHash =>
  userData.passwordCredentials({ collection: users, verifyPassword: bcrypt.compare, decoyHash })
/** Hashes of a random text, with the cost that bcrypt libraries have by default and with that of `hashPassword()`. */
const BCRYPT_DECOY = '$2b$10$oIn7BEBDxlTSeXqahgwvcuC25VgiK3Dq.chVWPXztQYMsH0h8gETO'
const ARGON2_DECOY =
  '$argon2id$v=19$m=19456,t=2,p=1$ezK2UfmBkiJaRvq1ZV9jFQ$K8rnGkHrUzafpkmYDb/VBZI5pDDwXT3tGih8hLoNXsM'

const app = express()
  .use(loseAnswer)
  .post(
    '/login',
    userData.login(({ user }) => (user ? { id: user } : null)),
  )
  .post('/password', userData.login(byPassword))
  .post('/bcrypt', userData.login(byEitherHash(BCRYPT_DECOY)))
  .post('/bcrypt-late', userData.login(byEitherHash(ARGON2_DECOY)))
  .post('/refresh', userData.refresh())
  .post('/logout', userData.logout())
  .post('/revoke', express.json(), (req, res, next) => {
    userData.revoke(req.body.user).then(() => res.status(204).end(), next)
  })
  .post('/disable', express.json(), (req, res, next) => {
    userData.disable(req.body.user).then(() => res.status(204).end(), next)
  })
  .get('/counts', (_req, res) => res.json(counts))
  .post('/advance', express.json(), (req, res) => {
    offsetMs += req.body.ms
    res.status(204).end()
  })
  .use(userData.authenticate())
  .get('/me', (req, res) => res.json(req.user.id))
  .use((error, _req, res, next) => {
    if (!(error instanceof CustomUserDataError)) console.error(error)
    next(error)
  })
  .use(userData.errorHandler())

await client.connect()
await userData.ready()
// With the default the server might close a connection just when a client reuses it.
const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
server.keepAliveTimeout = 0
process.on('disconnect', () => process.exit())
