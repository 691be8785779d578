import express from 'express'
import { CustomUserDataError, errorResponse } from 'express-custom-user-data'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()

describe('errorResponse()', () => {
  const refused = new CustomUserDataError('forbidden', 'Only for editors.')
  refused.headers['WWW-Authenticate'] = 'Bearer realm="api", error="insufficient_scope"'

  it('gives the status, the headers and the body of the answer', () => {
    expect(errorResponse(refused)).toEqual({
      status: 403,
      headers: {
        'Content-Type': 'application/problem+json',
        'Cache-Control': 'no-store',
        'WWW-Authenticate': 'Bearer realm="api", error="insufficient_scope"',
      },
      body: {
        type: 'urn:express-custom-user-data:error:forbidden',
        title: 'The user is not allowed to do this',
        status: 403,
        code: 'forbidden',
        detail: 'Only for editors.',
      },
    })
  })

  it('tells when to try again after a 503, and keeps the message of a 5xx for the log', () => {
    const { headers, body } = errorResponse(new CustomUserDataError('closed', 'host:27017 is away.'))!
    expect(headers).toMatchObject({ 'Retry-After': '1' })
    expect(JSON.stringify(body)).not.toContain('27017')
    expect(body).not.toHaveProperty('detail')
  })

  it('gives undefined for the errors of others, and for values that are no errors', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const others = [
      new Error('theirs'),
      { status: 401, code: 'invalid_token' },
      'text',
      null,
      undefined,
      proxy,
    ]
    expect(others.map(errorResponse)).toEqual(others.map(() => undefined))
  })

  it('gives headers that can be changed without changing the error', () => {
    const answer = errorResponse(refused)!
    Object.assign(answer.headers, { 'WWW-Authenticate': 'none' })
    expect(refused.headers).toEqual({ 'WWW-Authenticate': 'Bearer realm="api", error="insufficient_scope"' })
  })

  it('gives what errorHandler() sends', async () => {
    const userData = createTestUserData(database)
    const caught: unknown[] = []
    const app = express()
      .get('/me', userData.authenticate())
      .use((error: unknown, _req: unknown, _res: unknown, next: (error: unknown) => void) => {
        caught.push(error)
        next(error)
      })
      .use(userData.errorHandler())
    const answer = await request(app).get('/me')
    const { status, headers, body } = errorResponse(caught[0])!
    expect(answer.status).toBe(status)
    expect(answer.body).toEqual(body)
    expect(answer.headers).toMatchObject({
      'content-type': expect.stringContaining(headers['Content-Type']!),
      'cache-control': headers['Cache-Control'],
      'www-authenticate': headers['WWW-Authenticate'],
    })
  })
})
