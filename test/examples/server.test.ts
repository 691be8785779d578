import type { Db } from 'mongodb'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { startExample } from '../support/run-example.js'
import { getMe, greetingFor, idOf, logIn, MAIN, PASSWORD, post, startServer } from './server-requests.js'

describe('the users of the server example', () => {
  let url: string
  let db: Db
  beforeAll(async () => {
    const cleanUps: (() => void | Promise<void>)[] = []
    ;({ url, db } = await startExample(MAIN, {}, cleanUp => cleanUps.push(cleanUp)))
    return async () => {
      for (const cleanUp of cleanUps.reverse()) await cleanUp()
    }
  })

  it('have their own data and a greeting in their language', async () => {
    const alice = await logIn(url, 'alice@example.com')
    const bob = await logIn(url, 'bob@example.com')
    expect(alice.user.id).toBe(await idOf(db, 'alice@example.com'))
    expect((await getMe(url, alice.access_token)).body).toEqual({
      id: alice.user.id,
      // The time of the login is there once it is written.
      customData: expect.objectContaining({
        _id: alice.user.id,
        userId: alice.user.id,
        language: 'en',
        timezone: 'Europe/London',
        dateOfBirth: '1990-12-10T00:00:00.000Z',
        role: 'member',
      }),
    })
    expect((await getMe(url, bob.access_token)).body).toMatchObject({
      id: bob.user.id,
      customData: { userId: bob.user.id, language: 'fr', role: 'admin' },
    })
    expect(await greetingFor(url, alice.access_token)).toEqual({ greeting: 'Hello!' })
    expect(await greetingFor(url, bob.access_token)).toEqual({ greeting: 'Bonjour !' })
  })

  it('have {} and an English greeting if they have no document', async () => {
    const carol = await logIn(url, 'carol@example.com')
    expect((await getMe(url, carol.access_token)).body).toEqual({ id: carol.user.id, customData: {} })
    expect(await greetingFor(url, carol.access_token)).toEqual({ greeting: 'Hello!' })
  })

  it('are greeted in English if their language is unknown', async () => {
    const { url, db } = await startServer()
    await db
      .collection('custom_user_data')
      .updateOne({ role: 'admin' }, { $set: { language: 'constructor' } })
    const bob = await logIn(url, 'bob@example.com')
    expect(await greetingFor(url, bob.access_token)).toEqual({ greeting: 'Hello!' })
  })

  it('see a change of their document with their current token, at every server', async () => {
    const { url, db } = await startServer()
    const bob = await logIn(url, 'bob@example.com')
    await db.collection('custom_user_data').updateOne({ role: 'admin' }, { $set: { language: 'de' } })
    await expect.poll(() => greetingFor(url, bob.access_token)).toEqual({ greeting: 'Guten Tag!' })
  })

  it('keep the snapshot of their access token until a refresh, if changes are not followed', async () => {
    const { url, db } = await startServer({ CHANGE_STREAM: 'off' })
    const bob = await logIn(url, 'bob@example.com')
    await db.collection('custom_user_data').updateOne({ role: 'admin' }, { $set: { language: 'de' } })
    expect(await greetingFor(url, bob.access_token)).toEqual({ greeting: 'Bonjour !' })
    const { body } = await post(url, 'refresh', { refresh_token: bob.refresh_token })
    expect(await greetingFor(url, body.access_token)).toEqual({ greeting: 'Guten Tag!' })
  })

  it('may use /admin only while their role is admin', async () => {
    const { url, db } = await startServer()
    const asking = async (accessToken: string) => {
      const { status, body } = await request(url).get('/admin').auth(accessToken, { type: 'bearer' })
      return { status, body: body as unknown }
    }
    const [alice, bob, carol] = await Promise.all(
      ['alice', 'bob', 'carol'].map(name => logIn(url, `${name}@example.com`)),
    )
    expect(await asking(bob!.access_token)).toEqual({
      status: 200,
      body: {
        roles: [
          { role: 'admin', count: 1 },
          { role: 'member', count: 1 },
        ],
      },
    })
    for (const { access_token } of [alice!, carol!]) {
      expect(await asking(access_token)).toMatchObject({ status: 403, body: { code: 'forbidden' } })
    }
    expect((await request(url).get('/admin')).status).toBe(401)
    await db.collection('custom_user_data').updateOne({ role: 'admin' }, { $set: { role: 'member' } })
    expect((await asking(bob!.access_token)).status).toBe(403)
  })

  it('get the same answer to a wrong password and to an unknown email', async () => {
    const wrong = await post(url, 'login', { email: 'alice@example.com', password: 'wrong' })
    const unknown = await post(url, 'login', { email: 'nobody@example.com', password: PASSWORD })
    expect(wrong.status).toBe(401)
    expect(wrong.body).toMatchObject({ error: 'invalid_credentials' })
    expect([unknown.status, unknown.body]).toEqual([wrong.status, wrong.body])
  })

  it('exchange a refresh token for its successor, and another tab with the old token gets the current one', async () => {
    const { refresh_token } = await logIn(url, 'alice@example.com')
    const refreshed = await post(url, 'refresh', { refresh_token })
    expect(refreshed.status).toBe(200)
    expect((await getMe(url, refreshed.body.access_token)).status).toBe(200)
    const latest = await post(url, 'refresh', { refresh_token: refreshed.body.refresh_token })
    const again = await post(url, 'refresh', { refresh_token })
    expect([again.status, again.body.refresh_token]).toEqual([200, latest.body.refresh_token])
  })

  it('cannot refresh after logout', async () => {
    const { refresh_token } = await logIn(url, 'alice@example.com')
    expect((await post(url, 'logout', { refresh_token })).status).toBe(204)
    expect((await post(url, 'refresh', { refresh_token })).status).toBe(400)
  })

  it('are asked for a token by problem+json and a challenge if they send none', async () => {
    const refused = await request(url).get('/me')
    expect(refused.status).toBe(401)
    expect(refused.headers['www-authenticate']).toBe('Bearer realm="api"')
    expect(refused.type).toBe('application/problem+json')
  })
})
