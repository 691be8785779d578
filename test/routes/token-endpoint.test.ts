import { gzipSync } from 'node:zlib'
import { text as readText } from 'node:stream/consumers'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import express from 'express'
import { CustomUserDataError } from 'express-custom-user-data'
import type { Express, RequestHandler } from 'express'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { createBodyReader } from '../../lib/routes/request-body.js'
import { useDatabase } from '../support/database.js'
import { sendRaw } from '../support/http.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let verified: unknown[] = []
beforeEach(() => {
  verified = []
})

/** The app's own parsers, which let far more through. */
const PARSERS: Record<string, RequestHandler[]> = {
  'on their own': [],
  "behind the app's own parsers": [
    express.json({ limit: '5mb', strict: false }),
    express.urlencoded({ extended: true, limit: '5mb' }),
  ],
  "behind the app's own JSON parser": [express.json({ limit: '5mb', strict: false })],
  "behind the app's own text parser": [express.text({ limit: '5mb' })],
}

function createApp(parsers: RequestHandler[] = []): Express {
  const userData = createTestUserData(database)
  const app = express()
  app.use(...([...parsers, (_req, _res, next) => next()] satisfies RequestHandler[]))
  app.all(
    '/login',
    userData.login(credentials => {
      verified.push(credentials)
      return null
    }),
  )
  app.all('/refresh', userData.refresh())
  app.all('/logout', userData.logout())
  return app
}

const ROUTES = ['/login', '/refresh', '/logout']
const json = ['Content-Type', 'application/json']
const form = ['Content-Type', 'application/x-www-form-urlencoded']
const large = 'x'.repeat(101 * 1024)

function expectError(
  answer: { status: number; headers: object; body: unknown },
  status: number,
  error: string,
) {
  const body: unknown = typeof answer.body === 'string' ? JSON.parse(answer.body) : answer.body
  expect(body).toEqual({ error, error_description: expect.any(String) })
  expect(answer.status).toBe(status)
  expect(answer.headers).toMatchObject({
    'cache-control': 'no-store',
    'content-type': 'application/json; charset=utf-8',
  })
  expect(answer.headers).not.toHaveProperty('www-authenticate')
}

describe.each(Object.entries(PARSERS))('the token routes, %s', (_name, parsers) => {
  let app: Express
  beforeEach(() => {
    app = createApp(parsers)
    database.commands.clear()
  })

  async function expectRefused(headers: string[], chunks: string[], status = 400): Promise<void> {
    for (const path of ROUTES) {
      const answer = await sendRaw(app, { method: 'POST', path, headers, chunks })
      expectError(answer, status, 'invalid_request')
      for (const chunk of chunks.filter(text => text.length > 8)) {
        expect(answer.body).not.toContain(chunk.slice(0, 100))
      }
    }
    expect(verified).toEqual([])
    expect(database.commands).toHaveLength(0)
  }

  it('refuse a request without a body', async () => {
    await expectRefused([], [])
    await expectRefused(['Content-Type', 'text/plain'], [])
  })

  it('refuse other media types', async () => {
    for (const type of [
      'text/plain',
      'text/html',
      'multipart/form-data; boundary=a',
      'application/xml',
      'nonsense',
    ]) {
      await expectRefused(['Content-Type', type], ['{"refresh_token":"a","password":"b"}'])
    }
    await expectRefused([], ['{"refresh_token":"a","password":"b"}'])
  })

  it.each(['[]', '[{"email":"a"}]', '"text"', '42', 'null', 'true'])(
    'refuse JSON that is not an object: %s',
    async body => {
      if (parsers.length !== 1 || parsers === PARSERS["behind the app's own text parser"]) {
        await expectRefused(json, [body])
      }
    },
  )

  it('ASVS 15.3.5: refuse fields that are objects or lists', async () => {
    const values = ['{}', '[]', '["a"]', '{"$gt":""}', '{"$regex":".*"}', '{"_bsontype":"ObjectId"}', '[[]]']
    for (const value of values) {
      await expectRefused(json, [`{"email":${value},"password":"b","refresh_token":${value}}`])
    }
    await expectRefused(json, ['{"__proto__":{"refresh_token":"a","admin":true}}'])
  })

  it('ASVS 15.3.7: refuse a parameter that is repeated in a form (RFC 6749 3.2)', async () => {
    await expectRefused(form, ['email=a&email=b&refresh_token=a&refresh_token=b'])
  })

  it('refuse a body over 100 kB, with or without a known length', async () => {
    const [asJson, asForm] = [
      JSON.stringify({ email: large, refresh_token: large }),
      `refresh_token=a&email=${large}`,
    ]
    await expectRefused(json, [asJson], 413)
    await expectRefused([...json, 'Content-Length', String(asJson.length)], [asJson], 413)
    await expectRefused(form, [asForm], 413)
  })

  it('refuse a body that is small only while it is compressed', async () => {
    for (const path of ROUTES) {
      const bytes = gzipSync(JSON.stringify({ email: large, refresh_token: large }))
      expect(bytes.length).toBeLessThan(1024)
      const answer = await request(app)
        .post(path)
        .set({ 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' })
        .serialize(body => body as string)
        .send(bytes as never)
      expectError(answer, 413, 'invalid_request')
    }
    expect(verified).toEqual([])
    expect(database.commands).toHaveLength(0)
  })

  it.each(['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('tell %s that they accept POST', async method => {
    for (const path of ROUTES) {
      const answer = await sendRaw(app, { method, path })
      expectError(answer, 405, 'invalid_request')
      expect(answer.headers).toMatchObject({ allow: 'POST' })
    }
    expect(database.commands).toHaveLength(0)
  })

  it('answer HEAD without a body', async () => {
    const answer = await sendRaw(app, { method: 'HEAD', path: '/login' })
    expect(answer).toMatchObject({
      status: 405,
      body: '',
      headers: { allow: 'POST', 'cache-control': 'no-store' },
    })
  })

  it('accept JSON in chunks', async () => {
    const answer = await sendRaw(app, {
      method: 'POST',
      path: '/login',
      headers: json,
      chunks: ['{"email":"a', '@example.com",', '"password":"b"}'],
    })
    expectError(answer, 401, 'invalid_credentials')
    expect(verified).toEqual([{ email: 'a@example.com', password: 'b' }])
  })

  it('accept a form', async () => {
    const answer = await request(app)
      .post('/login')
      .type('form')
      .send({ email: 'a@example.com', password: 'b c' })
    expectError(answer, 401, 'invalid_credentials')
    expect({ ...(verified[0] as object) }).toEqual({ email: 'a@example.com', password: 'b c' })
  })

  it.each(['', 'x'.repeat(1025)])('need a refresh token of 1 to 1,024 characters (%#)', async text => {
    for (const path of ['/refresh', '/logout']) {
      for (const body of [
        { refresh_token: text },
        {},
        { refreshToken: 'a' },
        { refresh_token: 42 },
        { refresh_token: null },
      ]) {
        expectError(await request(app).post(path).send(body), 400, 'invalid_request')
      }
    }
    expect(database.commands).toHaveLength(0)
  })
})

describe('broken bodies', () => {
  it.each(['{', '{"email":', '{"email":"a"}}', '\0', '{"email":"\n"}', "{'a':1}", 'email=a'])(
    'are refused without being quoted: %j',
    async body => {
      for (const path of ROUTES) {
        const answer = await sendRaw(createApp(), { method: 'POST', path, headers: json, chunks: [body] })
        expectError(answer, 400, 'invalid_request')
        expect(answer.body).not.toContain('JSON at position')
        expect(answer.body).not.toContain('Unexpected')
      }
    },
  )

  it.each(['utf-16', 'nonsense'])('include an unsupported charset: %s', async charset => {
    const headers = ['Content-Type', `application/json; charset=${charset}`]
    const answer = await sendRaw(createApp(), { method: 'POST', path: '/login', headers, chunks: ['{}'] })
    expectError(answer, 400, 'invalid_request')
  })

  it('include data that cannot be decompressed', async () => {
    const headers = [...json, 'Content-Encoding', 'gzip']
    const answer = await sendRaw(createApp(), {
      method: 'POST',
      path: '/login',
      headers,
      chunks: ['not gzip'],
    })
    expectError(answer, 400, 'invalid_request')
  })
})

it('RFC 6749 5.2: a description has none of the characters that the RFC leaves out, whoever wrote it', async () => {
  const userData = createTestUserData(database)
  const app = express()
    .post(
      '/login',
      userData.login(() => {
        throw new CustomUserDataError('forbidden', 'Say "please" \\ bitte schön\n🙂')
      }),
    )
    .post('/refresh', userData.refresh())
  const answers = [
    await request(app).post('/login').send({ email: 'a' }),
    await request(app).post('/refresh').send({ refresh_token: 42 }),
    await request(app)
      .post('/refresh')
      .send({ grant_type: ['a'] }),
  ]
  for (const { body } of answers) {
    const { error_description: description } = body as Record<string, string>
    expect(description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
  }
  expect(answers[0]!.body).toMatchObject({ error_description: "Say 'please' ' bitte sch'n'''" })
  expect(answers[1]!.body).toMatchObject({ error_description: expect.stringContaining("'refresh_token'") })
})

it('a route has its name, for stack traces and profiles', () => {
  const userData = createTestUserData(database)
  const names = [userData.login(() => null), userData.refresh(), userData.logout()].map(({ name }) => name)
  expect(names).toEqual(['login', 'refresh', 'logout'])
})

describe('a body that JSON cannot show', () => {
  const circular: Record<string, unknown> = { user: 'alice' }
  circular['self'] = circular
  it.each<[string, object]>([
    ['a bigint', { user: 1n }],
    ['a circle', circular],
    ['a toJSON that gives nothing', { user: 'alice', toJSON: () => undefined }],
  ])('is 400 if its length is unknown: %s', async (_what, body) => {
    const app = createApp([
      (req, _res, next) => {
        req.body = body
        next()
      },
    ])
    for (const path of ROUTES) {
      expectError(
        await sendRaw(app, { method: 'POST', path, headers: json, chunks: ['{}'] }),
        400,
        'invalid_request',
      )
    }
  })

  it.each(['[', '{"a":'])('is 400 if it is nested too deeply: %s', async open => {
    const depth = Math.floor((90 * 1024) / (open.length + 1))
    const nested = open.repeat(depth) + '1' + (open === '[' ? ']' : '}').repeat(depth)
    const chunks = [`{"refresh_token":${nested}}`]
    for (const path of ROUTES) {
      expectError(
        await sendRaw(createApp(), { method: 'POST', path, headers: json, chunks }),
        400,
        'invalid_request',
      )
    }
  })
})

describe('a body that is nested deeply', () => {
  const deep = `{"refresh_token":${'['.repeat(6_000)}${']'.repeat(6_000)}}`
  /** A schema that walks through the body, as schemas of recursive types do. */
  const recursive: StandardSchemaV1<unknown, object> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: value => ({ value: JSON.parse(JSON.stringify(value)) as object }),
    },
  }

  it.each<[string, string[], string | Buffer]>([
    ['in one piece', ['Content-Length', String(deep.length)], deep],
    ['in chunks', [], deep],
    ['compressed', ['Content-Encoding', 'gzip'], gzipSync(deep)],
  ])('is 400, and no callback of the team gets it: %s', async (_how, headers, body) => {
    const app = createApp()
    const login = createTestUserData(database).login(
      credentials => {
        verified.push(credentials)
        return null
      },
      { body: recursive },
    )
    app.post('/login-with-schema', login)
    for (const path of [...ROUTES, '/login-with-schema']) {
      const answer = await sendRaw(app, {
        method: 'POST',
        path,
        headers: [...json, ...headers],
        chunks: [body],
      })
      expectError(answer, 400, 'invalid_request')
      expect(answer.body).toContain('nested more than 32 levels deep')
    }
    expect(verified).toEqual([])
  })
})

describe('a body with very many fields and elements', () => {
  const fields = (count: number): object =>
    Object.fromEntries(Array.from({ length: count }, (_item, i) => [`f${i}`, 1]))

  it('is 413 over 5,000, whoever has parsed it', async () => {
    for (const app of [createApp(), createApp(PARSERS["behind the app's own parsers"])]) {
      for (const path of ROUTES) {
        const answer = await request(app).post(path).send(fields(5_001))
        expectError(answer, 413, 'invalid_request')
        expect((answer.body as Record<string, string>)['error_description']).toContain('5000')
      }
      expectError(await request(app).post('/login').send(fields(5_000)), 401, 'invalid_credentials')
    }
  })

  it('is 413 over 5,000 in a form too, and the error says so', async () => {
    const sendForm = (count: number) =>
      request(createApp())
        .post('/login')
        .type('form')
        .send(Array.from({ length: count }, (_item, i) => `f${i}=1`).join('&'))
    const answer = await sendForm(5_001)
    expectError(answer, 413, 'invalid_request')
    expect((answer.body as Record<string, string>)['error_description']).toBe(
      'The body has more than 5000 fields and elements.',
    )
    expectError(await sendForm(5_000), 401, 'invalid_credentials')
  })
})

/** Adapters for serverless platforms set `req.body`, and leave the stream alone. */
const adapted =
  (body: unknown): RequestHandler =>
  (req, _res, next) => {
    req.body = body
    next()
  }

describe('a body that is a text or bytes', () => {
  const text = '{"email":"a@example.com","password":"ü"}'
  const credentials = { email: 'a@example.com', password: 'ü' }
  const send = (app: Express, headers: string[], body: string | Buffer) =>
    sendRaw(app, { method: 'POST', path: '/login', headers, chunks: [body] })

  it.each<[string, RequestHandler, string[], string | Buffer]>([
    ['express.raw()', express.raw({ type: () => true }), json, text],
    [
      'express.raw() of a form',
      express.raw({ type: () => true }),
      form,
      'email=a%40example.com&password=%C3%BC',
    ],
    ['express.text()', express.text({ type: () => true }), json, text],
    [
      'express.text() of a form',
      express.text({ type: () => true }),
      form,
      'email=a%40example.com&password=%C3%BC',
    ],
    [
      'express.text() with a character set',
      express.text({ type: () => true }),
      ['Content-Type', 'application/json; charset=iso-8859-1'],
      Buffer.from(text, 'latin1'),
    ],
    [
      'express.raw() of a compressed body',
      express.raw({ type: () => true }),
      [...json, 'Content-Encoding', 'gzip'],
      gzipSync(text),
    ],
    ['an adapter with a text', adapted(text), json, ''],
    ['an adapter with bytes', adapted(Buffer.from(text)), json, ''],
    ['an adapter with a Uint8Array', adapted(new Uint8Array(Buffer.from(text))), json, ''],
    ['an adapter with compressed bytes', adapted(gzipSync(text)), [...json, 'Content-Encoding', 'gzip'], ''],
  ])('is parsed by its content type: %s', async (_what, parser, headers, body) => {
    expectError(await send(createApp([parser]), headers, body), 401, 'invalid_credentials')
    expect({ ...(verified[0] as object) }).toEqual(credentials)
  })

  it.each<[string, string[], string | Buffer, number]>([
    ['over 100 kB', json, JSON.stringify({ email: large }), 413],
    [
      'over 100 kB only after it is decompressed',
      [...json, 'Content-Encoding', 'gzip'],
      gzipSync(JSON.stringify({ email: large })),
      413,
    ],
    ['nested deeply', json, `{"email":${'['.repeat(6_000)}${']'.repeat(6_000)}}`, 400],
    ['broken', json, '{"email":', 400],
    ['no object', json, '[]', 400],
    ['of another type', ['Content-Type', 'text/plain'], text, 400],
    ['of no type', [], text, 400],
  ])('has the same limits: a body that is %s', async (_what, headers, body, status) => {
    const buffer = Buffer.from(body)
    for (const parser of [express.raw({ type: () => true, limit: '5mb' }), adapted(buffer)]) {
      expectError(await send(createApp([parser]), headers, buffer), status, 'invalid_request')
    }
    if (typeof body === 'string')
      expectError(await send(createApp([adapted(body)]), headers, ''), status, 'invalid_request')
    expect(verified).toEqual([])
  })
})

describe('a body that other middleware has read without setting req.body', () => {
  const consume: RequestHandler = (req, _res, next) => {
    readText(req).then(() => {
      next()
    }, next)
  }

  it('is a fault of the server, and the error says what to do', async () => {
    const app = createApp([consume])
    for (const path of ROUTES) {
      const answer = await sendRaw(app, { method: 'POST', path, headers: json, chunks: ['{"email":"a"}'] })
      expectError(answer, 500, 'server_error')
    }
    const readBody = createBodyReader({ json: ['application/json'], form: false, refusesEmpty: false })
    let found: unknown
    const direct = express().post('/', consume, (req, res) => {
      readBody(req, res).then(undefined, (error: unknown) => {
        found = error
        res.end()
      })
    })
    await sendRaw(direct, { method: 'POST', path: '/', headers: json, chunks: ['{}'] })
    expect(found).toMatchObject({
      code: 'body_consumed',
      message: expect.stringContaining('let that middleware set req.body'),
    })
  })

  it('is no fault of the server if the route would not have taken it anyway', async () => {
    const answer = await sendRaw(createApp([consume]), {
      method: 'POST',
      path: '/login',
      headers: ['Content-Type', 'text/plain'],
      chunks: ['text'],
    })
    expectError(answer, 400, 'invalid_request')
  })

  it('is read as usual if that middleware has put it back into the stream', async () => {
    const peek: RequestHandler = (req, _res, next) => {
      req.once('readable', () => {
        req.unshift(req.read())
        next()
      })
    }
    const answer = await sendRaw(createApp([peek]), {
      method: 'POST',
      path: '/login',
      headers: json,
      chunks: ['{"email":"a"}'],
    })
    expectError(answer, 401, 'invalid_credentials')
  })
})
