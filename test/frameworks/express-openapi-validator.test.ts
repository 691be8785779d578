import express from 'express'
import { middleware as validate } from 'express-openapi-validator'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { onError } from '../support/http.js'
import { ALICE, CHALLENGE, forgedToken, tokenOfAlice, useAlice } from './alice.js'

const createUserData = useAlice()

const me = {
  type: 'object',
  required: ['id', 'customData'],
  additionalProperties: false,
  properties: {
    id: { type: 'string' },
    customData: { type: 'object', properties: { plan: { type: 'string' }, since: { type: 'string' } } },
  },
}
const API = {
  openapi: '3.0.3',
  info: { title: 'api', version: '1' },
  components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
  paths: {
    '/api/me': {
      get: {
        security: [{ bearer: [] }],
        parameters: [{ name: 'n', in: 'query', schema: { type: 'integer' } }],
        responses: {
          200: { description: 'the user', content: { 'application/json': { schema: me } } },
        },
      },
    },
  },
} as const

/** The handler that apps with this validator have, for its own errors. */
const answerValidation = onError((error: Error & { status?: number; errors?: unknown }, res) => {
  res.status(error.status ?? 500).json({ errors: error.errors })
})

function start() {
  const userData = createUserData()
  const app = express()
    .use('/api', userData.authenticate())
    .use(validate({ apiSpec: structuredClone(API) as never, validateResponses: true }))
    .get('/api/me', (req, res) => {
      const { id, customData } = userData.user(req)
      res.json({ id, customData })
    })
    .use(userData.errorHandler())
    .use(answerValidation)
  const get = (path: string, token?: string) =>
    request(app)
      .get(path)
      .set(token === undefined ? {} : { Authorization: `Bearer ${token}` })
  return { get, userData }
}

describe('before express-openapi-validator', () => {
  it('the guard lets the user in, and answers with custom data pass the validation', async () => {
    const answer = await start().get('/api/me', tokenOfAlice())
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual(ALICE)
  })

  it.each([
    ['no token', undefined, 'missing_token', CHALLENGE],
    ['a bad token', forgedToken(), 'invalid_token', 'error="invalid_token"'],
  ])('the guard answers %s, with the code and the challenge', async (_what, token, code, challenge) => {
    const answer = await start().get('/api/me', token)
    expect(answer.status).toBe(401)
    expect(answer.body).toMatchObject({ code })
    expect(answer.headers['www-authenticate']).toContain(challenge)
  })

  it('errorHandler() leaves the errors of the validator to the handler behind it', async () => {
    const answer = await start().get('/api/me?n=many', tokenOfAlice())
    expect(answer.status).toBe(400)
    expect(answer.body.errors).toEqual([expect.objectContaining({ path: '/query/n' })])
  })
})
