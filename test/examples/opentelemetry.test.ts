import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { primaryAddress, throughProxy } from '../support/database.js'
import { openNamedDatabase, runExample } from '../support/run-example.js'
import type { RunningExample } from '../support/run-example.js'
import { startTcpProxy } from '../support/tcp-proxy.js'

const EMAIL = 'alice@example.com'
const PASSWORD = 'correct horse battery staple'

/** A span as the example prints it. */
interface PrintedSpan {
  readonly name: string
  readonly id: string
  /** The id of the parent; `undefined` of the span of a request. */
  readonly parent: string | undefined
  readonly text: string
}

const undo: (() => unknown)[] = []
let example: RunningExample
let metrics: string
let samples: Map<string, number>
let exitCode: number | null

/** Logs in, is refused, guesses until the throttle ends it, and then MongoDB is away. */
beforeAll(async () => {
  const cleanUp = (step: () => unknown) => undo.push(step)
  const { uri, db } = await openNamedDatabase(cleanUp)
  const { host, port } = await primaryAddress(db.client)
  const proxy = await startTcpProxy(host, port)
  cleanUp(() => proxy.close())
  example = runExample('opentelemetry/main.ts', { MONGODB_URI: throughProxy(uri, proxy.port) }, cleanUp)
  const url = await example.listening()
  const logIn = (password: string, email = EMAIL) => request(url).post('/login').send({ email, password })

  const { body: tokens } = await logIn(PASSWORD).expect(200)
  for (let n = 0; n < 3; n++)
    await request(url).get('/me').auth(tokens.access_token, { type: 'bearer' }).expect(200)
  await request(url).get('/me').expect(401)
  await request(url).post('/refresh').send({ refresh_token: tokens.refresh_token }).expect(200)
  await request(url).post('/refresh').send({ refresh_token: 'unknown' }).expect(400)
  for (let n = 0; n < 10; n++) await logIn('wrong', 'bob@example.com').expect(401)
  await logIn('wrong', 'bob@example.com').expect(429)
  proxy.cut()
  await logIn(PASSWORD).expect(503)
  metrics = (
    await request(url)
      .get('/metrics')
      .expect(200)
      .expect('content-type', /text\/plain/)
  ).text
  samples = toSamples(metrics)
  await proxy.restore()
  exitCode = (await example.stop()).exitCode
})
afterAll(async () => {
  for (const step of undo.reverse()) await step()
})

describe('the metrics that Prometheus reads', () => {
  it('tell the sources of custom data and the refusals of the guard', () => {
    expect(samples.get('custom_user_data_requests_total{source="cache"}')).toBe(3)
    expect(samples.get('custom_user_data_requests_total{source="load"}')).toBe(0)
    expect(samples.get('custom_user_data_refused_total{error_type="missing_token"}')).toBe(1)
    expect(samples.get('custom_user_data_cached')).toBe(2)
  })

  it('tell how long loads took', () => {
    expect(samples.get('custom_user_data_load_duration_seconds_count')).toBe(2)
    expect(samples.get('custom_user_data_load_duration_seconds_sum')).toBeGreaterThan(0)
    expect(samples.get('custom_user_data_load_duration_seconds_sum')).toBeLessThan(5)
    expect(samples.get('custom_user_data_load_duration_seconds_bucket{le="0.0025"}')).toBeGreaterThanOrEqual(
      0,
    )
  })

  it('tell the logins and refreshes by their result, with their durations', () => {
    const count = (labels: string) =>
      samples.get(`custom_user_data_operation_duration_seconds_count{${labels}}`)
    expect(count('operation="login"')).toBe(1)
    expect(count('operation="login",error_type="invalid_credentials"')).toBe(10)
    expect(count('operation="login",error_type="too_many_attempts"')).toBe(1)
    expect(count('operation="login",error_type="credentials_unavailable"')).toBe(1)
    expect(count('operation="refresh"')).toBe(1)
    expect(count('operation="refresh",error_type="invalid_grant"')).toBe(1)
    // Checking a password with argon2id takes some milliseconds, and the machine may be busy.
    const sum = samples.get('custom_user_data_operation_duration_seconds_sum{operation="login"}')
    expect(sum).toBeGreaterThan(0.005)
    expect(sum).toBeLessThan(10)
  })

  it('tell each 429 by its limit and each 5xx by its code', () => {
    expect(samples.get('custom_user_data_throttled_total{limit="account_and_address"}')).toBe(1)
    expect(samples.get('custom_user_data_failed_requests_total{error_type="credentials_unavailable"}')).toBe(
      1,
    )
  })

  it('tell how often each event happened, from the start on with zeros', () => {
    const count = (event: string) => samples.get(`custom_user_data_events_total{event="${event}"}`)
    expect(['login', 'login_refused', 'throttled', 'refreshed', 'refresh_refused'].map(count)).toEqual([
      1, 10, 1, 1, 1,
    ])
    expect(['request_failed', 'reuse_detected', 'keys_replaced', 'fields_refused'].map(count)).toEqual([
      1, 0, 0, 0,
    ])
  })

  it('have names as Prometheus wants them: counters end with _total, durations with _seconds', () => {
    const types = [...metrics.matchAll(/^# TYPE (custom_user_data_\S+) (\w+)$/gm)]
    expect(types.length).toBeGreaterThan(8)
    for (const [, name = '', type] of types) {
      expect(name).toMatch(/^[a-z_]+$/)
      if (type === 'counter') expect(name).toMatch(/_total$/)
      if (type === 'histogram') expect(name).toMatch(/_duration_seconds$/)
    }
    expect(metrics).toMatch(/^# UNIT custom_user_data_load_duration_seconds s$/m)
  })

  it('have no user, account or address', () => {
    expect(metrics).not.toMatch(/alice|bob|127\.0\.0\.1|userId/)
  })
})

describe('the spans that the example prints', () => {
  it('of loads, logins and refreshes are children of the spans of their requests', () => {
    const spans = toSpans(example.output())
    const parentOf = ({ parent }: PrintedSpan) => spans.find(({ id }) => id === parent)?.name
    const ours = spans.filter(({ name }) => name.startsWith('custom_user_data.'))
    expect(new Set(ours.map(span => `${parentOf(span)} > ${span.name}`))).toEqual(
      new Set([
        'POST > custom_user_data.load',
        'POST > custom_user_data.login',
        'POST > custom_user_data.refresh',
      ]),
    )
    expect(ours.filter(({ name }) => name === 'custom_user_data.login')).toHaveLength(13)
  })

  it('have no user, no account, no token and no password', () => {
    const spans = toSpans(example.output()).map(({ text }) => text)
    expect(spans.length).toBeGreaterThan(13)
    expect(spans.join()).not.toMatch(/alice|bob|enduser|correct|wrong|eyJ/)
    expect(spans.join()).toContain("'error.type': 'credentials_unavailable'")
  })
})

it('the example ends by itself when it is told to', () => {
  expect(exitCode).toBe(0)
})

function toSpans(output: string): PrintedSpan[] {
  const blocks = output.match(/^\{\n {2}resource:[\s\S]*?^\}$/gm) ?? []
  return blocks.map(text => ({
    text,
    name: /^ {2}name: '(.*)',$/m.exec(text)![1]!,
    id: /^ {2}id: '(\w+)',$/m.exec(text)![1]!,
    parent: /parentSpanContext: \{[\s\S]*?spanId: '(\w+)'/.exec(text)?.[1],
  }))
}

/** Samples by name and labels, without the labels that the exporter adds to each metric. */
function toSamples(text: string): Map<string, number> {
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map(line => {
      const [, sample = '', value] = /^(.*) (\S+)$/.exec(line) ?? []
      return [withoutScope(sample), Number(value)]
    }),
  )
}

function withoutScope(sample: string): string {
  return sample
    .replace(/,?otel_scope_\w+="[^"]*"/g, '')
    .replace('{,', '{')
    .replace('{}', '')
}
