import { existsSync } from 'node:fs'
import request from 'supertest'
import { beforeAll, expect, it } from 'vitest'
import { startExample } from '../support/run-example.js'

const CREDENTIALS = { email: 'alice@example.com', password: 'correct horse battery staple' }

beforeAll(() => {
  if (!existsSync('dist/index.js')) throw new Error('This runs what was built: npm run build')
})

it('answers a logged-in user with their custom data, run by plain Node with the built package', async () => {
  const { url, db, example } = await startExample('javascript/main.mjs')
  const { body: tokens } = await request(url).post('/login').send(CREDENTIALS)
  expect(tokens.user.id).toBe((await db.collection('users').findOne())?._id.toHexString())
  const me = await request(url).get('/me').auth(tokens.access_token, { type: 'bearer' })
  expect(me.body).toMatchObject({ userId: tokens.user.id, language: 'en' })
  const { exitCode, ms } = await example.stop()
  expect(exitCode).toBe(0)
  expect(ms).toBeLessThan(5_000)
})

it('does not change existing documents when it starts again', async () => {
  const { uri, db, example } = await startExample('javascript/main.mjs')
  await example.stop()
  const before = await db.collection('users').find().toArray()
  await db.collection('custom_user_data').updateOne({}, { $set: { language: 'fr' } })
  await startExample('javascript/main.mjs', { MONGODB_URI: uri })
  expect(await db.collection('users').find().toArray()).toEqual(before)
  expect(await db.collection('custom_user_data').find().toArray()).toMatchObject([{ language: 'fr' }])
})
