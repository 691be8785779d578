import { BSON, Credentials, MongoDBRealmError } from 'realm-web'
import type { User } from 'realm-web'
import { expect, test } from 'vitest'
import { AppServicesError } from 'express-custom-user-data/app-services'
import type { AppServicesOptions, FunctionContext } from 'express-custom-user-data/app-services'
import { useDatabase } from '../../support/database.js'
import { startRealmService } from '../support/realm-service.js'
import type { RealmService } from '../support/realm-service.js'

const database = useDatabase()

async function start(
  functions: AppServicesOptions['functions'],
  service: Partial<AppServicesOptions> = {},
): Promise<{ service: RealmService; user: User }> {
  const started = await startRealmService(database, { service: { functions, ...service } })
  const user = await started.newClient().logIn(Credentials.anonymous())
  return { service: started, user }
}

async function errorOf(promise: Promise<unknown>): Promise<MongoDBRealmError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(MongoDBRealmError)
  return error as MongoDBRealmError
}

test('a client calls a function by its name, by a method and by the factory', async () => {
  const { user } = await start({
    sum: (_context, a: number, b: number) => a + b,
    'admin/ping-1': () => 'pong',
  })
  expect(await user.callFunction('sum', 1, 2)).toBe(3)
  expect(await user.functions['sum']?.(3, 4)).toBe(7)
  expect(await user.functions.callFunction('admin/ping-1')).toBe('pong')
})

test('arguments keep their types, numbers become numbers, and a nested undefined becomes null', async () => {
  let got: unknown[] = []
  const { user } = await start({ take: (_context, ...args) => void (got = args) })
  const id = new BSON.ObjectId()
  const at = new Date(1_700_000_000_123)
  const bytes = new BSON.Binary(Buffer.from([1, 2, 255]))
  await user.callFunction('take', id, at, BSON.Long.fromNumber(42), bytes, 'text', 1.5, null, true, [
    { deep: undefined, list: [undefined, 1] },
  ])
  expect(got).toHaveLength(9)
  expect(String(got[0])).toBe(id.toHexString())
  expect(got[1]).toEqual(at)
  expect(got[2]).toBe(42)
  expect(Buffer.from((got[3] as { buffer: Uint8Array }).buffer)).toEqual(Buffer.from([1, 2, 255]))
  expect(got.slice(4)).toEqual(['text', 1.5, null, true, [{ deep: null, list: [null, 1] }]])
})

test('results keep their types on the way to the client', async () => {
  const at = new Date(1_700_000_000_123)
  const { user } = await start({
    give: () => ({
      at,
      id: new BSON.ObjectId('0123456789abcdef01234567').toHexString(),
      map: new Map([['a', 1]]),
      set: new Set([1, 2]),
      bytes: Buffer.from('hi'),
      missing: undefined,
      invalid: new Date(NaN),
      big: 5_000_000_000n,
      list: [undefined, { x: 0.5 }],
      toldBy: { toJSON: () => 'itself' },
    }),
    id: async () =>
      database.db
        .collection('x')
        .findOne({ _id: (await database.db.collection('x').insertOne({})).insertedId }),
    nothing: () => undefined,
  })
  const result = await user.callFunction<Record<string, unknown>>('give')
  expect(result).toMatchObject({
    at,
    map: { a: 1 },
    set: [1, 2],
    missing: null,
    invalid: null,
    big: 5_000_000_000,
    list: [null, { x: 0.5 }],
    toldBy: 'itself',
  })
  expect(String((result['bytes'] as { value: (asRaw: boolean) => unknown }).value(true))).toBe('hi')
  expect((await user.callFunction<{ _id: object }>('id'))._id).toBeInstanceOf(BSON.ObjectId)
  expect(await user.callFunction('nothing')).toBeNull()
})

test.each<[string, () => unknown]>([
  ['a function', () => ({ run: () => 1 })],
  ['a symbol', () => [Symbol('x')]],
  ['a bigint beyond 64 bits', () => 2n ** 64n],
  [
    'an object that contains itself',
    () => {
      const loop: Record<string, unknown> = {}
      return Object.assign(loop, { loop })
    },
  ],
  ['a map with other keys', () => new Map([[1, 2]])],
  [
    'a stream',
    async function* () {
      yield await Promise.resolve(1)
    },
  ],
  ['too many bytes', () => 'x'.repeat(2_000)],
])('a result with %s is an error that is reported, and its text stays here', async (_name, handler) => {
  const { service, user } = await start({ bad: handler }, { maxResultBytes: 1_024 })
  const error = await errorOf(user.callFunction('bad'))
  expect([error.statusCode, error.errorCode, error.error]).toEqual([
    400,
    'FunctionExecutionError',
    "function 'bad' failed",
  ])
  expect(String(service.reports)).toContain('The result')
})

test('the context tells user, custom data and request as copies of its own', async () => {
  const contexts: FunctionContext[] = []
  const { service, user } = await start({
    who: context => {
      contexts.push(context)
      Object.assign(context.user.custom_data, { changed: true })
      return context.user.id
    },
  })
  const since = new Date()
  await service.userData.forUser(user.id).update({ $set: { theme: 'dark', since } }, { upsert: true })
  await user.refreshCustomData()
  expect(await user.callFunction('who')).toBe(user.id)
  expect(await user.callFunction('who')).toBe(user.id)
  const [, second] = contexts
  expect(second?.user).toMatchObject({
    id: user.id,
    type: 'normal',
    data: {},
    custom_data: { theme: 'dark', since },
  })
  expect(second?.user.identities).toEqual([{ id: expect.any(String), provider_type: 'anon-user', data: {} }])
  expect(second?.request).toEqual({ remoteIPAddress: expect.any(String), httpUserAgent: 'node' })
  expect(contexts[0]?.user.custom_data).not.toBe(second?.user.custom_data)
})

test('a call takes one query of the user', async () => {
  const { user } = await start({ ping: () => 1 })
  await user.callFunction('ping')
  database.commands.clear()
  await user.callFunction('ping')
  expect(database.commands.map(({ name }) => name)).toEqual(['find'])
})

test.each(['missing', 'constructor', '__proto__', 'toString'])(
  'a function %s that the team did not write is not found',
  async name => {
    const { user } = await start({ ping: () => 1 })
    const error = await errorOf(user.functions.callFunction(name))
    expect([error.statusCode, error.errorCode, error.error]).toEqual([
      404,
      'FunctionNotFound',
      `function not found: '${name}'`,
    ])
  },
)

class SecretError extends Error {}

test.each<[string, unknown, number, string, string]>([
  ['a plain Error', new Error('too few credits'), 400, 'FunctionExecutionError', 'too few credits'],
  ['an AppServicesError', new AppServicesError('LimitExceeded', 'slower'), 429, 'LimitExceeded', 'slower'],
  ['InvalidSession', new AppServicesError('InvalidSession', 'no'), 400, 'FunctionExecutionError', 'no'],
  ['AuthError', new AppServicesError('AuthError', 'no'), 403, 'AuthError', 'no'],
  ['a status of its own', new AppServicesError('BadRequest', 'no', { status: 401 }), 403, 'BadRequest', 'no'],
  [
    'the text that clients repeat',
    new Error('unauthorized'),
    400,
    'FunctionExecutionError',
    'unauthorized: the function refuses the call',
  ],
])('%s reaches the client once, and without a loop', async (_name, thrown, status, code, text) => {
  const { service, user } = await start({
    fail: () => {
      throw thrown
    },
  })
  const error = await errorOf(user.callFunction('fail'))
  expect([error.statusCode, error.errorCode, error.error]).toEqual([status, code, text])
  expect(service.requests.filter(({ name }) => name === 'POST /functions/call')).toHaveLength(1)
})

test.each<[string, () => unknown]>([
  ['of another class', () => new SecretError('mongodb://secret-host')],
  ['of Node', () => Object.assign(new Error('connect ECONNREFUSED secret-host'), { code: 'ECONNREFUSED' })],
  ['that is no error', () => ({ message: 'secret-host' })],
])('the text of an error %s is reported and does not reach the client', async (_name, make) => {
  const { service, user } = await start({
    fail: () => {
      throw make()
    },
  })
  const error = await errorOf(user.callFunction('fail'))
  expect(error.error).toBe("function 'fail' failed")
  expect(String(service.reports)).toContain('secret-host')
})

test('a function that takes too long is answered with ExecutionTimeLimitExceeded, and its signal aborts', async () => {
  let signal: AbortSignal | undefined
  const { service, user } = await start(
    {
      hang: context => {
        signal = context.signal
        return new Promise(() => undefined)
      },
    },
    { functionTimeoutMs: 50 },
  )
  const error = await errorOf(user.callFunction('hang'))
  expect([error.statusCode, error.errorCode]).toEqual([400, 'ExecutionTimeLimitExceeded'])
  expect(signal?.aborted).toBe(true)
  expect(String(service.reports)).toContain('"functionTimeoutMs"')
})

test('the signal aborts when the client is gone', async () => {
  let context: FunctionContext | undefined
  const { service, user } = await start({
    wait: given => {
      context = given
      return new Promise(resolve => {
        given.signal.addEventListener('abort', resolve)
      })
    },
  })
  const controller = new AbortController()
  const request = call(service, user, { name: 'wait' }, controller.signal).catch(() => undefined)
  await expect.poll(() => context).toBeDefined()
  expect(context?.signal.aborted).toBe(false)
  controller.abort()
  await request
  await expect.poll(() => context?.signal.aborted).toBe(true)
})

test('calls at the same time do not share anything', async () => {
  const { user } = await start({ echo: async (_context, n) => Promise.resolve(n) })
  const numbers = Array.from({ length: 20 }, (_, n) => n)
  expect(await Promise.all(numbers.map(n => user.callFunction('echo', n)))).toEqual(numbers)
})

test('a rule decides who may call a function', async () => {
  let calls = 0
  const { service, user } = await start({
    erase: {
      handler: () => ++calls,
      canEvaluate: { '%%user.custom_data.role': 'admin', '%%user.type': 'normal' },
    },
  })
  const error = await errorOf(user.callFunction('erase'))
  expect([error.statusCode, error.errorCode]).toEqual([403, 'NoMatchingRuleFound'])
  expect(calls).toBe(0)
  await service.userData.forUser(user.id).update({ $set: { role: 'admin' } }, { upsert: true })
  await user.refreshCustomData()
  expect(await user.callFunction('erase')).toBe(1)
})

test('a revoked user calls nothing, and the client stops after one refresh', async () => {
  let calls = 0
  const { service, user } = await start({ ping: () => ++calls })
  await service.userData.revoke(user.id)
  const error = await errorOf(user.callFunction('ping'))
  expect([error.statusCode, error.errorCode]).toEqual([401, 'InvalidSession'])
  expect(calls).toBe(0)
  expect(service.requests.slice(-2).map(({ name }) => name)).toEqual([
    'POST /functions/call',
    'POST /auth/session',
  ])
})

test('a user who does not exist any more calls nothing', async () => {
  const { service, user } = await start({ ping: () => 1 })
  await database.db.collection('custom_user_data_app_services_users').deleteMany({})
  const error = await errorOf(user.callFunction('ping'))
  expect(error.errorCode).toBe('InvalidSession')
  expect(service.requests.length).toBeLessThan(6)
})

test.each<[string, object, number, string]>([
  ['no name', {}, 400, 'MissingParameter'],
  ['a name that is no text', { name: 1 }, 400, 'InvalidParameter'],
  ['a long name', { name: 'x'.repeat(101) }, 400, 'InvalidParameter'],
  ['arguments that are no list', { name: 'ping', arguments: {} }, 400, 'InvalidParameter'],
  ['101 arguments', { name: 'ping', arguments: Array(101).fill(1) }, 400, 'InvalidParameter'],
  ['bad Extended JSON', { name: 'ping', arguments: [{ $oid: 'x' }] }, 400, 'BadBsonParse'],
  ['a data source that is not there', { name: 'find', service: 'mongodb-atlas' }, 404, 'ServiceNotFound'],
])('a call with %s is refused', async (_name, body, status, code) => {
  const { service, user } = await start({ ping: () => 1 })
  const response = await call(service, user, body)
  expect([response.status, ((await response.json()) as { error_code: string }).error_code]).toEqual([
    status,
    code,
  ])
})

test.each<[string, Partial<AppServicesOptions>, string]>([
  ['a bad name', { functions: { 'a b': () => 1 } }, 'functions.a b'],
  ['no function', { functions: { a: 1 as never } }, 'functions.a'],
  ['no handler', { functions: { a: {} as never } }, 'functions.a.handler'],
  [
    'a bad rule',
    { functions: { a: { handler: () => 1, canEvaluate: { nope: 1 } } } },
    'functions.a.canEvaluate',
  ],
  ['an unknown member', { functions: { a: { handler: () => 1, rule: true } as never } }, 'functions.a.rule'],
  ['a reserved name', { functions: { constructor: () => 1 } }, 'functions'],
  ['a list', { functions: [] as never }, 'functions'],
])('a set-up with %s is refused at the start', async (_name, options, place) => {
  await expect(startRealmService(database, { service: options })).rejects.toThrow(`option "${place}"`)
})

function call(service: RealmService, user: User, body: object, signal: AbortSignal | null = null) {
  return fetch(`${service.baseUrl}/api/client/v2.0/app/application-0-abcde/functions/call`, {
    method: 'POST',
    headers: { authorization: `Bearer ${user.accessToken ?? ''}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  })
}
