import request from 'supertest'
import { expect, it } from 'vitest'
import { startExample } from '../support/run-example.js'

const PASSWORD = 'correct horse battery staple'

async function logIn(url: string, email: string) {
  const { body } = await request(url).post('/login').send({ email, password: PASSWORD })
  return { authorization: `Bearer ${body.access_token}` }
}

it('lets users change their own settings, and no other field', async () => {
  const { url, db } = await startExample('own-data/main.ts')
  const bob = await logIn(url, 'bob@example.com')
  const settings = await request(url).get('/me/settings').set(bob)
  expect(settings.body).toEqual({ language: 'fr' })
  const etag = String(settings.headers['etag'])
  const patch = (body: object) => request(url).patch('/me/settings').set(bob).set('if-match', etag).send(body)
  expect((await patch({ language: 'xx' })).status).toBe(422)
  expect((await patch({ role: 'owner' })).status).toBe(400)
  expect((await patch({ language: 'de' })).body).toEqual({ language: 'de' })
  expect((await patch({ language: 'es' })).status).toBe(412)
  expect((await request(url).get('/me').set(bob)).body).toMatchObject({ language: 'de', role: 'admin' })

  const carol = await logIn(url, 'carol@example.com')
  const put = await request(url).put('/me/settings').set(carol).send({ language: 'es', timezone: 'UTC' })
  expect(put.status).toBe(201)
  expect((await request(url).get('/me').set(carol)).body).toMatchObject({ language: 'es', timezone: 'UTC' })
  expect(await db.collection('custom_user_data').countDocuments()).toBe(3)
})
