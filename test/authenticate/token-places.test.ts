import express from 'express'
import type { Express, Request, Response } from 'express'
import passport from 'passport'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import type { RequestFailedEvent, TokenOfRequest, TokenPlaces } from 'express-custom-user-data'
import { createOriginCheck } from '../../lib/authenticate/request-origin.js'
import { createTokenReader } from '../../lib/authenticate/token-places.js'
import { useDatabase } from '../support/database.js'
import { sendRaw } from '../support/http.js'
import { createGuardedApp } from '../support/http-server.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

/** A response that no test uses. */
const NO_RESPONSE = Object.freeze(Object.create(null)) as Response

const ALL: TokenPlaces = { cookie: 'session_token', query: 'access_token', form: 'access_token' }

describe('the place of a token', () => {
  const alice = forgeToken()
  const bob = forgeToken({ claims: validClaims('bob') })
  const database = useDatabase()
  beforeAll(async () => {
    await createTestUserData(database).ready()
  })

  /** Any method, and bodies parsed as an app would. */
  function createApp(tokenPlaces?: TokenPlaces | TokenOfRequest): Express {
    const userData = createTestUserData(database, { tokenPlaces })
    const app = express()
    app.use(express.urlencoded({ extended: true }), express.json())
    app.use(userData.authenticate())
    app.use('/me', (req, res) => void res.json({ id: userData.user(req).id }))
    app.use(userData.errorHandler())
    return app
  }

  /** A token in one place each. */
  const places: Record<string, (app: Express, token: string) => request.Test> = {
    header: (app, token) => request(app).get('/me').set('Authorization', `Bearer ${token}`),
    cookie: (app, token) => request(app).get('/me').set('Cookie', `theme=dark; session_token=${token}; a=b`),
    query: (app, token) => request(app).get(`/me?page=2&access_token=${encodeURIComponent(token)}`),
    form: (app, token) => request(app).post('/me').type('form').send({ a: 'b', access_token: token }),
  }
  const names = Object.keys(places)
  const elsewhere = ['cookie', 'query', 'form'] as const

  it('is only the header by default', async () => {
    for (const app of [createApp(), createApp({})]) {
      for (const name of names) {
        const { status, headers } = await places[name]!(app, alice)
        expect(status, name).toBe(name === 'header' ? 200 : 401)
        if (status === 401) expect(headers['www-authenticate']).toBe('Bearer realm="api"')
      }
    }
  })

  it.each(elsewhere)('is also the %s if the option says so, and no third place', async asked => {
    const app = createApp({ [asked]: ALL[asked] })
    for (const name of names) {
      const { status, body } = await places[name]!(app, alice)
      expect(status, name).toBe(name === asked || name === 'header' ? 200 : 401)
      if (status === 200) expect(body).toEqual({ id: 'alice' })
    }
  })

  it.each(elsewhere)(
    'is ambiguous with a token in the header and one in the %s, even if they are equal: 400',
    async name => {
      const app = createApp(ALL)
      for (const token of [alice, bob]) {
        const { status, body, headers } = await places[name]!(app, token).set(
          'Authorization',
          `Bearer ${alice}`,
        )
        expect(status).toBe(400)
        expect(body).toMatchObject({
          code: 'invalid_request',
          detail: `There are two access tokens: send one. They are in the Authorization header and ${name === 'cookie' ? 'a cookie' : `the ${name}`}.`,
        })
        expect(headers['www-authenticate']).toContain('error="invalid_request"')
      }
    },
  )

  it('is ambiguous with tokens in any two other places: 400', async () => {
    const app = createApp(ALL)
    const query = `/me?access_token=${alice}`
    const cookie = `session_token=${alice}`
    const body = { access_token: alice }
    const requests = [
      request(app).get(query).set('Cookie', cookie),
      request(app).post(query).type('form').send(body),
      request(app).post('/me').set('Cookie', cookie).type('form').send(body),
      request(app).post(query).set('Cookie', cookie).type('form').send(body),
    ]
    for (const { status } of await Promise.all(requests)) expect(status).toBe(400)
  })

  it('is ambiguous with two tokens in one place: 400', async () => {
    const app = createApp(ALL)
    const requests = [
      request(app).get('/me').set('Cookie', `session_token=${alice}; session_token=${alice}`),
      request(app).get(`/me?access_token=${alice}&access_token=${alice}`),
      request(app).post('/me').type('form').send(`access_token=${alice}&access_token=${alice}`),
    ]
    for (const { status } of await Promise.all(requests)) expect(status).toBe(400)
  })

  it('is ambiguous even if one of two tokens is cached', async () => {
    const app = createApp(ALL)
    await places['cookie']!(app, alice).expect(200)
    await places['cookie']!(app, alice).set('Authorization', `Bearer ${alice}`).expect(400)
  })

  it.each(elsewhere)('a malformed token in the %s is 400, and is not repeated in the answer', async name => {
    const app = createApp(ALL)
    for (const token of ['a b', '"quoted"', 'a,b', '=', 'é']) {
      const { status, body, headers } = await places[name]!(app, token)
      expect(status, token).toBe(400)
      expect(body).toMatchObject({ detail: 'The access token is malformed.' })
      expect(headers['www-authenticate']).not.toContain('quoted')
    }
  })

  it('an empty cookie counts as no token', async () => {
    const app = createApp(ALL)
    await places['cookie']!(app, '').expect(401)
    await places['cookie']!(app, '').set('Authorization', `Bearer ${alice}`).expect(200)
  })

  it('a form field that is not a text is 400', async () => {
    const app = createApp(ALL)
    for (const form of ['access_token[]=a', 'access_token[a]=b', 'access_token[$ne]=']) {
      await request(app).post('/me').type('form').send(form).expect(400)
    }
  })

  it('a well-formed but invalid token is 401 in each place', async () => {
    const app = createApp(ALL)
    const forged = forgeToken({ secret: 'another secret, of 32 bytes or more' })
    for (const name of names) {
      const { status, headers } = await places[name]!(app, forged)
      expect(status, name).toBe(401)
      expect(headers['www-authenticate']).toContain('error="invalid_token"')
    }
  })

  it('credentials of another scheme in the header do not hide a token in another place', async () => {
    const app = createApp(ALL)
    for (const name of elsewhere) {
      const { status } = await places[name]!(app, alice).set('Authorization', 'Basic YTpi')
      expect(status, name).toBe(200)
    }
    await request(app).get('/me').set('Authorization', 'Basic YTpi').expect(401)
  })

  it('a malformed Bearer header is 400 even if another place has a valid token', async () => {
    const app = createApp(ALL)
    await places['cookie']!(app, alice).set('Authorization', 'Bearer').expect(400)
  })

  it('a form counts only if the request is a POST with the content type of forms', async () => {
    const app = createApp(ALL)
    const body = { access_token: alice }
    await request(app).put('/me').type('form').send(body).expect(401)
    await request(app).post('/me').type('json').send(body).expect(401)
    await request(app).post('/me').type('form').send(body).expect(200)
  })

  it('a form that no body parser has read contains no token', async () => {
    const userData = createTestUserData(database, { tokenPlaces: ALL })
    const form = request(createGuardedApp(userData)).post('/me').type('form')
    await form.send({ access_token: alice }).expect(401)
  })

  it('a longer name that begins with the configured name does not count', async () => {
    const app = createApp(ALL)
    await request(app)
      .get('/me')
      .set('Cookie', `session_token2=${alice}; my_session_token=${alice}`)
      .expect(401)
    await request(app).get(`/me?access_token2=${alice}&my_access_token=${alice}`).expect(401)
  })

  it.each(['\u00a0', '\u0085'])('a cookie name with %j in front does not count', async character => {
    const headers = ['Cookie', `a=b;${character}session_token=${alice}`]
    expect((await sendRaw(createApp(ALL), { headers })).status).toBe(401)
  })

  it('a cookie may stand between spaces and tabs', async () => {
    const headers = ['Cookie', `a=b;\t session_token=${alice}\t ; c=d`]
    expect((await sendRaw(createApp(ALL), { headers })).status).toBe(200)
  })

  it('is found on a request with only headers, an address or a form', async () => {
    const guard = createTestUserData(database, { tokenPlaces: ALL }).authenticate()
    const form = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
    const requests: Record<string, unknown>[] = [
      { headers: { authorization: `Bearer ${alice}` } },
      { headers: { cookie: `session_token=${alice}` } },
      { url: `/me?access_token=${alice}` },
      { method: 'POST', headers: form, body: { access_token: alice } },
    ]
    for (const req of requests) {
      const error = await new Promise<unknown>(resolve => {
        void guard(req as unknown as Request, NO_RESPONSE, resolve)
      })
      expect([error, (req['user'] as { id?: string } | undefined)?.id]).toEqual([undefined, 'alice'])
    }
  })

  it('is found in a cookie header that is a list of one', () => {
    const read = createTokenReader({ cookie: { name: 'session_token' } }, () => undefined)
    const ofCookies = (cookie: unknown) => read({ headers: { cookie } } as unknown as Request)
    expect(ofCookies(['session_token=a'])).toBe('a')
    expect(() => ofCookies(['session_token=a', 'session_token=b'])).toThrow(/two Cookie headers/)
  })

  it('is not found in a cookie or a form that middleware has deleted', async () => {
    const userData = createTestUserData(database, { tokenPlaces: ALL })
    const app = express()
    app.use((req, _res, next) => {
      delete req.headers.cookie
      next()
    })
    app.use(userData.authenticate())
    await places['cookie']!(app, alice).expect(401)
  })

  it('no cache stores an answer to an address with a token', async () => {
    const app = createApp(ALL)
    for (const [token, status] of [
      [alice, 200],
      ['a b', 400],
      ['unknown', 401],
    ] as const) {
      const { headers } = await places['query']!(app, token).expect(status)
      expect(headers['cache-control']).toBe('no-store')
    }
    for (const name of ['header', 'cookie', 'form']) {
      expect((await places[name]!(app, alice)).headers['cache-control']).toBe('private, no-cache')
    }
  })

  it('the query is read from the address itself, whatever query parser and mount path the app uses', async () => {
    const app = express()
    app.set('query parser', false)
    app.use('/api', createApp(ALL))
    await request(app).get(`/api/me?access_token=${alice}`).expect(200)
  })

  describe('that a function returns', () => {
    const ofHeader: TokenOfRequest = req => req.headers['x-access-token']
    const me = (app: Express, headers: Record<string, string>) => request(app).get('/me').set(headers)

    it('takes the place of the Authorization header', async () => {
      const app = createApp(ofHeader)
      expect((await me(app, { 'X-Access-Token': alice })).body).toEqual({ id: 'alice' })
      expect((await me(app, { Authorization: `Bearer ${alice}` })).status).toBe(401)
      const both = { 'X-Access-Token': alice, Authorization: `Bearer ${bob}` }
      expect((await me(app, both)).body).toEqual({ id: 'alice' })
    })

    it.each([undefined, null, ''])('counts as none if it is %j', async nothing => {
      const answer = await me(
        createApp(() => nothing),
        { Authorization: `Bearer ${alice}` },
      )
      const body = { code: 'missing_token', detail: 'The request presents no access token.' }
      expect(answer).toMatchObject({ status: 401, body })
    })

    it('is checked like any other: 400 for a malformed one, 401 for one that is not valid', async () => {
      const app = createApp(ofHeader)
      expect((await me(app, { 'X-Access-Token': 'a b' })).status).toBe(400)
      expect((await me(app, { 'X-Access-Token': 'unknown' })).status).toBe(401)
    })

    it.each<[string, () => unknown]>([
      ['returns a promise', async () => alice],
      ['returns no text', () => ({ token: alice })],
      [
        'throws',
        () => {
          throw new Error(`no ${alice}`)
        },
      ],
    ])('is a 500 if the function %s, and no event tells the token', async (_title, tokenOf) => {
      const userData = createTestUserData(database, { tokenPlaces: tokenOf as TokenOfRequest })
      const failures: RequestFailedEvent[] = []
      userData.events.on('request_failed', event => failures.push(event))
      const app = express().use(userData.authenticate(), userData.errorHandler())
      const answer = await me(app, { 'X-Access-Token': alice })
      expect(answer).toMatchObject({ status: 500, body: { code: 'callback_failed' } })
      expect(failures).toMatchObject([{ code: 'callback_failed' }])
      expect(JSON.stringify(failures)).not.toContain(alice)
    })

    it('is removed from events about other failures too, whatever the name of its header', async () => {
      const userData = createTestUserData(database, { tokenPlaces: req => req.get('X-Who') })
      const failures: RequestFailedEvent[] = []
      userData.events.on('request_failed', event => failures.push(event))
      const app = express()
        .use(userData.authenticate())
        .use(
          userData.allow((_user, req) => {
            throw new Error(`refused ${String(req.get('X-Who'))}`)
          }),
        )
        .use(userData.errorHandler())
      expect((await me(app, { 'X-Who': alice })).status).toBe(500)
      expect(failures[0]!.message).toContain('refused [removed]')
    })

    /** Functions that find the token in what a browser adds by itself. */
    const addedByBrowser: [string, TokenOfRequest, string][] = [
      ['a cookie', req => /jwt=([^;]*)/.exec(req.headers.cookie ?? '')?.[1], `a=b; jwt=${alice}`],
      [
        'two cookies',
        req => {
          const [, head, signature] = /head=([^;]*); signature=([^;]*)/.exec(req.headers.cookie ?? '') ?? []
          return `${head}.${signature}`
        },
        `head=${alice.slice(0, alice.lastIndexOf('.'))}; signature=${alice.slice(alice.lastIndexOf('.') + 1)}`,
      ],
      [
        'a cookie with JSON in base64',
        req => {
          const [, value = ''] = /session=([^;]*)/.exec(req.headers.cookie ?? '') ?? []
          return (JSON.parse(Buffer.from(value, 'base64').toString()) as { token: string }).token
        },
        `session=${Buffer.from(JSON.stringify({ token: alice })).toString('base64')}`,
      ],
      ['the session that a cookie names', req => (req.headers.cookie === 'sid=1' ? alice : null), 'sid=1'],
    ]

    it.each(addedByBrowser)(
      'is protected from pages of other origins if the function reads it from %s',
      async (_place, tokenOf, Cookie) => {
        const app = createApp(tokenOf)
        const post = (headers: Record<string, string>) =>
          request(app)
            .post('/me')
            .set({ Cookie, ...headers })
        expect((await post({})).status).toBe(200)
        const foreign = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }
        expect((await post(foreign)).body).toMatchObject({ code: 'foreign_origin' })
        expect((await post({ 'Sec-Fetch-Site': 'cross-site' })).body).toMatchObject({
          code: 'foreign_origin',
        })
      },
    )

    it('is protected if middleware has copied it from a cookie to a header', async () => {
      const userData = createTestUserData(database, { tokenPlaces: ofHeader })
      const app = express()
      app.use((req, _res, next) => {
        req.headers['x-access-token'] = /jwt=([^;]*)/.exec(req.headers.cookie ?? '')?.[1]
        next()
      })
      app.use(userData.authenticate(), userData.errorHandler())
      const headers = { Cookie: `jwt=${alice}`, 'Sec-Fetch-Site': 'cross-site' }
      expect((await request(app).post('/').set(headers)).body).toMatchObject({ code: 'foreign_origin' })
    })

    it.each<[string, TokenOfRequest, (post: request.Test) => request.Test]>([
      ['a header', ofHeader, post => post.set('X-Access-Token', alice)],
      ['the query', req => req.query['t'] as string, post => post.query({ t: alice })],
      ['a form', req => (req.body as { t: string }).t, post => post.type('form').send({ t: alice })],
      [
        'a member of JSON',
        req => (req.body as { auth: { t: string } }).auth.t,
        post => post.send({ auth: { t: alice } }),
      ],
    ])(
      'may come from pages of other origins in %s, which they must fill themselves',
      async (_place, tokenOf, send) => {
        const foreign = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://other.example' }
        const answer = await send(request(createApp(tokenOf)).post('/me').set(foreign))
        expect(answer.body).toEqual({ id: 'alice' })
      },
    )

    it('may be a list of one, as Node types headers, and a list of two is 400', async () => {
      const listOf = (...tokens: string[]) => createApp(() => tokens)
      expect((await me(listOf(alice), {})).body).toEqual({ id: 'alice' })
      expect((await me(listOf(alice, alice), {})).status).toBe(400)
      expect((await me(listOf(), {})).body).toMatchObject({ code: 'callback_failed' })
    })

    it('is found by guard.run() in a request of Node, which has no methods of Express', async () => {
      const userData = createTestUserData(database, { tokenPlaces: ofHeader })
      const req = { headers: { 'x-access-token': alice } } as unknown as Request
      await userData.authenticate().run(req)
      expect(userData.user(req).id).toBe('alice')
    })

    it('is taken from a request without headers, as a test makes it by hand', () => {
      const read = createTokenReader({ tokenOf: () => alice }, createOriginCheck([]))
      expect(read({} as unknown as Request)).toBe(alice)
    })

    it('makes answers vary by the cookie, from which the function may read it', async () => {
      expect((await request(createApp(ofHeader)).get('/me')).headers['vary']).toBe('Authorization, Cookie')
    })

    it('wins over the cookie that login() sets', async () => {
      const options = { tokenPlaces: ofHeader, accessTokenTransport: { cookie: { name: 'at' } } }
      const app = createGuardedApp(createTestUserData(database, options))
      const cookie = { Cookie: `__Host-at=${alice}` }
      expect((await me(app, cookie)).body).toMatchObject({ id: 'alice' })
      expect((await me(app, { ...cookie, 'X-Access-Token': bob })).body).toMatchObject({ id: 'bob' })
    })
  })

  it('is the same for the strategy in passport', async () => {
    const userData = createTestUserData(database, { tokenPlaces: ALL })
    const authenticator = new passport.Passport().use(userData.strategy())
    const app = express()
    app.get(
      '/me',
      authenticator.authenticate('custom-user-data', { session: false }) as express.RequestHandler,
    )
    app.get('/me', (req, res) => void res.json({ id: userData.user(req).id }))
    await places['cookie']!(app, alice).expect(200, { id: 'alice' })
    await places['query']!(app, alice).expect(200, { id: 'alice' }).expect('cache-control', 'no-store')
    await places['query']!(app, alice).set('Authorization', `Bearer ${alice}`).expect(400)
  })

  it('with optional, a request without a token passes, and a malformed token does not', async () => {
    const userData = createTestUserData(database, { tokenPlaces: ALL })
    const app = express()
    app.use(userData.authenticate({ optional: true }))
    app.get('/me', (req, res) => void res.json({ id: req.user?.id ?? null }))
    app.use(userData.errorHandler())
    await request(app).get('/me').expect(200, { id: null })
    await places['cookie']!(app, alice).expect(200, { id: 'alice' })
    await places['query']!(app, 'a b').expect(400)
    await places['query']!(app, 'unknown').expect(401)
  })
})
