import { generateKeyPairSync } from 'node:crypto'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import express from 'express'
import type { Request, RequestHandler, Response } from 'express'
import { CustomUserDataError } from 'express-custom-user-data'
import type { CustomUserDataOptions } from 'express-custom-user-data'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { createEchoApp, expectChallenge, onError, sendRaw } from '../support/http.js'
import { createTestUserData, forgeToken, KID, SECRET, validClaims } from '../support/user-data.js'

/** Nothing is asked of it. */
const NO_RESPONSE = Object.freeze(Object.create(null)) as Response
const NOW = 1_800_000_000_000
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })

const database = useDatabase()
beforeAll(async () => {
  await database.db.collection('custom_user_data').insertMany([
    { userId: 'alice', plan: 'gold' },
    { userId: 'bob', plan: 'free' },
  ])
})

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>

/** A guarded app at a time that stands still, with its errors left to Express. */
function guard(options: Options = {}) {
  const clock = createManualClock(NOW)
  const userData = createTestUserData(database, { clock, ...options })
  return { clock, userData, app: createEchoApp(userData.authenticate()) }
}

function claims(changes: Record<string, unknown> = {}) {
  return { ...validClaims('alice', NOW), ...changes }
}

const bearer = (token: string) => ['Authorization', `Bearer ${token}`]
const description = (text: string) =>
  `Bearer realm="api", error="invalid_token", error_description="The access token ${text}."`

describe('a request with a good token', () => {
  it('gets a req.user of id, customData and claims', async () => {
    const { app } = guard()
    const expected = claims()
    const answer = await request(app)
      .get('/me')
      .auth(forgeToken({ claims: expected }), { type: 'bearer' })
    expect(answer.status).toBe(200)
    expect(answer.headers).not.toHaveProperty('www-authenticate')
    expect(answer.body.user).toEqual({
      id: 'alice',
      customData: { _id: expect.any(String), userId: 'alice', plan: 'gold' },
      claims: expected,
    })
  })

  it.each(['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/AT+jwt'])('of typ %s passes', async typ => {
    const answer = await sendRaw(guard().app, {
      headers: bearer(forgeToken({ header: { typ }, claims: claims() })),
    })
    expect(answer.status).toBe(200)
  })

  it('replaces an earlier req.user', async () => {
    const { userData } = guard()
    const presetUser = (req: express.Request, _res: unknown, next: () => void) => {
      req.user = { id: 'mallory', customData: { admin: true } } as never
      next()
    }
    const token = forgeToken({ claims: claims() })
    for (const turn of ['loaded', 'cached']) {
      const app = createEchoApp(presetUser, userData.authenticate())
      const answer = await request(app).get('/me').auth(token, { type: 'bearer' })
      expect(answer.body.user, turn).toMatchObject({ id: 'alice', customData: { plan: 'gold' } })
      expect(answer.body.user.customData, turn).not.toHaveProperty('admin')
    }
  })

  it('gets its own req.user with data that cannot be changed', async () => {
    const { userData } = guard()
    const users: Express.User[] = []
    const app = createEchoApp(userData.authenticate(), (req, _res, next) => {
      users.push(req.user!)
      ;(req.user as { mine?: boolean }).mine = true
      next()
    })
    const token = forgeToken({ claims: claims() })
    for (let turn = 0; turn < 3; turn++) await request(app).get('/me').auth(token, { type: 'bearer' })
    expect(new Set(users).size).toBe(3)
    for (const user of users) {
      expect(Object.isFrozen(user.customData)).toBe(true)
      expect(Object.isFrozen(user.claims)).toBe(true)
    }
  })
})

describe('a request without a token', () => {
  it.each([
    ['no Authorization header', []],
    ['an empty one', ['Authorization', '']],
    ['another scheme', ['Authorization', 'Basic YTpi']],
    ['a token elsewhere', ['Cookie', 'access_token=a', 'X-Access-Token', 'a']],
  ])('is answered with the bare challenge: %s', async (_name, headers) => {
    const answer = await sendRaw(guard().app, { headers, path: '/me?access_token=a' })
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="api"')
    expectChallenge(answer)
  })

  it('gets the realm of the option', async () => {
    const answer = await sendRaw(guard({ realm: 'our API' }).app)
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="our API"')
  })
})

describe('a request with a bad token', () => {
  const valid = () => forgeToken({ claims: claims() })
  const withClaims = (changes: Record<string, unknown>) => forgeToken({ claims: claims(changes) })
  const [header, payload, signature] = valid().split('.') as [string, string, string]
  const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')

  it.each<[string, string, string]>([
    ['one part', 'abc', 'is malformed'],
    ['two parts', `${header}.${payload}`, 'is malformed'],
    ['no signature', `${header}.${payload}.`, 'is malformed'],
    ['five parts, as a JWE has', `${header}.${payload}.${signature}.a.a`, 'is malformed'],
    ['padding', `${valid()}=`, 'is malformed'],
    ['a torn payload', `${header}.${payload.slice(0, -9)}.${signature}`, 'is malformed'],
    ['a torn signature', valid().slice(0, -3), 'is not valid'],
    ['the signature of another token', `${header}.${payload}.${'A'.repeat(43)}`, 'is not valid'],
    [
      'the signature of another secret',
      forgeToken({ claims: claims(), secret: `${SECRET}!` }),
      'is not valid',
    ],
    ['alg none, unsigned', `${none}.${payload}.`, 'is malformed'],
    ['alg none, signed', `${none}.${payload}.${signature}`, 'is not signed by a key of this server'],
    ['alg HS512', withHeader({ alg: 'HS512' }), 'is not signed by a key of this server'],
    ['an unknown kid', withHeader({ kid: 'other' }), 'is not signed by a key of this server'],
    ['a critical extension', withHeader({ crit: ['exp'] }), 'is malformed'],
    ['an expired one', withClaims({ exp: NOW / 1000 - 5 }), 'has expired'],
    ['no exp', withClaims({ exp: undefined }), 'has no exp'],
    ['one from the future', withClaims({ nbf: NOW / 1000 + 6 }), 'is not valid yet'],
    ['another issuer', withClaims({ iss: 'https://other.example' }), 'is from another issuer'],
    ['another audience', withClaims({ aud: 'https://other.example' }), 'is meant for another audience'],
    ['no sub', withClaims({ sub: undefined }), 'has no sub'],
    ['an empty sub', withClaims({ sub: '' }), 'has a malformed sub'],
    ['an operator as sub', withClaims({ sub: { $ne: null } }), 'has a malformed sub'],
    ['a number as sub', withClaims({ sub: 42 }), 'has a malformed sub'],
    ['text instead of claims', forgeToken({ claims: 'alice' }), 'is malformed'],
    ['a list instead of claims', forgeToken({ claims: [claims()] }), 'is malformed'],
    ['null instead of claims', forgeToken({ claims: null }), 'is malformed'],
    ['more characters than the guard accepts', withClaims({ padding: 'x'.repeat(8192) }), 'is too long'],
  ])('is refused: %s', async (_name, token, why) => {
    const { app } = guard()
    for (const turn of ['first', 'second']) {
      const answer = await sendRaw(app, { headers: bearer(token) })
      expect(answer.status, turn).toBe(401)
      expect(answer.headers['www-authenticate'], turn).toBe(description(why))
      expectChallenge(answer, ...token.split('.'))
    }
  })

  it.each([
    [undefined, 'no typ'],
    ['JWT', 'typ jwt'],
    ['jwt', 'typ jwt'],
    ['application/JWT', 'typ jwt'],
    ['logout+jwt', 'typ logout+jwt'],
    ['secevent+jwt', 'typ secevent+jwt'],
    ['refresh+jwt', 'another typ'],
    ['dpop+jwt', 'typ dpop+jwt'],
    ['', 'another typ'],
    ['at+jwt ', 'another typ'],
  ])('of typ %j is refused, with what was found and what to use for tokens of others', async (typ, found) => {
    const answer = await sendRaw(guard().app, { headers: bearer(withHeader({ typ })) })
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toBe(
      'Bearer realm="api", error="invalid_token", error_description="' +
        `The token is not an access token: it has ${found} instead of typ at+jwt. ` +
        'Tokens that your app verifies by other means need attach(). ' +
        "A trusted issuer whose access tokens have typ JWT needs profile: 'jwt'.\"",
    )
  })

  it('costs no query', async () => {
    const { app } = guard()
    database.commands.clear()
    await sendRaw(app, { headers: bearer(withClaims({ exp: 1 })) })
    await sendRaw(app, { headers: bearer(forgeToken({ secret: 'x', claims: claims() })) })
    expect(database.commands.loads()).toHaveLength(0)
  })

  it('is refused if it is signed with the text of a public key as a secret', async () => {
    const keys = [{ kid: KID, alg: 'RS256', key: rsa.privateKey } as const]
    const { app, userData } = guard({ keys })
    const pem = rsa.publicKey.export({ format: 'pem', type: 'spki' }) as string
    const jwk = JSON.stringify(rsa.publicKey.export({ format: 'jwk' }))
    const der = rsa.publicKey.export({ format: 'der', type: 'spki' })
    for (const secret of [pem, pem.trim(), jwk, der]) {
      for (const alg of ['HS256', 'RS256']) {
        const token = forgeToken({ secret, header: { alg }, claims: claims() })
        const answer = await sendRaw(app, { headers: bearer(token) })
        expect(answer.status).toBe(401)
        expect(expectChallenge(answer, token)['error']).toBe('invalid_token')
      }
    }
    await expect(
      userData.verifyToken((await userData.issueTokens('alice')).access_token),
    ).resolves.toBeDefined()
  })

  it('never gets its own text in the challenge', async () => {
    for (const text of ['a"\r\nX-Evil: 1', '"quoted"', 'back\\slash', '😀😀😀😀', 'x'.repeat(200)]) {
      for (const member of ['alg', 'kid', 'typ', 'crit']) {
        const answer = await sendRaw(guard().app, { headers: bearer(withHeader({ [member]: text })) })
        expect(answer.status).toBe(401)
        expect(answer.headers).not.toHaveProperty('x-evil')
        expectChallenge(answer, text)
      }
      for (const claim of ['iss', 'aud', 'exp']) {
        const answer = await sendRaw(guard().app, { headers: bearer(withClaims({ [claim]: text })) })
        expect(answer.status).toBe(401)
        expectChallenge(answer, text)
      }
    }
  })

  function withHeader(changes: Record<string, unknown>): string {
    return forgeToken({ header: changes, claims: claims() })
  }
})

describe('a malformed Authorization header', () => {
  const token = forgeToken({ claims: claims() })
  const malformed = "The Authorization header is malformed: write 'Bearer' and the access token."
  const twice = 'There are two Authorization headers: send one.'

  it.each([
    ['no token', ['Authorization', 'Bearer']],
    ['a tab', ['Authorization', `Bearer\t${token}`]],
    ['trailing text', ['Authorization', `Bearer ${token} junk`]],
    ['a list', ['Authorization', `Bearer ${token}, Bearer ${token}`]],
    ['a Latin-1 character', ['Authorization', `Bearer ${token}\u00e9`]],
  ])('is a bad request: %s', async (_name, headers) => {
    const answer = await sendRaw(guard().app, { headers })
    expect(answer.status).toBe(400)
    expect(answer.headers['www-authenticate']).toBe(
      `Bearer realm="api", error="invalid_request", error_description="${malformed}"`,
    )
    expectChallenge(answer, token)
  })

  it.each([
    ['the same twice', [...bearer(token), ...bearer(token)]],
    ['a good and a bad one', [...bearer(token), ...bearer('bad')]],
    ['a bad and a good one', [...bearer('bad'), ...bearer(token)]],
    ['of two schemes', ['authorization', 'Basic YTpi', ...bearer(token)]],
  ])('is a bad request if there are two: %s, cached or not', async (_name, headers) => {
    const { app } = guard()
    for (const turn of ['not cached', 'cached']) {
      const answer = await sendRaw(app, { headers })
      expect(answer.status, turn).toBe(400)
      expect(answer.headers['www-authenticate']).toBe(
        `Bearer realm="api", error="invalid_request", error_description="${twice}"`,
      )
      await sendRaw(app, { headers: bearer(token) })
    }
  })
})

describe('a cached token', () => {
  it.each([0, 5, 300])('is refused at its exp, %i s of tolerance later', async clockToleranceSeconds => {
    const { app, clock } = guard({ clockToleranceSeconds })
    const headers = bearer(forgeToken({ claims: claims({ exp: NOW / 1000 + 60 }) }))
    expect((await sendRaw(app, { headers })).status).toBe(200)
    clock.advance((60 + clockToleranceSeconds) * 1000 - 1)
    expect((await sendRaw(app, { headers })).status).toBe(200)
    clock.advance(1)
    const answer = await sendRaw(app, { headers })
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toBe(description('has expired'))
  })

  it('is refused at its exp if only the wall clock moved', async () => {
    const { app, clock } = guard({ clockToleranceSeconds: 0 })
    const headers = bearer(forgeToken({ claims: claims({ exp: NOW / 1000 + 60 }) }))
    expect((await sendRaw(app, { headers })).status).toBe(200)
    clock.setWall(NOW + 60_000)
    expect((await sendRaw(app, { headers })).status).toBe(401)
  })

  it('causes neither a query nor a second load', async () => {
    const { app } = guard()
    const headers = bearer(forgeToken({ claims: claims() }))
    await sendRaw(app, { headers })
    database.commands.clear()
    for (let turn = 0; turn < 5; turn++) expect((await sendRaw(app, { headers })).status).toBe(200)
    expect(database.commands.loads()).toHaveLength(0)
  })

  it('is not found by a part of it or by another spelling', async () => {
    const { app } = guard()
    const token = forgeToken({ claims: claims() })
    await sendRaw(app, { headers: bearer(token) })
    const last = token.at(-1)!
    const flipped = token.slice(0, -1) + String.fromCharCode(last.charCodeAt(0) + 1)
    for (const other of [`${token}A`, token.slice(0, -1), `${token}=`, token.toLowerCase(), flipped]) {
      expect((await sendRaw(app, { headers: bearer(other) })).status).toBe(401)
    }
  })

  it('of one instance is not accepted by an instance with another audience', async () => {
    const [ours, theirs] = [guard(), guard({ audience: 'https://other.example' })]
    const headers = bearer(forgeToken({ claims: claims() }))
    expect((await sendRaw(ours.app, { headers })).status).toBe(200)
    expect((await sendRaw(theirs.app, { headers })).status).toBe(401)
  })
})

describe('authenticate({ optional: true })', () => {
  function optionalApp() {
    const app = express()
    app.get('/me', guard().userData.authenticate({ optional: true }), (req, res) => {
      res.json({ hasUser: req.user !== undefined, isSet: 'user' in req })
    })
    return app
  }

  it('accepts a request without a token, with req.user undefined', async () => {
    const answer = await request(optionalApp()).get('/me')
    expect(answer.body).toEqual({ hasUser: false, isSet: true })
  })

  it('removes a req.user that earlier middleware has set', async () => {
    const app = express()
    app.use((req, _res, next) => {
      req.user = { id: 'mallory' } as never
      next()
    })
    app.use(optionalApp())
    expect((await request(app).get('/me')).body.hasUser).toBe(false)
  })

  it('accepts a valid token with its user', async () => {
    const token = forgeToken({ claims: claims() })
    const answer = await request(optionalApp()).get('/me').auth(token, { type: 'bearer' })
    expect(answer.body.hasUser).toBe(true)
  })

  it.each([
    [401, 'Bearer abc'],
    [401, `Bearer ${forgeToken({ claims: claims({ exp: 1 }) })}`],
    [401, 'Basic YTpi'],
    [401, ''],
    [400, 'Bearer'],
    [400, 'Bearer a b'],
  ])('answers anything else as usual: %i for %j', async (status, header) => {
    const answer = await sendRaw(optionalApp(), { headers: ['Authorization', header] })
    expect(answer.status).toBe(status)
    expectChallenge(answer)
  })
})

describe('requireDocument: true', () => {
  it('refuses a user without a document with 403, cached or not', async () => {
    const { app } = guard({ requireDocument: true })
    const headers = bearer(forgeToken({ claims: claims({ sub: 'nobody' }) }))
    for (const turn of ['loaded', 'cached']) {
      const answer = await sendRaw(app, { headers })
      expect(answer.status, turn).toBe(403)
      expect(expectChallenge(answer)['error']).toBe('insufficient_scope')
    }
  })
})

describe('an error of the guard', () => {
  async function catchError(headers: string[], options: Options = {}): Promise<CustomUserDataError> {
    const caught: unknown[] = []
    const app = guard(options).app
    app.use(
      onError((error, res) => {
        caught.push(error)
        res.end()
      }),
    )
    await sendRaw(app, { headers })
    expect(caught).toEqual([expect.any(CustomUserDataError)])
    return caught[0] as CustomUserDataError
  }

  it.each([
    [401, 'missing_token', []],
    [401, 'invalid_token', bearer('abc')],
    [400, 'invalid_request', bearer('a b')],
  ])('has status %i, code %s, its headers and a stack of one line', async (status, code, headers) => {
    const error = await catchError(headers)
    expect(error).toMatchObject({ status, code, title: expect.any(String) })
    expect(error.headers).toEqual({ 'WWW-Authenticate': expect.stringMatching(/^Bearer realm="api"/) })
    expect(error.stack).toBe(`CustomUserDataError [${code}]: ${error.message}`)
    expect(error.stack).not.toContain('\n')
  })

  it('is answered with status and challenge by Express alone', async () => {
    for (const accept of ['application/json', 'text/html', '*/*']) {
      for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS']) {
        const headers = ['Accept', accept, ...bearer('abc')]
        const answer = await sendRaw(guard().app, { method, headers })
        expect(answer.status, `${method} ${accept}`).toBe(401)
        expectChallenge(answer, 'abc')
        expect(answer.body).not.toMatch(/node_modules|\.ts|\.js| at /)
      }
    }
  })
})

describe('errorHandler()', () => {
  function problemApp(options: Options = {}) {
    const { app, userData } = guard(options)
    app.get('/foreign', (_req, _res, next) => {
      next(new Error('theirs'))
    })
    app.use(userData.errorHandler())
    return app.use(onError((error, res) => res.status(418).json({ passedOn: error.message })))
  }

  it.each([
    [401, 'missing_token', []],
    [401, 'invalid_token', bearer('abc')],
    [400, 'invalid_request', bearer('a b')],
  ])('renders %i %s as problem+json, with the challenge', async (status, code, headers) => {
    const answer = await sendRaw(problemApp(), { headers })
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
    expectChallenge(answer, 'abc')
    expect(JSON.parse(answer.body)).toEqual({
      type: `urn:express-custom-user-data:error:${code}`,
      title: expect.any(String),
      status,
      code,
      detail: expect.any(String),
    })
  })

  it('answers HEAD and browsers with status and challenge too', async () => {
    const head = await sendRaw(problemApp(), { method: 'HEAD' })
    expect(head).toMatchObject({ status: 401, body: '' })
    expectChallenge(head)
    const html = await sendRaw(problemApp(), { headers: ['Accept', 'text/html'] })
    expect(html.status).toBe(401)
    expectChallenge(html)
  })

  it('passes on errors of other middleware', async () => {
    const answer = await sendRaw(problemApp(), { path: '/foreign' })
    expect(answer.status).toBe(418)
    expect(JSON.parse(answer.body)).toEqual({ passedOn: 'theirs' })
  })

  it('does not describe faults of the server, and says when to retry', async () => {
    const proxied = await openProxiedDatabase(database)
    const { proxy } = proxied
    const userData = createTestUserData(proxied, { clock: createManualClock(NOW), loadTimeoutMs: 50 })
    const app = createEchoApp(userData.authenticate()).use(userData.errorHandler())
    const headers = bearer(forgeToken({ claims: claims() }))
    proxy.pause()
    const away = await sendRaw(app, { headers })
    proxy.resume()
    expect(away.status).toBe(503)
    expect(away.headers).toMatchObject({ 'retry-after': '1' })
    expect(away.headers).not.toHaveProperty('www-authenticate')
    expect(JSON.parse(away.body)).toEqual({
      type: 'urn:express-custom-user-data:error:custom_data_unavailable',
      title: 'Custom data is unavailable for the moment',
      status: 503,
      code: 'custom_data_unavailable',
    })
  })

  it('does not change an answer that has begun', async () => {
    const { userData } = guard()
    const app = express()
    app.get('/me', (_req, res, next) => {
      res.write('begun')
      next(new CustomUserDataError('invalid_token', 'Too late.'))
    })
    const handled: unknown[] = []
    const last = onError((error, res) => {
      handled.push(error)
      res.end()
    })
    app.use(userData.errorHandler(), last)
    expect(await sendRaw(app)).toMatchObject({ status: 200, body: 'begun' })
    expect(handled).toHaveLength(1)
  })
})

describe('user(req)', () => {
  it('is a TypeError if no guard ran', () => {
    expect(() => guard().userData.user(new IncomingMessage(new Socket()) as express.Request)).toThrow(
      TypeError,
    )
  })
})

describe('a request that does not keep the req.user that it is given', () => {
  const userData = () => createTestUserData(database, { clock: createManualClock(NOW) })
  const token = () => forgeToken({ claims: claims() })

  /** The req.user that handlers get, or the error that the guard passes on. */
  async function outcome(
    prepare: (req: Request) => void,
    guard: RequestHandler,
    headers: Record<string, string> = { authorization: `Bearer ${token()}` },
  ): Promise<unknown> {
    const app = express()
    app.use((req, _res, next) => {
      prepare(req)
      next()
    }, guard)
    app.get('/me', (req, res) => res.json({ user: req.user ?? null }))
    app.use(
      onError((error, res) => {
        res.json({ name: error.name, message: error.message })
      }),
    )
    return (await request(app).get('/me').set(headers)).body as unknown
  }

  const ignoring = (req: Request) => {
    const admin = { id: 'admin' } as Express.User
    Object.defineProperty(req, 'user', { configurable: true, get: () => admin, set: () => undefined })
  }
  const lost = { name: 'TypeError', message: expect.stringMatching(/req\.user.*setter/) as string }

  it('is passed on as a TypeError by authenticate(), cached or not', async () => {
    const guard = userData().authenticate()
    for (const turn of ['loaded', 'cached']) expect(await outcome(ignoring, guard), turn).toMatchObject(lost)
  })

  it('is passed on as a TypeError by authenticate({ optional: true }), which must remove the user', async () => {
    expect(await outcome(ignoring, userData().authenticate({ optional: true }), {})).toMatchObject(lost)
  })

  it('is passed on as a TypeError if req.user is read-only', async () => {
    const readOnly = (req: Request) => {
      Object.defineProperty(req, 'user', { value: { id: 'admin' }, writable: false })
    }
    expect(await outcome(readOnly, userData().authenticate())).toMatchObject({ name: 'TypeError' })
  })

  it('is passed on as a TypeError if the request is frozen', async () => {
    const req = Object.freeze({ headers: { authorization: `Bearer ${token()}` } })
    const guard = userData().authenticate()
    const error = await new Promise(resolve => {
      void guard(req as unknown as Request, NO_RESPONSE, resolve)
    })
    expect(error).toBeInstanceOf(TypeError)
  })
})
