import { configure } from '@codegenie/serverless-express'
import express from 'express'
import type { Express } from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import serverless from 'serverless-http'
import { beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { AUDIENCE, ISSUER, SECRET } from '../support/user-data.js'

/** An answer of AWS Lambda to API Gateway. The second format has cookies in a list of their own. */
interface LambdaAnswer {
  readonly statusCode: number
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[]>>
  readonly cookies?: readonly string[]
}

type Invoke = (event: object) => Promise<LambdaAnswer>

interface Call {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly isBase64Encoded?: boolean
}

/** Its declarations have imports without extensions, which the compiler cannot resolve here. */
const configureAdapter = configure as unknown as (options: {
  readonly app: Express
}) => (event: object, context: object, callback: () => void) => Promise<LambdaAnswer>

const LAMBDA_CONTEXT = { awsRequestId: '1' } as never

const adapters: readonly [string, (app: Express) => Invoke][] = [
  [
    'serverless-http',
    app => {
      const handle = serverless(app)
      return event => handle(event, LAMBDA_CONTEXT) as Promise<LambdaAnswer>
    },
  ],
  [
    '@codegenie/serverless-express',
    app => {
      const handle = configureAdapter({ app })
      return event => handle(event, LAMBDA_CONTEXT, () => undefined)
    },
  ],
]

const events: readonly [string, (call: Call) => object][] = [
  [
    'a REST API',
    ({ method, path, headers = {}, body = '', isBase64Encoded = false }) => ({
      httpMethod: method,
      resource: path,
      path,
      headers,
      multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
      queryStringParameters: null,
      multiValueQueryStringParameters: null,
      body,
      isBase64Encoded,
      requestContext: { stage: 'test', path, httpMethod: method, identity: { sourceIp: '127.0.0.1' } },
    }),
  ],
  [
    'an HTTP API',
    ({ method, path, headers = {}, body = '', isBase64Encoded = false }) => ({
      version: '2.0',
      routeKey: '$default',
      rawPath: path,
      rawQueryString: '',
      headers,
      body,
      isBase64Encoded,
      requestContext: {
        stage: '$default',
        http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'test' },
      },
    }),
  ],
]

const database = useDatabase()
beforeAll(async () => {
  await database.db.collection('custom_user_data').insertOne({ userId: 'alice', plan: 'gold' })
})

describe.each(adapters)('behind %s', (_adapter, adapt) => {
  describe.each(events)('with events of %s', (_api, toEvent) => {
    /** A cold start: a new instance on the connections that the process keeps. */
    function start(options: object = {}) {
      const userData = createCustomUserData({
        collection: database.db.collection('custom_user_data'),
        secret: SECRET,
        issuer: ISSUER,
        audience: AUDIENCE,
        loadTimeoutMs: 10_000,
        sessionTimeoutMs: 10_000,
        ...options,
      })
      const app = express()
      app.post(
        '/login',
        userData.login(({ username }) => (username === 'alice' ? { id: 'alice' } : null)),
      )
      app.post('/refresh', userData.refresh())
      app.post('/logout', userData.logout())
      app.use(userData.authenticate())
      app.get('/me', (req, res) => res.json(userData.user(req).customData))
      app.use(userData.errorHandler())
      const invoke = adapt(app)
      return { userData, send: (call: Call) => invoke(toEvent(call)) }
    }

    const logIn: Call = {
      method: 'POST',
      path: '/login',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username: 'alice' }),
    }
    const me = (token: string): Call => ({
      method: 'GET',
      path: '/me',
      headers: { Authorization: `Bearer ${token}` },
    })

    it.each([
      ['as text', logIn],
      [
        'in base64',
        { ...logIn, body: Buffer.from(logIn.body ?? '').toString('base64'), isBase64Encoded: true },
      ],
    ])('a login with a body %s gives tokens that another cold start accepts', async (_name, call) => {
      const login = await start().send(call)
      expect(login.statusCode).toBe(200)
      const { access_token, refresh_token } = JSON.parse(login.body)
      const { send } = start()
      expect(JSON.parse((await send(me(access_token))).body)).toMatchObject({ plan: 'gold' })
      const form = new URLSearchParams({ refresh_token }).toString()
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
      const refresh = await start().send({ method: 'POST', path: '/refresh', headers, body: form })
      expect(JSON.parse(refresh.body)).toMatchObject({ user: { id: 'alice', customData: { plan: 'gold' } } })
    })

    it('a request without a valid token is a 401 with the challenge', async () => {
      const { statusCode, headers, multiValueHeaders } = await start().send(me('a.b.c'))
      expect(statusCode).toBe(401)
      expect(JSON.stringify(headers ?? multiValueHeaders)).toContain('invalid_token')
    })

    it('cookies carry both tokens, each as a header of its own, and a logout ends the session', async () => {
      const { send } = start({ refreshTokenTransport: 'cookie', accessTokenTransport: 'cookie' })
      const headers = { ...logIn.headers, Host: 'app.example.com', 'X-Forwarded-Proto': 'https' }
      const login = await send({ ...logIn, headers })
      const cookies = setCookies(login)
      expect(cookies).toHaveLength(2)
      const Cookie = cookies.map(cookie => cookie.split(';')[0]).join('; ')
      expect((await send({ method: 'GET', path: '/me', headers: { Cookie } })).statusCode).toBe(200)
      const logout = await send({ method: 'POST', path: '/logout', headers: { Cookie } })
      expect(logout.statusCode).toBe(204)
      expect((await send({ method: 'GET', path: '/me', headers: { Cookie } })).statusCode).toBe(401)
    })
  })
})

function setCookies({ cookies, headers, multiValueHeaders }: LambdaAnswer): readonly string[] {
  const fromHeaders = Object.entries({ ...headers, ...multiValueHeaders })
    .filter(([name]) => name.toLowerCase() === 'set-cookie')
    .flatMap(([, value]) => value)
  return cookies ?? fromHeaders
}
