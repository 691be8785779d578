import request from 'supertest'
import { expect, it } from 'vitest'
import { startExample } from '../support/run-example.js'

const MAIN = 'behind-express-session/main.ts'
const PASSWORD = 'correct horse battery staple'

it('adds customData for the user of the login session, and ends on SIGTERM', async () => {
  const { url, db, example } = await startExample(MAIN)
  const user = await db.collection('users').findOne({ email: 'alice@example.com' })
  const browser = request.agent(url)
  await logIn(browser, 'alice@example.com')
  expect((await browser.get('/me')).body).toEqual({
    id: user!._id.toHexString(),
    customData: expect.objectContaining({ language: 'en', timezone: 'Europe/London' }),
  })
  const { exitCode, ms } = await example.stop()
  expect(exitCode).toBe(0)
  expect(ms).toBeLessThan(5_000)
})

it('keeps the snapshot of a session unchanged, and loads a new snapshot for a new login', async () => {
  const { url, db } = await startExample(MAIN)
  const browser = request.agent(url)
  await logIn(browser, 'bob@example.com')
  expect((await browser.get('/me')).body.customData.language).toBe('fr')
  await db.collection('custom_user_data').updateMany({}, { $set: { language: 'de' } })
  expect((await browser.get('/me')).body.customData.language).toBe('fr')
  await logIn(browser, 'bob@example.com')
  expect((await browser.get('/me')).body.customData.language).toBe('de')
})

it('keeps the snapshot bound to the session, even if the request has an Authorization header', async () => {
  const { url, db } = await startExample(MAIN)
  const browser = request.agent(url)
  await logIn(browser, 'bob@example.com')
  await browser.get('/me')
  await db.collection('custom_user_data').updateMany({}, { $set: { language: 'de' } })
  const me = await browser.get('/me').set('Authorization', 'Bearer something')
  expect(me.body.customData.language).toBe('fr')
})

it('refuses requests before a login, after a logout and after a wrong password', async () => {
  const { url } = await startExample(MAIN)
  const browser = request.agent(url)
  expect((await browser.get('/me')).status).toBe(401)
  const wrong = await browser.post('/login').send({ email: 'alice@example.com', password: 'wrong' })
  expect(wrong.status).toBe(401)
  expect((await browser.get('/me')).status).toBe(401)
  await logIn(browser, 'alice@example.com')
  expect((await browser.get('/me')).status).toBe(200)
  expect((await browser.post('/logout')).status).toBe(204)
  expect((await browser.get('/me')).status).toBe(401)
})

async function logIn(browser: ReturnType<typeof request.agent>, email: string): Promise<void> {
  expect((await browser.post('/login').send({ email, password: PASSWORD })).status).toBe(204)
}
