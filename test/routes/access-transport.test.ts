import express from 'express'
import type { Express } from 'express'
import { OptionError } from 'express-custom-user-data'
import type {
  AccessCookieOptions,
  CustomUserDataOptions,
  IssueTokensOptions,
  IssueTokensWithCookiesOptions,
} from 'express-custom-user-data'
import request from 'supertest'
import type { Response, Test } from 'supertest'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createSessionApp, expectInvalidGrant, recordEvents } from '../support/session-app.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>

const database = useDatabase()

/** An app whose access tokens are in a cookie. The refresh tokens are in the JSON, unless `others` says otherwise. */
function start(cookie?: AccessCookieOptions, others: Options = {}) {
  const accessTokenTransport = cookie ? { cookie } : 'cookie'
  const userData = createTestUserData(database, { accessTokenTransport, ...others })
  return { userData, app: createSessionApp(userData) }
}

const setCookiesOf = ({ headers }: Response): string[] =>
  ((headers as Record<string, unknown>)['set-cookie'] as string[] | undefined) ?? []

/** `name=value` of each cookie, as a browser sends them back. */
const pairsOf = (answer: Response): string =>
  setCookiesOf(answer)
    .map(line => line.split(';')[0]!)
    .join('; ')

const logIn = (app: Express, user = 'alice') => request(app).post('/login').send({ user })

const DEFAULT_NAME = /^__Host-access_token_[\da-f]{8}$/

describe('the cookie of the access token', () => {
  it('is set by a login and a refresh, HttpOnly, Secure and SameSite=Lax, as long as the token lives', async () => {
    const { app } = start()
    const login = await logIn(app)
    const refreshed = await request(app)
      .post('/refresh')
      .send({ refresh_token: (login.body as { refresh_token: string }).refresh_token })
    for (const answer of [login, refreshed]) {
      const [line = '', ...more] = setCookiesOf(answer)
      expect(more).toEqual([])
      const [pair = '', ...attributes] = line.split('; ')
      expect(pair.split('=')[0]).toMatch(DEFAULT_NAME)
      expect(attributes.filter(text => !text.startsWith('Expires'))).toEqual([
        'Max-Age=1800',
        'Path=/',
        'HttpOnly',
        'Secure',
        'SameSite=Lax',
      ])
      expect(answer.headers['cache-control']).toBe('no-store')
    }
    expect(pairsOf(refreshed)).not.toBe(pairsOf(login))
  })

  it('is the only place of the token: the JSON has the other members', async () => {
    const { app } = start()
    const login = await logIn(app)
    expect(Object.keys(login.body as object)).toEqual(['expires_in', 'refresh_token', 'user'])
    expect(login.text).not.toContain(pairsOf(login).split('=')[1])
    const both = await logIn(start(undefined, { refreshTokenTransport: 'cookie' }).app)
    expect(Object.keys(both.body as object)).toEqual(['expires_in', 'user'])
    expect(setCookiesOf(both)).toHaveLength(2)
  })

  it('lets its user in at the guards, and no other cookie of a similar name does', async () => {
    const { app } = start()
    const pair = pairsOf(await logIn(app))
    expect((await request(app).get('/me').set('Cookie', pair)).body).toMatchObject({ id: 'alice' })
    const [, plain = ''] = /^__Host-(.*)$/.exec(pair) ?? []
    for (const other of [plain, `x${pair}`, `__Secure-${plain}`]) {
      expect((await request(app).get('/me').set('Cookie', other)).status).toBe(401)
    }
  })

  it('tells caches that answers depend on the header Cookie', async () => {
    const { app } = start()
    const answer = await request(app).get('/me')
    expect(answer.headers['vary']).toBe('Authorization, Cookie')
  })

  it.each<[AccessCookieOptions, string, string[]]>([
    [{ name: 'at' }, '__Host-at', ['Path=/', 'SameSite=Lax']],
    [{ name: 'at', path: '/me' }, '__Secure-at', ['Path=/me', 'SameSite=Lax']],
    [{ name: '__Secure-at', sameSite: 'strict' }, '__Secure-at', ['Path=/', 'SameSite=Strict']],
    [{ name: 'at', domain: 'example.com' }, '__Secure-at', ['Domain=example.com', 'Path=/', 'SameSite=Lax']],
    [
      { name: 'at', sameSite: 'none', partitioned: true },
      '__Host-at',
      ['Path=/', 'SameSite=None', 'Partitioned'],
    ],
  ])('is set and cleared with the attributes of the option: %j', async (options, name, attributes) => {
    const { app } = start(options)
    const host = options.domain === undefined ? {} : { Host: 'app.example.com' }
    const login = await logIn(app).set(host)
    const logout = await request(app)
      .post('/logout')
      .set(host)
      .send({ refresh_token: (login.body as { refresh_token: string }).refresh_token })
    expect([login.status, logout.status]).toEqual([200, 204])
    for (const [answer, lifetime] of [
      [login, ['Max-Age=1800']],
      [logout, []],
    ] as const) {
      const [line = ''] = setCookiesOf(answer)
      const [pair, ...rest] = line.split('; ')
      expect(pair?.split('=')[0]).toBe(name)
      expect(rest.filter(text => !text.startsWith('Expires')).sort()).toEqual(
        [...lifetime, ...attributes, 'HttpOnly', 'Secure'].sort(),
      )
    }
    expect(setCookiesOf(logout)[0]).toContain('Expires=Thu, 01 Jan 1970 00:00:00 GMT')
  })

  it('has no Max-Age if the login is not persistent, also after its refreshes', async () => {
    const userData = createTestUserData(database, { accessTokenTransport: 'cookie' })
    const app = express()
      .post(
        '/login',
        userData.login(() => ({ id: 'alice' }), { persistent: false }),
      )
      .post('/refresh', userData.refresh())
    const login = await request(app).post('/login').send({})
    const refreshed = await request(app)
      .post('/refresh')
      .send({ refresh_token: (login.body as { refresh_token: string }).refresh_token })
    for (const answer of [login, refreshed]) {
      expect(setCookiesOf(answer)[0]).toContain('HttpOnly')
      expect(setCookiesOf(answer)[0]).not.toMatch(/Max-Age|Expires/)
    }
  })

  it.each(['/logout-all', 'own session'])('is cleared by %s', async way => {
    const { app } = start()
    const login = await logIn(app)
    const [sid] = (login.body as { refresh_token: string }).refresh_token.split('.')
    const ended = way === '/logout-all' ? request(app).post(way) : request(app).delete(`/sessions/${sid!}`)
    const answer = await ended.set('Cookie', pairsOf(login))
    expect(answer.status).toBe(204)
    expect(pairsOf(answer)).toMatch(/^__Host-access_token_[\da-f]{8}=$/)
  })

  it('is cleared by a guard with optional: true if its token is not valid', async () => {
    const { userData } = start()
    const name = pairsOf(await logIn(createSessionApp(userData))).split('=')[0]!
    const app = express().use(userData.authenticate({ optional: true }), (_req, res) => void res.json({}))
    const answer = await request(app).get('/').set('Cookie', `${name}=abc`)
    expect(answer.status).toBe(200)
    expect(setCookiesOf(answer)[0]).toMatch(
      /^__Host-access_token_[\da-f]{8}=; .*HttpOnly; Secure; SameSite=Lax$/,
    )
  })

  it('loses to a token in the Authorization header, whichever of the two is valid', async () => {
    const { app } = start()
    const pair = pairsOf(await logIn(app))
    const bob = forgeToken({ claims: validClaims('bob') })
    const me = (header: string, cookie = pair) =>
      request(app).get('/me').set({ Authorization: header, Cookie: cookie })
    expect((await me(`Bearer ${bob}`)).body).toMatchObject({ id: 'bob' })
    expect((await me(`Bearer ${bob}`, `${pair.split('=')[0]!}=a,b`)).body).toMatchObject({ id: 'bob' })
    expect((await me('Bearer unknown')).status).toBe(401)
    expect((await me('Bearer')).status).toBe(400)
    // Credentials of another scheme are no token, so the cookie counts.
    expect((await me('Basic YTpi')).body).toMatchObject({ id: 'alice' })
  })

  it('warns once if its token is too long for browsers although it has no data', async () => {
    const { userData, app } = start(undefined, { audience: 'https://api.example.com/'.padEnd(3_000, 'a') })
    const events = recordEvents(userData)
    for (let i = 0; i < 2; i++) expect((await logIn(app)).status).toBe(200)
    const another = express().post(
      '/login',
      userData.login(() => ({ id: 'alice' }), { extendedJson: 'relaxed' }),
    )
    expect((await logIn(another)).status).toBe(200)
    expect(events.filter(({ name }) => name === 'warning')).toEqual([
      {
        name: 'warning',
        code: 'cookie_not_kept',
        message: expect.stringContaining('Shorten "issuer", "audience"'),
      },
    ])
  })
})

describe('a token whose cookie would pass 4,096 bytes', () => {
  let users = 0

  async function logInWith(notes: string, options: AccessCookieOptions = {}) {
    const { userData, app } = start(options, { userDataInToken: 'relaxed' })
    const left: unknown[] = []
    userData.events.on('snapshot_left_out', event => left.push(event))
    const user = `user-${users++}`
    await database.db.collection('custom_user_data').insertOne({ userId: user, notes })
    const host = options.domain === undefined ? {} : { Host: options.domain }
    const answer = await logIn(app, user).set(host)
    const [line = ''] = setCookiesOf(answer)
    const [, payload = ''] = line.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
    expect((await request(app).get('/me').set('Cookie', pairsOf(answer))).body).toMatchObject({
      customData: { notes },
    })
    return { line, claims, left }
  }

  it('goes without user_data and with an event, and the user has the data all the same', async () => {
    const { line, claims, left } = await logInWith('n'.repeat(3_000))
    expect(claims).not.toHaveProperty('user_data')
    expect(line.length).toBeLessThan(4_096)
    expect(left).toEqual([
      {
        userId: 'user-0',
        reason: 'too_large',
        tokenBytes: expect.any(Number),
        maxTokenBytes: expect.any(Number),
      },
    ])
    const [{ tokenBytes, maxTokenBytes }] = left as [{ tokenBytes: number; maxTokenBytes: number }]
    expect(tokenBytes).toBeGreaterThan(maxTokenBytes)
    expect(maxTokenBytes).toBeLessThan(4_096)
  })

  it.each<AccessCookieOptions>([{}, { name: 'a'.repeat(200) }, { name: 'at', domain: 'app.example.com' }])(
    'and a shorter one has the data, so that the cookie with its attributes never passes the limit: %j',
    async options => {
      const { left } = await logInWith('l'.repeat(3_000), options)
      const [{ tokenBytes, maxTokenBytes }] = left as [{ tokenBytes: number; maxTokenBytes: number }]
      // Three bytes of a document are four of a token.
      const longest = 3_000 - Math.ceil(((tokenBytes - maxTokenBytes) * 3) / 4)
      const fits = await logInWith('f'.repeat(longest - 8), options)
      expect(fits.claims).toHaveProperty('user_data')
      expect(fits.line.length).toBeGreaterThan(3_950)
      expect(fits.line.length).toBeLessThanOrEqual(4_096)
    },
  )

  it('is no limit for tokens in the JSON', async () => {
    const userData = createTestUserData(database, { userDataInToken: 'relaxed' })
    await database.db.collection('custom_user_data').insertOne({ userId: 'long', notes: 'n'.repeat(3_500) })
    expect((await userData.issueTokens('long')).access_token.length).toBeGreaterThan(4_096)
  })
})

describe('requests of other pages', () => {
  const FOREIGN = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://attacker.example' }

  it('neither set, replace nor clear the cookie, although refresh tokens are in the JSON', async () => {
    const { app } = start()
    const { refresh_token } = (await logIn(app)).body as { refresh_token: string }
    for (const [path, form] of [
      ['/login', { user: 'mallory' }],
      ['/refresh', { refresh_token }],
      ['/logout', { refresh_token }],
    ] as const) {
      const answer = await request(app).post(path).set(FOREIGN).type('form').send(form)
      expect(answer, path).toMatchObject({ status: 403, body: { error: 'foreign_origin' } })
      expect(setCookiesOf(answer)).toEqual([])
    }
    expect((await request(app).post('/refresh').send({ refresh_token })).status).toBe(200)
  })

  it('are refused at the guard with 403, unless their method changes nothing or the token is in the header', async () => {
    const { app } = start()
    const pair = pairsOf(await logIn(app))
    const refused = await request(app)
      .post('/logout-all')
      .set({ ...FOREIGN, Cookie: pair })
    expect(refused).toMatchObject({ status: 403, body: { code: 'foreign_origin' } })
    expect(
      (
        await request(app)
          .get('/me')
          .set({ ...FOREIGN, Cookie: pair })
      ).status,
    ).toBe(200)
    const bearer = { Authorization: `Bearer ${pair.split('=')[1]!}` }
    expect(
      (
        await request(app)
          .post('/logout-all')
          .set({ ...FOREIGN, ...bearer, Cookie: pair })
      ).status,
    ).toBe(204)
  })

  it('a login that a browser would answer without keeping the cookie opens no session', async () => {
    const { app } = start()
    const answer = await logIn(app).set({ Host: 'app.example.com', Origin: 'http://app.example.com' })
    expect(answer).toMatchObject({
      status: 400,
      body: { error: 'cookie_not_kept', error_description: expect.stringContaining('the access token') },
    })
  })

  it('the path of the cookie need not fit the routes, which do not read it', async () => {
    const { userData, app } = start({ path: '/me' })
    const events = recordEvents(userData)
    expect((await logIn(app).set('Sec-Fetch-Site', 'same-origin')).status).toBe(200)
    expect(events.map(({ name }) => name)).toEqual(['login'])
  })
})

describe('a browser that holds an access token in a cookie, and whose page has no refresh token,', () => {
  const bodies: [string, (test: Test) => Test][] = [
    ['an empty object', test => test.send({})],
    ['no body', test => test],
  ]
  const APP_COOKIE: Options = { accessTokenTransport: 'body', tokenPlaces: { cookie: 'jwt' } }

  /** Logs in, and returns the access token as the cookie of the routes or of the app. */
  async function logInWithCookie(options: Options = {}) {
    const { app, userData } = start(undefined, options)
    const answer = await logIn(app)
    const { access_token } = answer.body as { access_token?: string }
    return { app, userData, pair: access_token === undefined ? pairsOf(answer) : `jwt=${access_token}` }
  }

  describe.each([
    ['of the routes', {}],
    ['of the app', APP_COOKIE],
  ])('in a cookie %s', (_whose, options) => {
    it.each(bodies)('logs out: its session ends and its cookie is cleared, with %s', async (_title, send) => {
      const { app, userData, pair } = await logInWithCookie(options)
      const before = await userData.sessions('alice')
      const events = recordEvents(userData)
      const answer = await send(request(app).post('/logout').set('Cookie', pair))
      expect(answer.status).toBe(204)
      expect(pairsOf(answer)).toBe(`${pair.split('=')[0]!}=`)
      expect((await request(app).get('/me').set('Cookie', pair)).status).toBe(401)
      expect(await userData.sessions('alice')).toHaveLength(before.length - 1)
      expect(events).toContainEqual(
        expect.objectContaining({ name: 'revoked', by: 'logout', userId: 'alice' }),
      )
    })

    it('replaces its session by a login', async () => {
      const { app, userData, pair } = await logInWithCookie(options)
      const before = (await userData.sessions('alice')).length
      expect((await logIn(app).set('Cookie', pair)).status).toBe(200)
      expect(await userData.sessions('alice')).toHaveLength(before)
      expect((await request(app).get('/me').set('Cookie', pair)).status).toBe(401)
    })
  })

  it('logs out with a token that is not valid: the cookie is cleared, and no session ends', async () => {
    const { app, userData, pair } = await logInWithCookie()
    const before = await userData.sessions('alice')
    const [name = ''] = pair.split('=')
    const answer = await request(app)
      .post('/logout')
      .set('Cookie', `${pair.slice(0, -4)}AAAA`)
      .send({})
    expect(answer.status).toBe(204)
    expect(pairsOf(answer)).toBe(`${name}=`)
    expect(await userData.sessions('alice')).toEqual(before)
  })

  it('ends no session by a logout that names another by its refresh token', async () => {
    const { app, userData, pair } = await logInWithCookie()
    const { refresh_token } = (await logIn(app)).body as { refresh_token: string }
    await request(app).post('/logout').set('Cookie', pair).send({ refresh_token }).expect(204)
    expect((await request(app).get('/me').set('Cookie', pair)).status).toBe(200)
    expect((await userData.sessions('alice')).map(({ sid }) => sid)).not.toContain(
      refresh_token.split('.')[0],
    )
  })

  it('keeps its session if a page of another origin sends the logout by a form', async () => {
    const { app, userData, pair } = await logInWithCookie(APP_COOKIE)
    const before = await userData.sessions('alice')
    const headers = { Cookie: pair, 'Sec-Fetch-Site': 'cross-site', Origin: 'https://attacker.example' }
    const answer = await request(app).post('/logout').set(headers).type('form').send({ a: 'b' })
    expect(answer.status).toBe(400)
    expect(setCookiesOf(answer)).toEqual([])
    expect(await userData.sessions('alice')).toEqual(before)
  })

  it('replaces its session by issueTokens({ res })', async () => {
    const { userData, app, pair } = await logInWithCookie()
    const before = (await userData.sessions('alice')).length
    const own = express().post('/code', async (_req, res) => {
      res.json(await userData.issueTokens('alice', { res }))
    })
    expect((await request(own).post('/code').set('Cookie', pair)).status).toBe(200)
    expect(await userData.sessions('alice')).toHaveLength(before)
    expect((await request(app).get('/me').set('Cookie', pair)).status).toBe(401)
  })
})

describe('secure: false', () => {
  const BOTH: Options = { refreshTokenTransport: { cookie: { name: 'rt', secure: false } } }
  const local = () => start({ name: 'at', secure: false }, BOTH).app
  const isPlain = (answer: Response) =>
    setCookiesOf(answer).some(line => line.startsWith('at=') && !line.includes('Secure'))

  it('lets an agent of supertest log in, be known, refresh and log out', async () => {
    const app = local()
    const agent = request.agent(app)
    expect((await agent.get('/me')).status).toBe(401)
    expect((await agent.post('/login').send({ user: 'alice' })).status).toBe(200)
    expect((await agent.get('/me')).body).toMatchObject({ id: 'alice' })
    expect((await agent.post('/refresh')).status).toBe(200)
    expect((await agent.get('/me')).body).toMatchObject({ id: 'alice' })
    expect((await agent.post('/logout')).status).toBe(204)
    expect((await agent.get('/me')).status).toBe(401)
    expectMissing(await agent.post('/refresh'))
  })

  it('leaves out Secure and the prefix of both cookies, and clears cookies that have them', async () => {
    const answer = await logIn(local())
    expect(
      setCookiesOf(answer).map(line => line.replace(/(=[^;]{20})[^;]*/, '$1').replace(/; Expires=[^;]*/, '')),
    ).toEqual([
      '__Host-at=; Path=/; HttpOnly; Secure; SameSite=Lax',
      expect.stringMatching(/^at=.{20}; Max-Age=1800; Path=\/; HttpOnly; SameSite=Lax$/),
      '__Host-rt=; Path=/; HttpOnly; Secure; SameSite=Strict',
      expect.stringMatching(/^rt=.{20}; Max-Age=5184000; Path=\/; HttpOnly; SameSite=Strict$/),
    ])
  })

  it.each(['localhost', 'localhost:3000', 'LOCALHOST', '127.0.0.1:8080', '[::1]:3000'])(
    'concerns the host %s, also for a page there',
    async Host => {
      expect(isPlain(await logIn(local()).set({ Host }))).toBe(true)
      expect(
        isPlain(
          await logIn(local()).set({
            Host,
            Origin: 'http://localhost:5173',
            Referer: 'http://localhost:5173/login',
            'Sec-Fetch-Site': 'same-origin',
          }),
        ),
      ).toBe(true)
    },
  )

  it.each<Record<string, string>>([
    { Host: 'app.example.com' },
    { Host: 'localhost.example.com' },
    { Host: 'a.localhost' },
    { Host: '127.0.0.2' },
    { 'X-Forwarded-For': '192.0.2.1' },
    { 'X-Forwarded-Proto': 'https' },
    { 'X-Forwarded-Port': '443' },
    { 'X-Real-IP': '192.0.2.1' },
    { Forwarded: 'for=192.0.2.1' },
    { Via: '1.1 proxy' },
    { Host: 'localhost:3000', Origin: 'https://app.example.com', 'Sec-Fetch-Site': 'same-origin' },
    { Host: 'localhost:3000', Referer: 'https://app.example.com/login' },
  ])('does not concern a request that may come from elsewhere: %j', async headers => {
    const answer = await logIn(local()).set(headers)
    expect(answer.status).toBe(200)
    const lines = setCookiesOf(answer)
    expect(lines.map(line => line.split('=')[0])).toEqual(['__Host-at', '__Host-rt'])
    for (const line of lines) expect(line).toContain('; Secure')
    const [, token] = lines[0]!.split(/[=;]/)
    const me = (name: string) =>
      request(local())
        .get('/me')
        .set({ ...headers, Cookie: `${name}=${token!}` })
    expect((await me('at')).status).toBe(401)
    expect((await me('__Host-at')).status).toBe(200)
  })

  it('does not concern a client that is not on loopback', async () => {
    const app = express()
      .use((req, _res, next) => {
        Object.defineProperty(req.socket, 'remoteAddress', { value: '192.0.2.1' })
        next()
      })
      .use(local())
    expect(isPlain(await logIn(app).set('Host', 'localhost:3000'))).toBe(false)
  })

  it('is what the answers advise to an agent of supertest, which sends no Secure cookies', async () => {
    const { app } = start({ name: 'at' }, { refreshTokenTransport: 'cookie' })
    const agent = request.agent(app)
    expect((await agent.post('/login').send({ user: 'alice' })).status).toBe(200)
    const me = await agent.get('/me')
    expect(me).toMatchObject({
      status: 401,
      body: { detail: expect.stringMatching(/^There is no cookie .* Log in\. .* write secure: false/) },
    })
    const refreshed = await agent.post('/refresh')
    expectMissing(refreshed)
    expect(refreshed.body).toMatchObject({ error_description: expect.stringContaining('secure: false') })
    // Elsewhere the advice would be wrong.
    const { body } = await request(app).get('/me').set('Host', 'app.example.com')
    expect(body).toMatchObject({ detail: 'There is no cookie with an access token. Log in.' })
  })

  it('is not the default', async () => {
    const { app } = start({ name: 'at' })
    expect(isPlain(await logIn(app))).toBe(false)
    const [, token] = pairsOf(await logIn(app)).split('=')
    expect((await request(app).get('/me').set('Cookie', `at=${token!}`)).status).toBe(401)
  })

  function expectMissing(answer: Response): void {
    expect(answer).toMatchObject({ status: 401, body: { error: 'missing_refresh_token' } })
  }
})

describe('issueTokens({ res }) sets the cookies', () => {
  function startOwnLogin(
    others: Options = { accessTokenTransport: 'cookie', refreshTokenTransport: 'cookie' },
    path = '/code',
  ) {
    const userData = createTestUserData(database, others)
    const late: { failure?: unknown } = {}
    const app = express()
      .post(path, async (req, res, next) => {
        try {
          res.json(await userData.issueTokens('alice', { res, address: req.ip }))
        } catch (error) {
          next(error)
        }
      })
      .post('/late', async (_req, res) => {
        const issued = userData.issueTokens('alice', { res })
        res.json({ answer: 'too early' })
        late.failure = await issued.catch((error: unknown) => error)
      })
      .use(createSessionApp(userData))
      .use(userData.errorHandler())
    return { userData, app, late }
  }

  it('as login() does, and its result has no token that is in a cookie', async () => {
    const { app } = startOwnLogin()
    const answer = await request(app).post('/code')
    expect(Object.keys(answer.body as object)).toEqual(['expires_in', 'user'])
    expect(answer.headers['cache-control']).toBe('no-store')
    const cookies = pairsOf(answer)
    expect((await request(app).get('/me').set('Cookie', cookies)).body).toMatchObject({ id: 'alice' })
    expect((await request(app).post('/refresh').set('Cookie', cookies)).status).toBe(200)
    const other = startOwnLogin({ refreshTokenTransport: 'cookie' }).app
    expect(Object.keys((await request(other).post('/code')).body as object)).toEqual([
      'access_token',
      'token_type',
      'expires_in',
      'user',
    ])
  })

  it('and its types say which tokens the result has', async () => {
    const { userData } = startOwnLogin()
    const options: IssueTokensOptions = { device: 'a wrapper passes these options on' }
    expectTypeOf((await userData.issueTokens('alice', options)).access_token).toEqualTypeOf<string>()
    const withCookies = (given: IssueTokensWithCookiesOptions) => userData.issueTokens('alice', given)
    expectTypeOf(withCookies)
      .returns.resolves.toHaveProperty('refresh_token')
      .toEqualTypeOf<string | undefined>()
    expectTypeOf(withCookies).returns.resolves.toHaveProperty('expires_in').toEqualTypeOf<number>()
  })

  it('ASVS 7.2.4: ends the session of the cookie that it replaces', async () => {
    const { app } = startOwnLogin()
    const before = pairsOf(await request(app).post('/code'))
    expect((await request(app).post('/code').set('Cookie', before)).status).toBe(200)
    expectInvalidGrant(await request(app).post('/refresh').set('Cookie', before))
  })

  it('but not for a page of another origin, and opens no session then', async () => {
    const { app, userData } = startOwnLogin()
    const before = (await userData.sessions('alice')).length
    const answer = await request(app).post('/code').set('Sec-Fetch-Site', 'cross-site')
    expect(answer).toMatchObject({ status: 403, body: { code: 'foreign_origin' } })
    expect(setCookiesOf(answer)).toEqual([])
    expect(await userData.sessions('alice')).toHaveLength(before)
  })

  it.each(['/code', '/oauth/callback'])(
    'from any path, because browsers keep a cookie whatever the path of the answer is: %s',
    async path => {
      const refreshTokenTransport = { cookie: { path: '/auth' } }
      const { app, userData } = startOwnLogin({ accessTokenTransport: 'cookie', refreshTokenTransport }, path)
      const events = recordEvents(userData)
      const answer = await request(app).post(path)
      expect(answer.status).toBe(200)
      expect(setCookiesOf(answer)).toHaveLength(2)
      expect(events.map(({ name }) => name)).toEqual(['login'])
    },
  )

  it('but begins no session, and ends none, if the response was answered meanwhile', async () => {
    const { app, userData, late } = startOwnLogin()
    const before = pairsOf(await request(app).post('/code'))
    const sessions = await userData.sessions('alice')
    const events = recordEvents(userData)
    await request(app).post('/late').set('Cookie', before)
    await expect.poll(() => late.failure).toMatchObject({ code: 'callback_failed', status: 500 })
    expect(events.filter(({ name }) => name !== 'session_ended')).toEqual([])
    expect(await userData.sessions('alice')).toEqual(sessions)
  })

  it('and is refused where no token travels in a cookie', async () => {
    const { userData } = startOwnLogin({})
    const res = { cookie: () => undefined, req: {}, headersSent: false } as never
    await expect(userData.issueTokens('alice', { res })).rejects.toThrow(OptionError)
    await expect(userData.issueTokens('alice', { res })).rejects.toThrow('no token travels in a cookie')
  })

  it.each([1, {}, { cookie: () => undefined, req: {}, headersSent: true }])(
    'and refuses a value that is no open response: %j',
    async res => {
      const { userData } = startOwnLogin()
      await expect(userData.issueTokens('alice', { res: res as never })).rejects.toThrow(
        'option "res": write the response of Express, before it is sent',
      )
    },
  )
})

describe('accessTokenTransport is refused at creation', () => {
  it.each<[unknown, string]>([
    ['header', 'write "body", "cookie" or { cookie: { name, sameSite, path, domain, partitioned, secure } }'],
    [{ cookie: { name: '__Host-at', path: '/api' } }, 'has the path "/" and no domain'],
    [{ cookie: { sameSite: 'none', secure: false } }, 'only with Secure: leave out secure: false'],
    [{ cookie: { partitioned: true } }, 'write sameSite: "none", or leave out partitioned'],
    [{ cookie: { persistent: true } }, 'there is no option "persistent"'],
  ])('for a cookie that no browser keeps, or an unknown option: %j', (accessTokenTransport, message) => {
    const create = () => createTestUserData(database, { accessTokenTransport: accessTokenTransport as never })
    expect(create).toThrow(OptionError)
    expect(create).toThrow(message)
  })

  it.each<[Options, string]>([
    [{ tokenPlaces: { cookie: 'at' } }, 'Leave "tokenPlaces.cookie" out'],
    [
      {
        accessTokenTransport: { cookie: { name: 'a' } },
        refreshTokenTransport: { cookie: { name: '__Host-a' } },
      },
      'Write another name',
    ],
  ])('with an option that contradicts it: %j', (options, message) => {
    const create = () => createTestUserData(database, { accessTokenTransport: 'cookie', ...options })
    expect(create).toThrow(OptionError)
    expect(create).toThrow(message)
  })

  it('without keys of its own, because no route would set the cookie', () => {
    const trusted = { issuer: 'https://idp.example.com', audience: 'a', algorithms: ['RS256'] } as const
    const options = { secret: undefined, issuer: undefined, audience: undefined, sessionSecrets: undefined }
    const create = () =>
      createTestUserData(database, {
        ...options,
        keys: undefined,
        trustedIssuers: [trusted],
        accessTokenTransport: 'cookie',
      } as never)
    expect(create).toThrow('without keys of your own no route sets the cookie')
  })
})
