import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import type { Express, Request, RequestHandler } from 'express'
import passport from 'passport'
import request from 'supertest'
import type { CustomUserDataOptions } from 'express-custom-user-data'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'guarded-files-'))
  writeFileSync(join(folder, 'page.html'), '<p>private</p>')
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>
type Guard = 'authenticate()' | 'optional' | 'attach()' | 'strategy()'

const GUARDS: Guard[] = ['authenticate()', 'optional', 'attach()', 'strategy()']
const PRIVATE = 'private, no-cache'

function guardOf(name: Guard, options: Options = {}): RequestHandler[] {
  const userData = createTestUserData(database, options)
  if (name === 'authenticate()') return [userData.authenticate()]
  if (name === 'optional') return [userData.authenticate({ optional: true })]
  if (name === 'attach()') {
    const signIn: RequestHandler = (req, _res, next) => {
      req.user = { id: 'alice' } as Express.User
      next()
    }
    return [signIn, userData.attach()]
  }
  const own = new passport.Passport().use(userData.strategy())
  return [own.authenticate('custom-user-data', { session: false }) as RequestHandler]
}

function start(guard: RequestHandler[], before: RequestHandler[] = []): Express {
  const app = express()
  for (const handler of [...before, ...guard]) app.use(handler)
  return app
    .get('/me', (_req, res) => void res.set('Last-Modified', new Date(0).toUTCString()).json({}))
    .get('/file', (_req, res) => {
      res.sendFile('page.html', { root: folder })
    })
    .get('/public', (_req, res) => void res.set('Cache-Control', 'public, max-age=60').json({}))
    .use('/static', express.static(folder, { maxAge: '1d' }))
    .use('/open', express.static(folder, { setHeaders: res => res.setHeader('Cache-Control', 'public') }))
}

const get = (app: Express, path = '/me', authorization: string | undefined = bearerOf('alice')) => {
  const sent = request(app).get(path)
  return authorization === '' ? sent : sent.set({ authorization })
}
const setting =
  (headers: Record<string, string>): RequestHandler =>
  (_req, res, next) => {
    res.set(headers)
    next()
  }

describe.each(GUARDS)('an answer behind a guard: %s', name => {
  const vary = name === 'attach()' ? 'Authorization, Cookie' : 'Authorization'

  it('is stored by the own browser alone, and not used again without asking', async () => {
    const app = start(guardOf(name))
    for (const path of ['/me', '/file', '/static/page.html']) {
      const answer = await get(app, path)
      expect(answer).toMatchObject({ status: 200, headers: { 'cache-control': PRIVATE, vary } })
    }
  })

  it('is public if the route says so', async () => {
    const app = start(guardOf(name))
    expect((await get(app, '/public')).headers['cache-control']).toBe('public, max-age=60')
    expect((await get(app, '/open/page.html')).headers['cache-control']).toBe('public')
  })

  it('is stored nowhere with cacheControl: no-store', async () => {
    const app = start(guardOf(name, { cacheControl: 'no-store' }))
    for (const path of ['/me', '/static/page.html']) {
      expect((await get(app, path)).headers).toMatchObject({ 'cache-control': 'no-store', vary })
    }
  })

  it('keeps what middleware before it has set in Vary', async () => {
    for (const [before, after] of [
      ['Origin', `Origin, ${vary}`],
      [
        'accept-encoding, authorization',
        name === 'attach()' ? 'accept-encoding, authorization, Cookie' : undefined,
      ],
      ['*', '*'],
    ] as const) {
      const { headers } = await get(start(guardOf(name), [setting({ Vary: before })]))
      expect(headers['vary']).toBe(after ?? before)
    }
  })

  it('stays as strict as middleware before it wants, and becomes private otherwise', async () => {
    for (const [before, after] of [
      ['no-store', 'no-store'],
      ['private, max-age=60', 'private, max-age=60'],
      ['public, max-age=60', PRIVATE],
      ['no-cache', PRIVATE],
    ] as const) {
      const { headers } = await get(start(guardOf(name), [setting({ 'Cache-Control': before })]))
      expect(headers['cache-control']).toBe(after)
    }
  })
})

describe('the answer to a request that presents no token', () => {
  it('varies too behind an optional guard, since the same address gives another answer with a token', async () => {
    const { status, headers } = await get(start(guardOf('optional')), '/me', '')
    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'cache-control': PRIVATE, vary: 'Authorization' })
  })

  it.each(['authenticate()', 'strategy()'] as const)('is private if %s refuses it', async name => {
    const { status, headers } = await get(start(guardOf(name)), '/me', '')
    expect(status).toBe(401)
    expect(headers).toMatchObject({ 'cache-control': PRIVATE, vary: 'Authorization' })
  })

  it('is stored nowhere if errorHandler() renders it, and varies', async () => {
    const userData = createTestUserData(database)
    const app = express()
      .use(userData.authenticate())
      .use(userData.allow(() => false))
      .use(userData.errorHandler())
    for (const [authorization, expected] of [
      ['', 401],
      ['Bearer a', 401],
      ['Bearer a b', 400],
      [bearerOf('alice'), 403],
    ] as const) {
      const { status, headers } = await get(app, '/me', authorization)
      expect(status).toBe(expected)
      expect(headers).toMatchObject({ 'cache-control': 'no-store', vary: 'Authorization' })
    }
  })
})

describe('the place of a token', () => {
  it('is in Vary if it is a cookie', async () => {
    const tokenPlaces = { cookie: 'access_token' }
    for (const name of ['authenticate()', 'strategy()'] as const) {
      const { headers } = await get(start(guardOf(name, { tokenPlaces })))
      expect(headers).toMatchObject({ 'cache-control': PRIVATE, vary: 'Authorization, Cookie' })
    }
  })

  it('forbids to store the answer if it is the address (RFC 6750 5.3)', async () => {
    const app = start(guardOf('authenticate()', { tokenPlaces: { query: 'access_token' } }))
    const token = bearerOf('alice').slice('Bearer '.length)
    const { status, headers } = await get(app, `/me?access_token=${token}`, '')
    expect(status).toBe(200)
    expect(headers['cache-control']).toBe('no-store')
  })
})

it('a guard works without a response, as for sockets, and after the answer was sent', async () => {
  const userData = createTestUserData(database)
  const authorization = bearerOf('alice')
  for (const res of [undefined, {}]) {
    const req = { headers: { authorization } } as unknown as Request
    const error = await new Promise(next => {
      void userData.authenticate()(req, res as never, next)
    })
    expect([error, req.user?.id]).toEqual([undefined, 'alice'])
  }
  const answered: RequestHandler = (_req, res, next) => {
    res.send('early')
    next()
  }
  const outcomes: unknown[] = []
  const app = express().use(answered, userData.authenticate(), req => outcomes.push(req.user?.id))
  expect((await request(app).get('/').set({ authorization })).text).toBe('early')
  await expect.poll(() => outcomes).toEqual(['alice'])
})
