import { generateKeyPairSync } from 'node:crypto'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { openNamedDatabase, startExample } from '../support/run-example.js'
import type { Environment } from '../support/run-example.js'
import { getMe, logIn, MAIN, PASSWORD, post, startServer } from './server-requests.js'

const ALICE = 'alice@example.com'
const BOB = 'bob@example.com'
const SECRET = 'a secret of the tests, 32 bytes or more'
/** The name ends with a digest of the issuer, the audience and the client. */
const COOKIE = /^__Host-refresh_token_[\da-f]{8}=/

describe('the sessions of the server example', () => {
  let url: string
  beforeAll(() => shareServer({}, started => (url = started)))

  it('are listed only for their own user, with the current session marked', async () => {
    const [phone, laptop] = [await logIn(url, ALICE), await logIn(url, ALICE)]
    const bob = await logIn(url, BOB)
    const list = await sessionsOf(url, laptop.access_token)
    expect(list).toContainEqual(expect.objectContaining({ sid: sidOf(laptop), current: true }))
    expect(list).toContainEqual(expect.objectContaining({ sid: sidOf(phone), current: false }))
    expect((await sessionsOf(url, bob.access_token)).map(({ sid }) => sid)).toEqual([sidOf(bob)])
  })

  it('can be ended one by one, and then their refresh and access tokens are refused', async () => {
    const [phone, laptop] = [await logIn(url, ALICE), await logIn(url, ALICE)]
    expect((await endSession(url, sidOf(phone), laptop.access_token)).status).toBe(204)
    expect((await refresh(url, phone)).status).toBe(400)
    expect((await getMe(url, phone.access_token)).status).toBe(401)
    expect((await refresh(url, laptop)).status).toBe(200)
  })

  it('cannot be ended by another user', async () => {
    const [alice, bob] = [await logIn(url, ALICE), await logIn(url, BOB)]
    const refused = await endSession(url, sidOf(bob), alice.access_token)
    expect([refused.status, refused.body.code]).toEqual([404, 'session_not_found'])
    expect((await refresh(url, bob)).status).toBe(200)
  })

  it('can be ended all at once', async () => {
    const [phone, laptop, bob] = [await logIn(url, ALICE), await logIn(url, ALICE), await logIn(url, BOB)]
    const answer = await request(url).post('/auth/logout-all').auth(laptop.access_token, { type: 'bearer' })
    expect(answer.status).toBe(204)
    for (const ended of [phone, laptop]) {
      expect((await refresh(url, ended)).status).toBe(400)
      expect((await getMe(url, ended.access_token)).status).toBe(401)
    }
    expect((await refresh(url, bob)).status).toBe(200)
  })

  it('can be listed and ended only with an access token', async () => {
    expect((await request(url).get('/auth/sessions')).status).toBe(401)
    expect((await request(url).delete('/auth/sessions/any')).status).toBe(401)
    expect((await request(url).post('/auth/logout-all')).status).toBe(401)
  })
})

describe('an exchanged refresh token that is sent again', () => {
  it('gets the same successor until the successor is used', async () => {
    const { url } = await startServer()
    const login = await logIn(url, ALICE)
    const [first, second] = [await refresh(url, login), await refresh(url, login)]
    expect(second.body.refresh_token).toBe(first.body.refresh_token)
    expect((await refresh(url, second.body)).status).toBe(200)
  })

  it('ends the session after its successor was used if REUSE_TOLERANCE_SECONDS is 0, and the server logs the reason', async () => {
    const { url, example } = await startServer({ REUSE_TOLERANCE_SECONDS: '0' })
    const login = await logIn(url, ALICE)
    const { body: successor } = await refresh(url, login)
    const { body: current } = await refresh(url, successor)
    expect((await refresh(url, login)).status).toBe(400)
    expect((await refresh(url, current)).status).toBe(400)
    await example.printed(new RegExp(`came again too late: session ${sidOf(login)}`))
  })
})

describe('two server examples on one MongoDB', () => {
  it.each([
    ['ACCESS_TOKEN_SECRET', SECRET],
    ['ACCESS_TOKEN_JWK', JSON.stringify(createJwk())],
  ])('work as one service if they have the same %s', async (variable, value) => {
    const { uri } = await openNamedDatabase()
    const env = { MONGODB_URI: uri, [variable]: value }
    const [one, other] = [await startServer(env), await startServer(env)]
    const login = await logIn(one.url, ALICE)
    expect((await getMe(other.url, login.access_token)).status).toBe(200)
    const [here, there] = await Promise.all([refresh(one.url, login), refresh(other.url, login)])
    expect([here.status, there.status]).toEqual([200, 200])
    expect(there.body.refresh_token).toBe(here.body.refresh_token)
    expect((await refresh(one.url, login)).body.refresh_token).toBe(here.body.refresh_token)
    expect((await refresh(other.url, here.body)).status).toBe(200)
  })

  it('refuse a refresh at one server after a logout at the other', async () => {
    const { uri } = await openNamedDatabase()
    const env = { MONGODB_URI: uri, ACCESS_TOKEN_SECRET: SECRET }
    const [one, other] = [await startServer(env), await startServer(env)]
    const login = await logIn(one.url, ALICE)
    await post(other.url, 'logout', { refresh_token: login.refresh_token })
    expect((await refresh(one.url, login)).status).toBe(400)
    expect((await getMe(other.url, login.access_token)).status).toBe(401)
    await expect.poll(async () => (await getMe(one.url, login.access_token)).status).toBe(401)
  })

  it('accept access tokens until they expire after a logout at the other, if changes are not followed', async () => {
    const { uri } = await openNamedDatabase()
    const env = { MONGODB_URI: uri, ACCESS_TOKEN_SECRET: SECRET, CHANGE_STREAM: 'off' }
    const [one, other] = [await startServer(env), await startServer(env)]
    const login = await logIn(one.url, ALICE)
    await post(other.url, 'logout', { refresh_token: login.refresh_token })
    expect((await getMe(one.url, login.access_token)).status).toBe(200)
    expect((await getMe(other.url, login.access_token)).status).toBe(401)
  })
})

describe('the refresh cookie of the server example', () => {
  let url: string
  beforeAll(() => shareServer({ REFRESH_TOKEN_TRANSPORT: 'cookie' }, started => (url = started)))

  it('belongs to this host only, cannot be read by scripts, and is not repeated in the JSON', async () => {
    const { body, cookie } = await logInByCookie(url)
    expect(body).not.toHaveProperty('refresh_token')
    expect(body).toHaveProperty('access_token')
    expect(cookie.attributes).toEqual(
      expect.arrayContaining(['HttpOnly', 'Secure', 'SameSite=Strict', 'Path=/', 'Max-Age=5184000']),
    )
    expect(cookie.attributes.join()).not.toContain('Domain')
  })

  it('is replaced at each refresh', async () => {
    const { cookie } = await logInByCookie(url)
    const refreshed = await refreshByCookie(url, cookie.pair)
    expect(refreshed.status).toBe(200)
    expect(refreshed.body).not.toHaveProperty('refresh_token')
    expect((await getMe(url, refreshed.body.access_token)).status).toBe(200)
    expect(cookieOf(refreshed).pair).not.toBe(cookie.pair)
  })

  it('cannot be used by pages of other sites', async () => {
    const { cookie } = await logInByCookie(url)
    const refused = await refreshByCookie(url, cookie.pair).set('Sec-Fetch-Site', 'cross-site')
    expect([refused.status, refused.body.error]).toEqual([403, 'foreign_origin'])
    expect((await refreshByCookie(url, cookie.pair).set('Sec-Fetch-Site', 'same-origin')).status).toBe(200)
  })

  it('is kept if a refresh fails, and is removed by a logout', async () => {
    const { cookie } = await logInByCookie(url)
    const loggedOut = await request(url).post('/auth/logout').set('Cookie', cookie.pair)
    expect(loggedOut.status).toBe(204)
    expect(cookieOf(loggedOut).pair).toMatch(/=$/)
    const refused = await refreshByCookie(url, cookie.pair)
    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_grant'])
    expect(refused.headers).not.toHaveProperty('set-cookie')
  })
})

/** One server for all tests of a block. */
async function shareServer(env: Environment, use: (url: string) => void): Promise<() => Promise<void>> {
  const cleanUps: (() => void | Promise<void>)[] = []
  use((await startExample(MAIN, env, cleanUp => cleanUps.push(cleanUp))).url)
  return async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  }
}

function refresh(url: string, { refresh_token }: { refresh_token: string }) {
  return post(url, 'refresh', { refresh_token })
}

async function sessionsOf(url: string, accessToken: string): Promise<{ sid: string }[]> {
  const { status, body } = await request(url).get('/auth/sessions').auth(accessToken, { type: 'bearer' })
  expect(status).toBe(200)
  return body as { sid: string }[]
}

function endSession(url: string, sid: string, accessToken: string) {
  return request(url).delete(`/auth/sessions/${sid}`).auth(accessToken, { type: 'bearer' })
}

function sidOf({ access_token }: { access_token: string }): string {
  const claims = JSON.parse(Buffer.from(access_token.split('.')[1]!, 'base64url').toString()) as {
    sid: string
  }
  return claims.sid
}

function createJwk(): object {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...privateKey.export({ format: 'jwk' }), kid: 'pair', alg: 'ES256' }
}

async function logInByCookie(url: string) {
  const answer = await post(url, 'login', { email: ALICE, password: PASSWORD })
  expect(answer.status).toBe(200)
  return { body: answer.body as object, cookie: cookieOf(answer) }
}

function refreshByCookie(url: string, pair: string) {
  return request(url).post('/auth/refresh').set('Cookie', pair)
}

/** The only cookie that an answer sets: its name and value, and its attributes. */
function cookieOf(answer: { headers: object }): { pair: string; attributes: string[] } {
  const [only = '', second] = (answer.headers as Record<string, string[]>)['set-cookie'] ?? []
  expect(second).toBeUndefined()
  const [pair = '', ...attributes] = only.split('; ')
  expect(pair).toMatch(COOKIE)
  return { pair, attributes }
}
