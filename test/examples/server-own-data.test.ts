import type { Db } from 'mongodb'
import request from 'supertest'
import { beforeAll, expect, it } from 'vitest'
import { startExample } from '../support/run-example.js'
import { getMe, greetingFor, idOf, logIn, MAIN } from './server-requests.js'

let url: string
let db: Db
beforeAll(async () => {
  const cleanUps: (() => void | Promise<void>)[] = []
  ;({ url, db } = await startExample(MAIN, {}, cleanUp => cleanUps.push(cleanUp)))
  return async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  }
})

const send = (method: 'patch' | 'put', token: string, body: object, headers = {}) =>
  request(url)[method]('/me').auth(token, { type: 'bearer' }).set(headers).send(body)

it('lets a user change language and timezone, and the next request sees the change', async () => {
  const { access_token: token } = await logIn(url, 'bob@example.com')
  expect(await greetingFor(url, token)).toEqual({ greeting: 'Bonjour !' })
  const patched = await send('patch', token, { language: 'es', timezone: 'Europe/Madrid' })
  expect(patched).toMatchObject({ status: 200, body: { language: 'es', timezone: 'Europe/Madrid' } })
  expect(await greetingFor(url, token)).toEqual({ greeting: '¡Hola!' })
  const condition = { 'if-match': String(patched.headers['etag']) }
  expect((await send('put', token, { language: 'de' }, condition)).body).toEqual({ language: 'de' })
  expect((await send('put', token, { language: 'en' }, condition)).status).toBe(412)
  const { customData } = (await getMe(url, token)).body
  expect(customData).toMatchObject({ language: 'de', role: 'admin' })
  expect(customData).not.toHaveProperty('timezone')
})

it('does not let a user change any other field', async () => {
  const { access_token: token } = await logIn(url, 'alice@example.com')
  for (const body of [{ role: 'admin' }, { userId: 'x' }, { _id: 'x' }, { language: { $ne: 1 } }])
    expect((await send('patch', token, body)).status).toBe(400)
  expect((await send('patch', token, { language: 7 })).status).toBe(422)
  expect((await getMe(url, token)).body.customData).toMatchObject({ language: 'en', role: 'member' })
})

it('does not create a document for Carol, who has none', async () => {
  const { access_token: token } = await logIn(url, 'carol@example.com')
  expect((await send('put', token, { language: 'de' })).status).toBe(404)
  expect(await db.collection('custom_user_data').countDocuments()).toBe(2)
})

it('writes the time of the last login without delaying the login', async () => {
  const userId = await idOf(db, 'alice@example.com')
  const began = new Date()
  await logIn(url, 'alice@example.com')
  const lastLogin = async () => {
    const document = await db.collection<{ lastLogin?: Date }>('custom_user_data').findOne({ userId })
    return document?.lastLogin?.getTime()
  }
  await expect.poll(lastLogin).toBeGreaterThanOrEqual(began.getTime())
})
