import request from 'supertest'
import { expect, it } from 'vitest'
import { startExample } from '../support/run-example.js'

const CREDENTIALS = { email: 'alice@example.com', password: 'correct horse battery staple' }

it('answers a logged-in user with their custom data, and ends on SIGTERM', async () => {
  const { url, example } = await startExample('minimal/main.ts')
  const { body: tokens } = await request(url).post('/login').send(CREDENTIALS)
  const me = await request(url).get('/me').auth(tokens.access_token, { type: 'bearer' })
  expect(me.body).toMatchObject({ userId: tokens.user.id, language: 'en' })
  const { exitCode, ms } = await example.stop()
  expect(exitCode).toBe(0)
  expect(ms).toBeLessThan(5_000)
})

it('refuses a request without a token', async () => {
  const { url } = await startExample('minimal/main.ts')
  expect((await request(url).get('/me')).status).toBe(401)
})
