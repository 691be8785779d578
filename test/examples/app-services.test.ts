import { randomUUID } from 'node:crypto'
import { App, BSON, Credentials, getEnvironment } from 'realm-web'
import type { User } from 'realm-web'
import request from 'supertest'
import { expect, it } from 'vitest'
import { startExample } from '../support/run-example.js'

const PASSWORD = 'correct horse battery staple'

async function start() {
  const { url, example, db } = await startExample('app-services/main.ts', { PAGE_PORT: '0' })
  const [, pageOrigin] = await example.printed(/^Open (http:\S+)$/m)
  const newApp = () => {
    const storage = getEnvironment().defaultStorage.prefix(randomUUID())
    return new App({ id: 'application-0-abcde', baseUrl: `${url}/realm`, storage })
  }
  return { url, example, db, pageOrigin: pageOrigin!, newApp }
}

function customDataOf(user: User) {
  return BSON.EJSON.deserialize(user.customData)
}

it('gives a new user a document before the first access token, and prints what triggers get', async () => {
  const { example, newApp } = await start()
  const user = await newApp().logIn(Credentials.anonymous())
  expect(customDataOf(user)).toMatchObject({ owner_id: user.id, theme: 'system', points: 0 })
  await example.printed(new RegExp(`^CREATE anon-user ${user.id}\\nLOGIN anon-user ${user.id}$`, 'm'))
})

it('lets a user change the theme by the client, and no other field', async () => {
  const { newApp } = await start()
  const user = await newApp().logIn(Credentials.anonymous())
  const collection = user.mongoClient('mongodb-atlas').db('app').collection('custom_user_data')
  expect(await collection.updateOne({}, { $set: { theme: 'dark' } })).toMatchObject({ modifiedCount: 1 })
  await expect(collection.updateOne({}, { $set: { points: 1000 } })).rejects.toMatchObject({
    statusCode: 403,
  })
  expect(await user.functions['collectPoint']!()).toBe(1)
  await user.refreshCustomData()
  expect(customDataOf(user)).toMatchObject({ theme: 'dark', points: 1 })
})

it('guards a route of the app by the same access tokens', async () => {
  const { url, newApp, pageOrigin } = await start()
  const user = await newApp().logIn(Credentials.anonymous())
  const me = request(url).get('/me').set('origin', pageOrigin)
  const { headers, body } = await me.set('authorization', `Bearer ${user.accessToken}`)
  expect(body).toEqual({ id: user.id, theme: 'system', points: 0 })
  expect(headers['access-control-allow-origin']).toBe(pageOrigin)
  expect((await request(url).get('/me')).status).toBe(401)
})

it('keeps the id and the document of an anonymous user who gets an account, and lets that user have API keys', async () => {
  const { newApp } = await start()
  const app = newApp()
  const user = await app.logIn(Credentials.anonymous())
  await user.functions['collectPoint']!()
  const account = { email: 'alice@example.com', password: PASSWORD }
  await app.emailPasswordAuth.registerUser(account)
  const credentials = Credentials.emailPassword(account.email, account.password)
  await user.linkCredentials(credentials)
  const elsewhere = await newApp().logIn(credentials)
  expect(elsewhere.id).toBe(user.id)
  expect(customDataOf(elsewhere)).toMatchObject({ points: 1 })
  const { key } = await elsewhere.apiKeys.create('laptop')
  expect((await newApp().logIn(Credentials.apiKey(key))).id).toBe(user.id)
})

it('serves the page with a policy that lets it speak to the app only', async () => {
  const { url, pageOrigin } = await start()
  const { headers, text } = await request(pageOrigin).get('/')
  expect(headers['content-security-policy']).toContain(`connect-src 'self' ${url};`)
  expect(text).toContain('<title>realm-web and an Express app</title>')
  expect((await request(pageOrigin).get('/realm-web.js')).text).toMatch(/^var Realm = /)
  expect((await request(pageOrigin).get('/config')).body).toEqual({
    appId: 'application-0-abcde',
    apiOrigin: url,
  })
})

it('tells the streams of clients at a signal that it closes, instead of cutting their connections', async () => {
  const { example, newApp } = await start()
  const user = await newApp().logIn(Credentials.anonymous())
  const seen: unknown[] = []
  const ended = (async () => {
    const collection = user.mongoClient('mongodb-atlas').db('app').collection('custom_user_data')
    for await (const change of collection.watch()) seen.push(change)
  })().catch(String)
  // A client cannot see when its stream stands.
  await expect
    .poll(async () => {
      await user.callFunction('collectPoint')
      return seen.length
    })
    .toBeGreaterThan(0)
  expect((await example.stop()).exitCode).toBe(0)
  expect(await ended).toContain('the service is closing')
})
