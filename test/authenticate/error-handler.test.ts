import express from 'express'
import type { ErrorHandlerOptions, RequestFailedEvent } from 'express-custom-user-data'
import { CustomUserDataError } from 'express-custom-user-data'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { onError } from '../support/http.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const database = useDatabase()
const cause = Object.assign(new Error('theirs'), { config: {} })

/** An app with a route whose rule fails, and one whose handler fails. */
function start(options?: ErrorHandlerOptions) {
  const userData = createTestUserData(database)
  const failed: RequestFailedEvent[] = []
  userData.events.on('request_failed', event => failed.push(event))
  const rule = () => {
    throw cause
  }
  const app = express()
    .get('/rule', userData.authenticate(), userData.allow(rule))
    .get('/guarded', userData.authenticate())
    .get('/theirs', (_req, _res, next) => {
      next(cause)
    })
    .get('/begun', (_req, res, next) => {
      res.write('part of an answer')
      next(new CustomUserDataError('rule_unavailable', 'Not now.'))
    })
    .use(userData.errorHandler(options))
    .use(onError((_error, res) => (res.headersSent ? res.destroy() : res.status(418).end())))
  const get = (path: string) =>
    request(app)
      .get(path)
      .set('Authorization', `Bearer ${forgeToken({ claims: validClaims() })}`)
  return { get, app, failed }
}

describe('onError of errorHandler()', () => {
  it('alone gets the original of a 5xx, with its request; the client gets the same answer', async () => {
    const given: unknown[] = []
    const { get, failed } = start({ onError: (error, req) => given.push(error.cause, error.code, req.path) })
    const answer = await get('/rule')
    expect(answer.status).toBe(500)
    expect(answer.body).toMatchObject({ code: 'callback_failed', title: 'The server is misconfigured' })
    expect(given).toEqual([cause, 'callback_failed', '/rule'])
    expect(given[0]).toBe(cause)
    expect(failed).toEqual([])
  })

  it('is not called for an error that is the fault of the client', async () => {
    const given: unknown[] = []
    const { app } = start({ onError: error => given.push(error) })
    expect((await request(app).get('/guarded')).status).toBe(401)
    expect(given).toEqual([])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('the log is full')
      },
    ],
    ['rejects', () => Promise.reject(new Error('the log is full'))],
  ])('that %s loses no error: request_failed tells both', async (_what, onErrorOfTeam) => {
    const { get, failed } = start({ onError: onErrorOfTeam })
    expect((await get('/rule')).status).toBe(500)
    await expect.poll(() => failed).toHaveLength(1)
    expect(failed[0]!.message).toBe(
      'The rule of allow() failed. It was not reported, because onError of errorHandler() failed: ' +
        'Error: the log is full Caused by Error: theirs',
    )
  })
})

describe('errorHandler() swallows nothing', () => {
  it('and passes the errors of others on, without an event', async () => {
    const { get, failed } = start({ onError: () => undefined })
    expect((await get('/theirs')).status).toBe(418)
    expect(failed).toEqual([])
  })

  it('and passes an error on if the answer has begun: whoever ends the request has the error', async () => {
    const { get, failed } = start()
    await expect(get('/begun')).rejects.toThrow()
    expect(failed).toEqual([])
  })
})
