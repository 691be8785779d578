import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import express from 'express'
import type { ErrorRequestHandler, Express } from 'express'
import { CustomUserDataError } from 'express-custom-user-data'
import type { RequestFailedEvent } from 'express-custom-user-data'
import request from 'supertest'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { onError } from '../support/http.js'
import { serve } from '../support/http-server.js'
import { ODD_THROWS } from '../support/odd-throws.js'
import { createTestUserData, forgeToken } from '../support/user-data.js'

const database = useDatabase()
afterEach(() => {
  vi.restoreAllMocks()
})

/** An app that answers all errors itself, and the failures that its instance has reported. */
function start(thrown: unknown) {
  const userData = createTestUserData(database)
  const failed: RequestFailedEvent[] = []
  userData.events.on('request_failed', event => failed.push(event))
  const answer = onError((error, res) => {
    userData.reportFailure(error, res.req)
    res.status(500).json({ problem: 'sorry' })
  })
  const app = express()
    .use(express.json())
    .post('/orders/:id', () => {
      throw thrown
    })
    .use(answer)
  return { app, userData, failed }
}

const post = (app: Express) => request(app).post('/orders/7').send({ password: 'hunter2' })

describe('reportFailure() of an error of this package', () => {
  const ours = () =>
    new CustomUserDataError('rule_unavailable', 'Not now.', { cause: new Error('ECONNRESET') })

  it('emits the same event, counts and messages as errorHandler()', async () => {
    const messages: unknown[] = []
    const listen = (message: unknown) => messages.push(message)
    subscribe('express-custom-user-data:request_failed', listen)
    const { app, failed, userData } = start(ours())
    expect((await post(app)).status).toBe(500)
    const compared = start(undefined)
    const handled = express()
      .post('/orders/:id', () => {
        throw ours()
      })
      .use(compared.userData.errorHandler())
    await post(handled)
    unsubscribe('express-custom-user-data:request_failed', listen)
    expect(failed).toMatchObject([
      {
        code: 'rule_unavailable',
        status: 503,
        route: 'POST /orders/:id',
        message: 'Not now. Caused by Error: ECONNRESET',
      },
    ])
    const withoutStack = (event: RequestFailedEvent) => ({ ...event, stack: '' })
    expect(failed.map(withoutStack)).toEqual(compared.failed.map(withoutStack))
    expect(messages[0]).toMatchObject({ code: 'rule_unavailable', status: 503, route: 'POST /orders/:id' })
    expect(messages[1]).toEqual(messages[0])
    expect(userData.stats().failedRequests).toEqual(compared.userData.stats().failedRequests)
    expect(userData.stats().events.request_failed).toBe(1)
  })

  it('with a status below 500 reports nothing, as errorHandler() does', async () => {
    const { app, failed, userData } = start(new CustomUserDataError('forbidden'))
    await post(app)
    expect(failed).toEqual([])
    expect(userData.stats().failedRequests).toEqual({})
  })

  it('that a function has thrown counts it once', async () => {
    const { userData, failed } = start(undefined)
    const closed = createTestUserData(database)
    await closed.close()
    const error = await closed.issueTokens('alice').catch((thrown: unknown) => thrown)
    expect(closed.stats().failedRequests).toEqual({ closed: 1 })
    closed.events.on('request_failed', event => failed.push(event))
    closed.reportFailure(error)
    expect(closed.stats().failedRequests).toEqual({ closed: 1 })
    expect(failed).toHaveLength(1)
    await userData.close()
  })
})

describe('reportFailure() of any other error', () => {
  it('tells its class, its message and its place in the code, with the code unexpected_error', async () => {
    const { app, failed, userData } = start(new TypeError('no order', { cause: new Error('ENOENT') }))
    await post(app)
    expect(failed).toEqual([
      {
        code: 'unexpected_error',
        status: 500,
        route: 'POST /orders/:id',
        name: 'TypeError',
        message: 'no order Caused by Error: ENOENT',
        stack: expect.stringMatching(/^TypeError: no order\n\s+at .*report-failure\.test\.ts/),
      },
    ])
    expect(userData.stats().failedRequests).toEqual({ unexpected_error: 1 })
  })

  it.each([
    [{ status: 502 }, 502],
    [{ statusCode: 503 }, 503],
    [{ status: 404 }, 500],
    [{ status: '503' }, 500],
    [{ status: 600 }, 500],
  ])('with %j has the status %i', async (members, status) => {
    const { app, failed } = start(Object.assign(new Error('upstream'), members))
    await post(app)
    expect(failed).toMatchObject([{ code: 'unexpected_error', status }])
  })

  it('has none of the secrets of its request in the event', async () => {
    const token = forgeToken()
    const { app, failed } = start(new Error(`hunter2 and ${token} of s3cret-session and 7`))
    await post(app).set('Authorization', `Bearer ${token}`).set('Cookie', 'sid=s3cret-session')
    expect(failed).toMatchObject([{ message: '[removed] and [removed] of [removed] and [removed]' }])
    expect(JSON.stringify(failed)).not.toMatch(/hunter2|s3cret/)
  })

  it('takes an error of an HTTP client that has the members of a request', async () => {
    const { app, failed } = start(Object.assign(new Error('away'), { method: 'GET', url: '/', headers: {} }))
    await post(app)
    expect(failed).toMatchObject([{ message: 'away' }])
  })

  it.each([...ODD_THROWS, { what: 'a text', thrown: 'boom' }, { what: 'null', thrown: null }])(
    'never throws for $what',
    ({ thrown }) => {
      const { userData, failed } = start(undefined)
      userData.reportFailure(thrown)
      expect(failed).toHaveLength(1)
      expect(failed[0]!.message).not.toBe('')
    },
  )
})

describe('a failure that was reported', () => {
  it('is not reported again if the app then passes it to errorHandler()', async () => {
    const { userData, failed } = start(undefined)
    const error = new CustomUserDataError('rule_unavailable')
    const passOn: ErrorRequestHandler = (thrown, req, _res, next) => {
      userData.reportFailure(thrown, req)
      userData.reportFailure(thrown, req)
      next(thrown)
    }
    const app = express()
      .get('/', () => {
        throw error
      })
      .use(passOn, userData.errorHandler())
    expect((await request(app).get('/')).status).toBe(503)
    expect(failed).toHaveLength(1)
    // Requests that wait for the same load get the same error.
    expect((await request(app).get('/')).status).toBe(503)
    expect(failed).toHaveLength(2)
    expect(userData.stats().failedRequests).toEqual({ rule_unavailable: 2 })
  })

  it('without a request is named by the function', () => {
    const { userData, failed } = start(undefined)
    userData.reportFailure(new Error(`the job failed with ${forgeToken()}`))
    expect(failed).toMatchObject([{ route: 'reportFailure()', message: 'the job failed with [removed]' }])
  })

  it('of a request of Node has its path', async () => {
    const { userData, failed } = start(undefined)
    const server = await serve((req, res) => {
      userData.reportFailure(new Error('boom'), req)
      res.end()
    })
    await fetch(`${server.origin}/health?token=secret123`)
    await server.close()
    expect(failed).toMatchObject([{ route: 'GET /health' }])
  })

  it('is printed with its class if nobody listens, as one line a minute', () => {
    const printed = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const clock = createManualClock()
    const userData = createTestUserData(database, { clock })
    for (let turn = 0; turn < 3; turn++) userData.reportFailure(new RangeError('too far'))
    clock.advance(60_000)
    userData.reportFailure('a text')
    expect(printed.mock.calls.map(([line]) => String(line))).toEqual([
      expect.stringMatching(
        /^reportFailure\(\) failed with 500 unexpected_error: RangeError: too far \(at .*report-failure\.test\.ts:\d+:\d+\)?\)$/,
      ),
      'reportFailure() failed with 500 unexpected_error: a text (3 times since the last line)',
    ])
  })
})

describe('reportFailure() refuses', () => {
  it.each<[string, (report: (...given: unknown[]) => void) => void]>([
    [
      'a text as request',
      report => {
        report(new Error('a'), 'GET /')
      },
    ],
    [
      'null as request',
      report => {
        report(new Error('a'), null)
      },
    ],
    [
      'an object without headers as request',
      report => {
        report(new Error('a'), { method: 'GET', url: '/' })
      },
    ],
    [
      'the Request of fetch, whose headers it could not read',
      report => {
        report(new Error('a'), new Request('http://a.test'))
      },
    ],
    [
      'a request and an error in the wrong order',
      report => {
        report({ method: 'GET', url: '/', headers: {} }, new Error('a'))
      },
    ],
    [
      'a request without an error',
      report => {
        report({ method: 'GET', url: '/', headers: {} })
      },
    ],
  ])('%s', (_what, call) => {
    const report = createTestUserData(database).reportFailure as (...given: unknown[]) => void
    expect(() => {
      call(report)
    }).toThrow(/^reportFailure\(\): .*[Ww]rite reportFailure\(error, req\)/)
  })
})
