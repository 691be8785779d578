import express, { Router } from 'express'
import type { Express, Request, RequestHandler } from 'express'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { errorHandlersOf, handlersFor } from '../../lib/checks/app-stack.js'

/** An app whose handlers note their names and pass the request on, and what is expected of a request before they run. */
function start() {
  const called: string[] = []
  const named = (name: string): RequestHandler =>
    Object.defineProperty(
      ((_req, _res, next) => {
        called.push(name)
        next()
      }) as RequestHandler,
      'name',
      { value: name },
    )
  return { named, called }
}

/** The names that `handlersFor()` gives, without those of Express and of routers. */
function namesFor(req: Request): string[] {
  return handlersFor(req)
    .map(({ name }) => name)
    .filter(name => /^h\d+$/.test(name))
}

function createApp(look: RequestHandler) {
  const { named, called } = start()
  const third = Router().get('/deep', named('h1')).all('/deep', named('h2'))
  const second = Router()
    .use('/c', third)
    .use(named('h3'))
    .use(Router().use('/c/deep', named('h4')))
  const first = Router({ mergeParams: true }).use('/b', second).post('/b', named('h5'))
  const app = express()
    .use(look)
    .use(named('h6'))
    .use('/a', named('h7'), first)
    .use(['/x', '/a/b'], named('h8'))
    .get('/a/:name/c/deep', named('h9'), named('h10'))
    .get('/a/:name', named('h11'))
    .post('/a/b', named('h12'))
    .use(/^\/a\/[bx]/, named('h13'))
    .get(/deep$/, named('h14'))
    .use('/A', named('h15'))
    .use('/ab', named('h16'))
  app.route('/a/b').get(named('h17')).post(named('h18'))
  // The body of an answer to HEAD is not sent.
  app.use((_req, res) => void res.set('X-Called', called.join(' ')).end())
  return app
}

describe('the handlers for a request', () => {
  it.each([
    ['get', '/'],
    ['get', '/a/b/c/deep'],
    ['head', '/a/b/c/deep?x=/a/b'],
    ['post', '/a/b/c/deep'],
    ['post', '/a/b'],
    ['get', '/a/b/'],
    ['get', '/A/B'],
    ['get', '/ab'],
    ['get', '/a'],
    ['get', '/a//b'],
    ['get', '/a/%C3%A4'],
    ['put', '/x/y'],
    ['options', '/x/y'],
  ] as const)('are those that Express calls, in its order: %s %s', async (method, path) => {
    let expected: unknown
    const app = createApp((req, _res, next) => {
      expected = namesFor(req)
      next()
    })
    const { headers } = await request(app)[method](path)
    const answered = headers['x-called']!.split(' ')
    expect(answered.length).toBeGreaterThan(0)
    expect(expected).toEqual(answered)
  })

  it('are found in an app that is mounted in another app, behind the path of the mount', async () => {
    const { named } = start()
    const found: string[][] = []
    const look: RequestHandler = (req, _res, next) => {
      found.push(namesFor(req))
      next()
    }
    const inner = express().use(look).get('/login', named('h1')).get('/api/login', named('h2'))
    const middle = express().use('/v1', inner)
    await request(express().use('/api', middle)).get('/api/v1/login')
    await request(express().use(inner)).get('/login')
    expect(found).toEqual([['h1'], ['h1']])
  })

  it('are found in a router by the path that a middleware has written', async () => {
    const { named } = start()
    let found: string[] = []
    const app = express()
      .use((req, _res, next) => {
        req.url = '/new'
        next()
      })
      .use(
        '/new',
        Router().use((req, _res, next) => {
          found = namesFor(req)
          next()
        }),
        named('h1'),
      )
      .use('/old', named('h2'))
    await request(app).get('/old')
    expect(found).toEqual(['h1'])
  })
})

it('looking changes nothing in the layers of the app', async () => {
  const layersOf = (app: Express) => stackOf(app).map(layer => ({ ...layer }))
  let before: unknown
  let after: unknown
  const app = createApp((req, _res, next) => {
    before = layersOf(req.app as Express)
    handlersFor(req)
    errorHandlersOf(req.app)
    after = layersOf(req.app as Express)
    next()
  })
  await request(app).get('/a/b/c/deep')
  expect(before).toHaveLength(layersOf(app).length)
  expect(after).toEqual(before)
})

it('a path with an expression that has a state is not compared, because that would change the next comparison', async () => {
  const path = /^\/a/g
  let thrown: unknown
  const app = express()
    .use((req, _res, next) => {
      try {
        handlersFor(req)
      } catch (error) {
        thrown = error
      }
      next()
    })
    .get(path, (_req, res) => res.json(path.lastIndex))
  await request(app).get('/a')
  // Express 5.0 and 5.1 do not keep the expression.
  if (stackOf(app).some(layer => 'rawPath' in layer || 'regexp' in layer))
    expect(thrown).toBeInstanceOf(Error)
})

it.each<[string, unknown]>([
  ['no app', undefined],
  ['an empty object', {}],
  ['an app without a stack', { _router: {} }],
  ['a stack that is no list', { _router: { stack: 7 } }],
  ['a stack of texts', { _router: { stack: ['a'] } }],
  ['a layer of another form', { _router: { stack: [{ handle: () => undefined }] } }],
  ['a layer without a handler', { _router: { stack: [{ slash: true }] } }],
  ['a route of another form', { _router: { stack: [{ slash: true, route: {}, handle: () => undefined }] } }],
  ['an app that throws', new Proxy({}, { get: () => assertNever() })],
  ['a stack with a circle', circle()],
  ['an endless stack', { _router: { stack: Array.from({ length: 10_001 }, () => anyLayer()) } }],
])('throws for %s, because nothing is known about the app', (_what, app) => {
  expect(() => handlersFor({ app, method: 'GET', url: '/', baseUrl: '' } as unknown as Request)).toThrow()
})

it.each([
  ['an address of a proxy request', { url: 'http://example.com/a' }],
  ['no address', { url: undefined }],
  ['no method', { method: undefined }],
  ['another path than that of the mount', { app: { ...oneLayer(), parent: {}, path: () => '/api' } }],
  ['a mount with several paths', { app: { ...oneLayer(), parent: {}, path: () => ['/api'] } }],
])('throws for a request with %s', (_what, part) => {
  const req = { app: oneLayer(), method: 'GET', url: '/', baseUrl: '' }
  expect(handlersFor(req as unknown as Request)).toHaveLength(1)
  expect(() => handlersFor({ ...req, ...part } as unknown as Request)).toThrow()
})

describe('the error handlers of an app', () => {
  const four: express.ErrorRequestHandler = (_error, _req, _res, next) => next()
  it.each<[string, () => Express, number]>([
    ['no error handler', () => express().use((_req, _res, next) => next()), 0],
    [
      'one at the end',
      () =>
        express()
          .get('/', () => undefined)
          .use(four),
      1,
    ],
    ['one in a router that is three deep', () => express().use(Router().use(Router().use('/x', four))), 1],
    ['one in a route', () => express().get('/', (_req, _res, next) => next(), four as never), 1],
  ])('are counted in an app with %s', (_what, create, count) => {
    expect(errorHandlersOf(create())).toHaveLength(count)
  })

  it('are also those of the apps in which the app is mounted', () => {
    const inner = express().use((_req, _res, next) => next())
    express().use('/api', express().use(inner)).use(four)
    expect(errorHandlersOf(inner)).toEqual([four])
  })

  it('throws if an app is its own parent', () => {
    const app: Record<string, unknown> = oneLayer()
    app['parent'] = app
    expect(() => errorHandlersOf(app)).toThrow()
  })
})

function stackOf(app: Express): object[] {
  const { _router: router = app.router } = app as { readonly _router?: { stack: object[] } }
  return router.stack
}

function assertNever(): never {
  throw new Error('An app whose members throw.')
}

function anyLayer() {
  return { slash: true, handle: () => undefined }
}

function oneLayer() {
  return { _router: { stack: [anyLayer()] } }
}

function circle() {
  const handle = Object.assign(() => undefined, { stack: [] as unknown[] })
  handle.stack.push({ slash: true, handle })
  return { _router: handle }
}
