import request from 'supertest'
import { expect, it } from 'vitest'
import { startExample } from '../support/run-example.js'

const PASSWORD = 'correct horse battery staple'

it('creates a document before the first token, and only the server can change it', async () => {
  const { url } = await startExample('server-writes/main.ts')
  const { body } = await request(url).post('/login').send({ email: 'carol@example.com', password: PASSWORD })
  expect(body.user.customData).toMatchObject({ userId: body.user.id, plan: 'free', reports: 0 })
  const carol = { authorization: `Bearer ${body.access_token}` }
  const reports = await Promise.all([1, 2, 3].map(() => request(url).post('/reports').set(carol)))
  expect(reports.map(({ status }) => status)).toEqual([201, 201, 201])
  expect((await request(url).get('/me').set(carol)).body).toMatchObject({ plan: 'free', reports: 3 })
  expect((await request(url).patch('/me').set(carol).send({ plan: 'paid' })).status).toBe(404)
})
