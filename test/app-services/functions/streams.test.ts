import { once } from 'node:events'
import { Readable } from 'node:stream'
import { Credentials } from 'realm-web'
import type { User } from 'realm-web'
import { expect, onTestFinished, test, vi } from 'vitest'
import { AppServicesError } from 'express-custom-user-data/app-services'
import type { AppServicesOptions, FunctionContext } from 'express-custom-user-data/app-services'
import { useDatabase } from '../../support/database.js'
import { callStreaming } from '../support/event-stream.js'
import { startRealmService } from '../support/realm-service.js'
import type { RealmService, RealmServiceOptions } from '../support/realm-service.js'

const database = useDatabase()
const HEARTBEAT_MS = 25_000

async function start(
  functions: AppServicesOptions['functions'],
  { service, ...others }: RealmServiceOptions = {},
): Promise<{ service: RealmService; user: User }> {
  const started = await startRealmService(database, { service: { functions, ...service }, ...others })
  return { service: started, user: await started.newClient().logIn(Credentials.anonymous()) }
}

/** A function that streams nothing until its signal aborts. It tells its context and its end. */
function silentFunction() {
  const seen: { context?: FunctionContext; hasEnded: boolean } = { hasEnded: false }
  async function* handler(context: FunctionContext) {
    seen.context = context
    try {
      yield 'first'
      await once(context.signal, 'abort')
    } finally {
      seen.hasEnded = true
    }
  }
  return { seen, handler }
}

/** Turns the heartbeat by hand. Other timers stay real. */
function useHandTurnedHeartbeat(): () => void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  return () => void vi.advanceTimersByTime(HEARTBEAT_MS)
}

async function valuesOf(user: User, name: string, ...args: unknown[]): Promise<unknown[]> {
  const values: unknown[] = []
  for await (const { type, value } of await callStreaming(user, name, ...args))
    values.push(type === 'message' ? value : { [type]: value })
  return values
}

test('a client reads the values of a generator, whatever characters they hold', async () => {
  const text = '100 %25 %0A\r\n: data ü 🎉\u2028'
  const { user } = await start({
    count: async function* (_context, from: number, label: string) {
      yield await Promise.resolve(from)
      yield { text, label, at: new Date(5) }
      yield undefined
    },
  })
  expect(await valuesOf(user, 'count', 7, text)).toEqual([7, { text, label: text, at: new Date(5) }, null])
})

test.each<[string, () => unknown, unknown[]]>([
  ['a list', () => [1, 2], [1, 2]],
  ['a promise of a list', () => Promise.resolve([1, 2]), [1, 2]],
  ['a text', () => 'ab', ['ab']],
  ['nothing', () => undefined, [null]],
  ['a readable stream of Node', () => Readable.from([{ a: 1 }, { a: 2 }]), [{ a: 1 }, { a: 2 }]],
  ['a readable stream of the web', () => Readable.toWeb(Readable.from(['x', 'y'])), ['x', 'y']],
  [
    'a generator',
    function* () {
      yield 1
      yield 2
    },
    [1, 2],
  ],
])('a function that returns %s streams its values', async (_name, handler, values) => {
  const { user } = await start({ give: handler })
  expect(await valuesOf(user, 'give')).toEqual(values)
})

test('a cursor of MongoDB is a stream of documents', async () => {
  await database.db.collection<{ _id: number }>('numbers').insertMany([{ _id: 1 }, { _id: 2 }])
  const { user } = await start({ all: () => database.db.collection('numbers').find().sort({ _id: 1 }) })
  expect(await valuesOf(user, 'all')).toEqual([{ _id: 1 }, { _id: 2 }])
})

test('the headers keep proxies and compression from holding events back', async () => {
  const { seen, handler } = silentFunction()
  const { service, user } = await start({ wait: handler })
  const controller = new AbortController()
  const response = await open(service, user, request({ name: 'wait' }), { signal: controller.signal })
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
  })
  controller.abort()
  await expect.poll(() => seen.hasEnded).toBe(true)
})

test('an error before the stream begins is an ordinary error', async () => {
  const { user } = await start({
    fail: () => {
      throw new Error('not today')
    },
  })
  await expect(valuesOf(user, 'fail')).rejects.toMatchObject({
    statusCode: 400,
    errorCode: 'FunctionExecutionError',
    error: 'not today',
  })
  await expect(valuesOf(user, 'missing')).rejects.toMatchObject({ errorCode: 'FunctionNotFound' })
})

test('an error inside the stream is its last event', async () => {
  const { service, user } = await start({
    fail: async function* (_context, kind: string) {
      yield await Promise.resolve(1)
      if (kind === 'told') throw new AppServicesError('LimitExceeded', '50 %\nis enough')
      throw new TypeError('secret-host')
    },
    bad: () => [1, { run: () => 1 }],
  })
  expect(await valuesOf(user, 'fail', 'told')).toEqual([
    1,
    { error: { error: '50 %\nis enough', error_code: 'LimitExceeded' } },
  ])
  expect(service.reports).toEqual([])
  const hidden = { error: { error: "function 'fail' failed", error_code: 'FunctionExecutionError' } }
  expect(await valuesOf(user, 'fail', 'hidden')).toEqual([1, hidden])
  expect(await valuesOf(user, 'bad')).toMatchObject([1, { error: { error_code: 'FunctionExecutionError' } }])
  expect(String(service.reports)).toContain('secret-host')
})

test('a client that leaves ends the generator and aborts the signal', async () => {
  const { seen, handler } = silentFunction()
  const { user } = await start({ wait: handler })
  const events = await callStreaming(user, 'wait')
  expect(await events.next()).toMatchObject({ value: { value: 'first' } })
  expect(seen.context?.signal.aborted).toBe(false)
  await events.return()
  await expect.poll(() => seen.hasEnded).toBe(true)
  expect(seen.context?.signal.aborted).toBe(true)
})

test('a client that does not read gets no more values than fit on the way', async () => {
  let produced = 0
  const { service, user } = await start({
    flood: async function* () {
      for (;;) {
        produced++
        yield await Promise.resolve('x'.repeat(100_000))
      }
    },
  })
  const controller = new AbortController()
  await open(service, user, request({ name: 'flood' }), { signal: controller.signal })
  let last = -1
  await expect
    .poll(
      () => {
        const isStill = produced === last
        last = produced
        return isStill
      },
      { interval: 200, timeout: 10_000 },
    )
    .toBe(true)
  expect(produced).toBeGreaterThan(1)
  controller.abort()
})

test('a silent stream carries a comment every 25 seconds', async () => {
  const turn = useHandTurnedHeartbeat()
  const { handler } = silentFunction()
  const { service, user } = await start({ wait: handler })
  const controller = new AbortController()
  const response = await open(service, user, request({ name: 'wait' }), { signal: controller.signal })
  const reader = response.body?.getReader()
  expect(await nextText(reader)).toBe('data: "first"\n\n')
  turn()
  expect(await nextText(reader)).toBe(':\n\n')
  controller.abort()
})

test('the stream of a revoked user ends at the next heartbeat', async () => {
  const turn = useHandTurnedHeartbeat()
  const { seen, handler } = silentFunction()
  const { service, user } = await start({ wait: handler })
  const events = await callStreaming(user, 'wait')
  await events.next()
  await service.userData.revoke(user.id)
  turn()
  expect(await events.next()).toMatchObject({
    value: { type: 'error', value: { error_code: 'InvalidSession' } },
  })
  expect(await events.next()).toMatchObject({ done: true })
  expect(seen.context?.signal.aborted).toBe(true)
})

test('a stream ends with its access token, and the client opens it again after a refresh', async () => {
  const turn = useHandTurnedHeartbeat()
  let elapsedMs = 0
  const clock = { now: () => Date.now() + elapsedMs, monotonic: () => performance.now() + elapsedMs }
  const { handler } = silentFunction()
  const { service, user } = await start({ wait: handler }, { instance: { clock } })
  const events = await callStreaming(user, 'wait')
  await events.next()
  elapsedMs = 31 * 60_000
  turn()
  expect(await events.next()).toMatchObject({
    value: { value: { error: 'invalid session: access token expired', error_code: 'InvalidSession' } },
  })
  const again = await callStreaming(user, 'wait')
  expect(await again.next()).toMatchObject({ value: { value: 'first' } })
  await again.return()
  expect(service.requests.slice(-3).map(({ name }) => name)).toEqual([
    'GET /functions/call',
    'POST /auth/session',
    'GET /functions/call',
  ])
})

test('userData.close() ends a stream at the next heartbeat', async () => {
  const turn = useHandTurnedHeartbeat()
  const { handler } = silentFunction()
  const { service, user } = await start({ wait: handler })
  const events = await callStreaming(user, 'wait')
  await events.next()
  await service.userData.close()
  turn()
  expect(await events.next()).toMatchObject({ value: { type: 'error' } })
  expect(await events.next()).toMatchObject({ done: true })
})

test('close() ends the streams at once, and refuses new ones', async () => {
  const { handler } = silentFunction()
  const { service, user } = await start({ wait: handler })
  const events = await callStreaming(user, 'wait')
  await events.next()
  await service.appServices.close()
  expect(await events.next()).toMatchObject({ value: { value: { error_code: 'MaintenanceInProgress' } } })
  expect(await events.next()).toMatchObject({ done: true })
  await expect(valuesOf(user, 'wait')).rejects.toMatchObject({ statusCode: 503 })
})

test('a user has as many streams as the option says, and a place is free again after the end of one', async () => {
  const { seen, handler } = silentFunction()
  const { service, user } = await start({ wait: handler }, { service: { maxStreamsPerUser: 1 } })
  const first = await callStreaming(user, 'wait')
  await first.next()
  await expect(valuesOf(user, 'wait')).rejects.toMatchObject({ statusCode: 429, errorCode: 'LimitExceeded' })
  const other = await service.newClient().logIn(Credentials.anonymous())
  const ofOther = await callStreaming(other, 'wait')
  await ofOther.next()
  await ofOther.return()
  await first.return()
  await expect.poll(() => seen.hasEnded).toBe(true)
  const second = await callStreaming(user, 'wait')
  expect(await second.next()).toMatchObject({ value: { value: 'first' } })
  await second.return()
})

test('a stream that does not open leaves its place', async () => {
  const { user } = await start(
    {
      fail: () => {
        throw new Error('no')
      },
      ok: () => [1],
    },
    { service: { maxStreamsPerUser: 1 } },
  )
  await expect(valuesOf(user, 'fail')).rejects.toMatchObject({ error: 'no' })
  expect(await valuesOf(user, 'ok')).toEqual([1])
})

test.each([
  ['no call', '', 'MissingParameter'],
  ['a call that is no Base64', 'baas_request=%21%21', 'BadRequest'],
  ['a call that is no JSON', `baas_request=${encodeURIComponent(btoa('{'))}`, 'BadRequest'],
  ['a call that is no object', `baas_request=${encodeURIComponent(btoa('[1]'))}`, 'BadRequest'],
  ['bytes that are no text', `baas_request=${Buffer.from([0xff, 0xfe]).toString('base64')}`, 'BadRequest'],
  ['a member __proto__', request('{"name":"wait","arguments":[{"__proto__":1}]}'), 'BadRequest'],
  ['a name that is no text', request({ name: 1 }), 'InvalidParameter'],
  ['a data source that is not there', request({ name: 'watch', service: 'x' }), 'ServiceNotFound'],
])('a query with %s is refused', async (_name, query, code) => {
  const { service, user } = await start({ wait: () => 1 })
  const response = await open(service, user, query)
  expect(await response.json()).toMatchObject({ error_code: code })
})

test('a HEAD request opens no stream', async () => {
  let calls = 0
  const { service, user } = await start({ count: () => ++calls })
  const response = await open(service, user, request({ name: 'count' }), { method: 'HEAD' })
  expect([response.status, calls]).toEqual([400, 0])
})

function request(body: object | string): string {
  const json = typeof body === 'string' ? body : JSON.stringify(body)
  return `baas_request=${encodeURIComponent(Buffer.from(json).toString('base64'))}`
}

function open(service: RealmService, user: User, query: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${service.baseUrl}/api/client/v2.0/app/application-0-abcde/functions/call?${query}`, {
    headers: { authorization: `Bearer ${user.accessToken ?? ''}`, accept: 'text/event-stream' },
    ...init,
  })
}

async function nextText(reader: ReadableStreamDefaultReader<Uint8Array> | undefined): Promise<string> {
  return new TextDecoder().decode((await reader?.read())?.value)
}
