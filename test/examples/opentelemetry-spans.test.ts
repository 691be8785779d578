import { SpanStatusCode } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node'
import express from 'express'
import type { Express } from 'express'
import request from 'supertest'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { traceRequests } from '../../examples/opentelemetry/requests.js'
import { recordSpans } from '../../examples/opentelemetry/spans.js'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const database = useDatabase()
const exporter = new InMemorySpanExporter()
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
// Its context manager keeps the span of a request in an AsyncLocalStorage.
provider.register()
const tracer = provider.getTracer('test')

beforeEach(() => {
  exporter.reset()
})

function verify({ password }: Readonly<Record<string, unknown>>) {
  if (password === 'broken') throw new Error('broken')
  return password === 'right' ? { id: 'alice' } : null
}

function createApp(userData = createTestUserData(database)): Express {
  userData.events.on('request_failed', () => undefined)
  return express()
    .use(traceRequests(tracer))
    .post('/login', userData.login(verify))
    .post('/refresh', userData.refresh())
    .post('/own-login', (req, res) => {
      void userData.issueTokens('alice').then(tokens => res.json(tokens))
    })
    .use(userData.authenticate())
    .get('/me', (_req, res) => res.end())
    .use(userData.errorHandler())
}

function record(
  ...given: Parameters<typeof recordSpans> extends [unknown, ...infer Rest] ? Rest : never
): void {
  onTestFinished(recordSpans(tracer, ...given))
}

const bearer = (userId: string) => ({
  Authorization: `Bearer ${forgeToken({ claims: validClaims(userId) })}`,
})

/** The spans that have ended, when those of all requests have. */
async function spansOf(requests: number): Promise<readonly ReadableSpan[]> {
  await expect
    .poll(() => exporter.getFinishedSpans().filter(({ parentSpanContext }) => !parentSpanContext).length)
    .toBe(requests)
  return exporter.getFinishedSpans()
}

function find(spans: readonly ReadableSpan[], name: string): ReadableSpan {
  return spans.find(span => span.name === name)!
}

const toMs = ([seconds, nanoseconds]: ReadableSpan['startTime']) => seconds * 1000 + nanoseconds / 1e6

it('a load is a child of the span of its request, and lies within it', async () => {
  record()
  await request(createApp()).get('/me').set(bearer('alice')).expect(200)
  const spans = await spansOf(1)
  const load = find(spans, 'custom_user_data.load')
  const parent = find(spans, 'GET')
  expect(load.parentSpanContext?.spanId).toBe(parent.spanContext().spanId)
  expect(load.spanContext().traceId).toBe(parent.spanContext().traceId)
  expect(load.status).toEqual({ code: SpanStatusCode.UNSET })
  expect(load.attributes).toEqual({})
  expect(toMs(load.duration)).toBeGreaterThan(0)
  // A span begins at a whole millisecond, by the clock of the machine.
  expect(toMs(load.startTime)).toBeGreaterThanOrEqual(toMs(parent.startTime))
  expect(toMs(load.endTime)).toBeLessThanOrEqual(toMs(parent.endTime) + 1)
})

it('a shared load belongs to the request that began it, and each other request has a span of its wait', async () => {
  record()
  const proxied = await openProxiedDatabase(database)
  const userData = createTestUserData(proxied)
  await userData.ready()
  const server = createApp(userData).listen(0)
  onTestFinished(() => void server.close())
  const headers = bearer('bob')
  proxied.proxy.holdAnswers()
  const answers = [1, 2].map(() => request(server).get('/me').set(headers).expect(200).then())
  await expect.poll(() => userData.stats().misses).toBe(2)
  proxied.proxy.resume()
  await Promise.all(answers)
  const spans = await spansOf(2)
  const ours = ['custom_user_data.load', 'custom_user_data.shared_load'].map(name => find(spans, name))
  const requests = spans.filter(({ name }) => name === 'GET').map(span => span.spanContext().spanId)
  expect(new Set(ours.map(span => span.parentSpanContext?.spanId))).toEqual(new Set(requests))
  expect(spans).toHaveLength(4)
})

it.each([
  ['/login', 'custom_user_data.login'],
  ['/own-login', 'custom_user_data.issueTokens'],
])('a login by %s and its load are children of the span of their request', async (path, name) => {
  record()
  await request(createApp()).post(path).send({ password: 'right' }).expect(200)
  const spans = await spansOf(1)
  const parent = find(spans, 'POST').spanContext().spanId
  const children = spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === parent)
  expect(children.map(span => span.name)).toEqual(['custom_user_data.load', name])
  expect(toMs(find(spans, name).duration)).toBeGreaterThanOrEqual(
    toMs(find(spans, 'custom_user_data.load').duration),
  )
})

it('a refusal has the code of its error, and only a failure of the server has the status of an error', async () => {
  record()
  const app = createApp(createTestUserData(database, { maxDocumentBytes: 1 }))
  await database.db.collection('custom_user_data').insertOne({ userId: 'large' })
  await request(app).post('/login').send({ password: 'wrong' }).expect(401)
  await request(app).post('/login').send({ password: 'broken' }).expect(500)
  await request(app).get('/me').set(bearer('large')).expect(500)
  const ours = (await spansOf(3)).filter(({ parentSpanContext }) => parentSpanContext)
  expect(ours.map(({ name, attributes, status }) => [name, attributes, status.code])).toEqual([
    ['custom_user_data.login', { 'error.type': 'invalid_credentials' }, SpanStatusCode.UNSET],
    ['custom_user_data.login', { 'error.type': 'callback_failed' }, SpanStatusCode.ERROR],
    ['custom_user_data.load', { 'error.type': 'custom_data_too_large' }, SpanStatusCode.ERROR],
  ])
})

it('spans have the id of the user only if you ask for it', async () => {
  record({ userIds: true })
  await request(createApp()).post('/login').send({ password: 'right' }).expect(200)
  const ours = (await spansOf(1)).filter(({ parentSpanContext }) => parentSpanContext)
  expect(ours.map(({ attributes }) => attributes)).toEqual([
    { 'enduser.id': 'alice' },
    { 'enduser.id': 'alice' },
  ])
})

it('a request with a cached token has no span of this package, and none has one after the recording was ended', async () => {
  const stop = recordSpans(tracer)
  const app = createApp()
  const headers = bearer('alice')
  for (let n = 0; n < 3; n++) await request(app).get('/me').set(headers).expect(200)
  expect((await spansOf(3)).filter(({ name }) => name !== 'GET')).toHaveLength(1)
  stop()
  await request(app).get('/me').set(bearer('alice')).expect(200)
  expect((await spansOf(4)).filter(({ name }) => name !== 'GET')).toHaveLength(1)
})
