import express from 'express'
import { CustomUserDataError } from 'express-custom-user-data'
import type { CustomUserDataOptions, LoginOptions, VerifyCredentials } from 'express-custom-user-data'
import { Long, ObjectId } from 'mongodb'
import request from 'supertest'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const DOCUMENT = {
  _id: new ObjectId(),
  userId: 'alice',
  plan: 'gold',
  since: new Date('2020-01-02T03:04:05.678Z'),
  points: Long.fromNumber(7),
  nested: { list: [1, { deep: true }], none: null },
}

const database = useDatabase()
beforeAll(async () => {
  await database.db.collection('custom_user_data').insertOne(DOCUMENT)
})
beforeEach(() => {
  database.commands.clear()
})

interface Given {
  options?: Partial<CustomUserDataOptions<Record<string, unknown>>>
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the schema makes of the body
  login?: LoginOptions<any>
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
function createApp(verify: VerifyCredentials<any>, { options, login }: Given = {}) {
  const userData = createTestUserData(database, options)
  const app = express()
  app.post('/login', userData.login(verify, login))
  app.get('/me', userData.authenticate(), (req, res) => res.json(req.user?.customData))
  return app
}

async function logIn(verify: VerifyCredentials, given?: Given, body: object = { email: 'a', password: 'b' }) {
  const answer = await request(createApp(verify, given)).post('/login').send(body)
  expect(answer.headers['cache-control']).toBe('no-store')
  expect(answer.headers).not.toHaveProperty('www-authenticate')
  return answer
}

/** Not all commands: indexes are made in the background. */
const queries = () => [...database.commands.loads(), ...database.commands.named('insert')]
const sessions = () => database.db.collection('custom_user_data_sessions')
const alice = () => ({ id: 'alice' })

describe('the answer of a login', () => {
  it('has exactly the members of RFC 6749 5.1, and the user', async () => {
    const { status, body } = await logIn(alice)
    expect(status).toBe(200)
    expect(body).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 1800,
      refresh_token: expect.stringMatching(/^[\w-]{22}\.0\.[\w-]{43}\.[\w-]{22}$/),
      user: { id: 'alice', customData: expect.objectContaining({ plan: 'gold' }) },
    })
  })

  it('contains the lifetime of the access token', async () => {
    expect((await logIn(alice, { options: { accessTokenTtlSeconds: 60 } })).body.expires_in).toBe(60)
  })

  it('contains the same customData as res.json(req.user.customData)', async () => {
    const app = createApp(alice)
    const { body } = await request(app).post('/login').send({ email: 'a' })
    const me = await request(app).get('/me').auth(body.access_token, { type: 'bearer' })
    expect(body.user.customData).toEqual(me.body)
    expect(me.body).toEqual({
      _id: DOCUMENT._id.toHexString(),
      userId: 'alice',
      plan: 'gold',
      since: '2020-01-02T03:04:05.678Z',
      points: 7,
      nested: { list: [1, { deep: true }], none: null },
    })
  })

  it('keeps the snapshot for its token, so that the next request sends no query', async () => {
    const app = createApp(alice)
    const { body } = await request(app).post('/login').send({ email: 'a' })
    database.commands.clear()
    await request(app).get('/me').auth(body.access_token, { type: 'bearer' })
    expect(queries()).toHaveLength(0)
  })

  it('has {} for a user without a document', async () => {
    expect((await logIn(() => ({ id: 'nobody' }))).body.user).toEqual({ id: 'nobody', customData: {} })
  })

  it('stores neither of the two tokens', async () => {
    const { body } = await logIn(() => ({ id: 'stored' }))
    const stored = JSON.stringify(await sessions().find({ userId: 'stored' }).toArray())
    expect(stored).toContain('stored')
    expect(stored).not.toContain(String(body.refresh_token).slice(-43))
    expect(stored).not.toContain(body.access_token)
  })
})

describe('verifyCredentials', () => {
  it('gets the parsed body and the request', async () => {
    const calls: unknown[] = []
    await logIn((credentials, req) => {
      calls.push(credentials, req.method, req.get('user-agent'))
      return null
    })
    expect(calls).toEqual([{ email: 'a', password: 'b' }, 'POST', undefined])
  })

  it('gets texts, numbers, booleans and null unchanged', async () => {
    const body = { text: '', number: 1.5, yes: true, no: false, nothing: null }
    let seen: unknown
    await logIn(
      credentials => {
        seen = credentials
        return null
      },
      {},
      body,
    )
    expect(seen).toEqual(body)
  })

  it.each([
    ['null', () => null],
    ['undefined', () => undefined],
    ['a promise of null', async () => null],
  ])('that returns %s refuses the credentials: 401 without a challenge', async (_name, verify) => {
    const answer = await logIn(verify)
    expect(answer.status).toBe(401)
    expect(answer.body).toEqual({
      error: 'invalid_credentials',
      error_description: 'The credentials are wrong.',
    })
    expect(queries()).toHaveLength(0)
  })

  it.each<[string, () => never | Promise<never>]>([
    [
      'throws',
      () => {
        throw new Error('the password hunter2 is wrong, mongodb://host')
      },
    ],
    ['rejects', () => Promise.reject(new Error('hunter2'))],
    [
      'throws a value that is not an error',
      () => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- as callbacks do
        throw 'hunter2'
      },
    ],
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as callbacks do
    ['rejects with nothing', () => Promise.reject(undefined)],
  ])('that %s is a 500 that does not reveal the reason', async (_name, verify) => {
    const answer = await logIn(verify)
    expect(answer.status).toBe(500)
    expect(answer.body).toEqual({ error: 'server_error', error_description: 'The server is misconfigured' })
    expect(queries()).toHaveLength(0)
  })

  it.each([
    'alice',
    '',
    0,
    42,
    true,
    false,
    {},
    [],
    { id: '' },
    { id: 42 },
    { id: null },
    { id: { $ne: null } },
    { id: ['alice'] },
    { id: 'x'.repeat(256) },
    { _id: 'alice' },
    () => 'alice',
  ])('that returns an invalid value is a 500: %j', async nonsense => {
    const answer = await logIn((() => nonsense) as never)
    expect(answer.status).toBe(500)
    expect(answer.body).toEqual({ error: 'server_error', error_description: 'The server is misconfigured' })
    expect(queries()).toHaveLength(0)
  })

  it('that never settles is a 503 after its time, and may still fail later', async () => {
    let fail: ((error: Error) => void) | undefined
    const never = () => new Promise<never>((_resolve, reject) => (fail = reject))
    const answer = await logIn(never, { options: { verifyCredentialsTimeoutMs: 20 } })
    expect(answer.status).toBe(503)
    expect(answer.body.error).toBe('temporarily_unavailable')
    expect(answer.headers['retry-after']).toBe('1')
    fail?.(new Error('too late'))
    expect(queries()).toHaveLength(0)
  })

  it('may throw an error of this package, which becomes the answer', async () => {
    const answer = await logIn(() => {
      throw new CustomUserDataError('invalid_credentials', 'The account is locked.')
    })
    expect(answer.status).toBe(401)
    expect(answer.body).toEqual({ error: 'invalid_credentials', error_description: 'The account is locked.' })
  })
})

describe('the option account', () => {
  it.each<[string, () => unknown]>([
    ['resolves', () => Promise.resolve('alice')],
    ['rejects', () => Promise.reject(new Error('theirs'))],
  ])('must not be async: a promise that %s is a 500, and ends no process', async (_what, account) => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    const answer = await logIn(alice, { login: { account: account as never } })
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    process.off('unhandledRejection', note)
    expect(answer.status).toBe(500)
    expect(answer.body.error).toBe('server_error')
    expect(unhandled).toEqual([])
  })
})

describe('a Standard Schema of the body', () => {
  const body = z.object({ user: z.object({ name: z.string() }), code: z.array(z.number()).max(2) })

  it('lets fields be more than scalars, and its output goes to verifyCredentials', async () => {
    let seen: unknown
    const app = createApp(
      (credentials: z.infer<typeof body>) => {
        seen = credentials
        return { id: credentials.user.name }
      },
      { login: { body: body.transform(({ user, code }) => ({ user, code, sum: code.length })) } },
    )
    const answer = await request(app)
      .post('/login')
      .send({ user: { name: 'alice' }, code: [1, 2], more: 1 })
    expect(answer.status).toBe(200)
    expect(seen).toEqual({ user: { name: 'alice' }, code: [1, 2], sum: 2 })
  })

  it('refuses other bodies with 400, without quoting them', async () => {
    const never = () => expect.unreachable()
    for (const wrong of [{ user: 'hunter2', code: [] }, {}, { user: { name: { $gt: '' } }, code: [] }]) {
      const answer = await logIn(never, { login: { body } }, wrong)
      expect(answer.status).toBe(400)
      expect(answer.body.error).toBe('invalid_request')
      expect(answer.text).not.toContain('hunter2')
    }
  })

  it('that throws or rejects is a 500 that does not reveal the reason', async () => {
    for (const validate of [
      () => {
        throw new Error('hunter2')
      },
      () => Promise.reject(new Error('hunter2')),
    ]) {
      const broken = { '~standard': { version: 1, vendor: 'test', validate } } as const
      const answer = await logIn(alice, { login: { body: broken } })
      expect(answer.status).toBe(500)
      expect(answer.text).not.toContain('hunter2')
    }
  })
})

describe('a login that cannot be completed', () => {
  it('starts no session for a user without a document under requireDocument', async () => {
    const answer = await logIn(() => ({ id: 'refused' }), { options: { requireDocument: true } as object })
    expect(answer.status).toBe(403)
    expect(answer.body.error).toBe('custom_data_missing')
    expect(await sessions().countDocuments({ userId: 'refused' })).toBe(0)
  })

  it('starts no session if the document is over its limit', async () => {
    await database.db.collection('custom_user_data').insertOne({ userId: 'large', text: 'x'.repeat(1000) })
    const answer = await logIn(() => ({ id: 'large' }), { options: { maxDocumentBytes: 500 } })
    expect(answer.status).toBe(500)
    expect(answer.body).toEqual({
      error: 'server_error',
      error_description: 'The custom data is too large',
    })
    expect(await sessions().countDocuments({ userId: 'large' })).toBe(0)
  })
})

describe('issueTokens()', () => {
  it('answers as a login does', async () => {
    const userData = createTestUserData(database, { clock: createManualClock() })
    const { user, ...tokens } = await userData.issueTokens('alice')
    expect(Object.keys(tokens)).toEqual(['access_token', 'token_type', 'expires_in', 'refresh_token'])
    expect(user.customData).toMatchObject({ plan: 'gold' })
  })

  it.each([undefined, null, '', 42, {}, { $ne: null }, 'x'.repeat(256)])(
    'is a TypeError for a value that is not a user id, and sends no command: %j',
    async userId => {
      const userData = createTestUserData(database)
      await expect(userData.issueTokens(userId as string)).rejects.toThrow(TypeError)
      expect(queries()).toHaveLength(0)
    },
  )
})
