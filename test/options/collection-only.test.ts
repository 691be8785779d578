import express from 'express'
import { createCustomUserData, OptionError } from 'express-custom-user-data'
import request from 'supertest'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'

const database = useDatabase()
let userData: ReturnType<typeof createCustomUserData>
beforeEach(() => {
  userData = createCustomUserData({ collection: database.db.collection('custom_user_data') })
})
afterEach(() => userData.close())

it('an instance with a collection alone adds custom data behind the guard of an app', async () => {
  await database.db.collection('custom_user_data').insertOne({ userId: 'alice', plan: 'gold' })
  await userData.ready()
  const app = express()
  app.use((req, _res, next) => {
    Object.assign(req, { user: { id: 'alice' } })
    next()
  }, userData.attach())
  app.get('/me', (req, res) => res.json(userData.user(req).customData))
  const { body } = await request(app).get('/me').auth('a token of the app', { type: 'bearer' })
  expect(body).toMatchObject({ plan: 'gold' })
})

it.each<[string, () => unknown]>([
  ['authenticate()', () => userData.authenticate()],
  ['strategy()', () => userData.strategy()],
  ['verifyToken()', () => userData.verifyToken('a')],
])('such an instance refuses %s, and says what it needs', async (name, call) => {
  const called = async (): Promise<unknown> => call()
  await expect(called()).rejects.toThrow(OptionError)
  await expect(called()).rejects.toThrow(
    `${name} needs to know whose access tokens it accepts: give "secret" or`,
  )
})

it('such an instance writes the document of a user', async () => {
  await userData.forUser('bob').update({ plan: 'free' }, { upsert: true })
  expect(await userData.forUser('bob').read()).toMatchObject({ plan: 'free' })
})

it('with an empty list of trusted issuers an instance accepts no token, until an issuer is added', async () => {
  const tenants = createCustomUserData({
    collection: database.db.collection('custom_user_data'),
    trustedIssuers: [],
  })
  const app = express().use(tenants.authenticate(), tenants.errorHandler())
  expect((await request(app).get('/').auth('a.b.c', { type: 'bearer' })).status).toBe(401)
  await tenants.close()
})
