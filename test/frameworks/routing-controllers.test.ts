import 'reflect-metadata'
import express from 'express'
import type { Request } from 'express'
import request from 'supertest'
import {
  Authorized,
  CurrentUser,
  Get,
  HttpError,
  JsonController,
  useExpressServer,
} from 'routing-controllers'
import type { Action } from 'routing-controllers'
import { describe, expect, it } from 'vitest'
import { onError } from '../support/http.js'
import { ALICE, CHALLENGE, forgedToken, tokenOfAlice, useAlice } from './alice.js'
import type { TestUserData } from './alice.js'

const createUserData = useAlice()

type User = ReturnType<TestUserData['user']>

function start() {
  const userData = createUserData()

  @JsonController('/api')
  class Controller {
    @Get('/me')
    me(@CurrentUser() { id, customData }: User) {
      return { id, customData }
    }

    @Authorized('editor')
    @Get('/edit')
    edit() {
      return 'edited'
    }

    @Get('/now')
    async now() {
      return userData.verifyToken(forgedToken())
    }
  }

  const app = express().use('/api', userData.authenticate())
  useExpressServer(app, {
    controllers: [Controller],
    // Its own handler knows neither the status nor the headers of other errors.
    defaultErrorHandler: false,
    currentUserChecker: ({ request: req }: Action) => userData.user(req as Request),
    authorizationChecker: ({ request: req }: Action, roles: string[]) =>
      roles.includes(String(userData.user(req as Request).customData['role'])),
  })
  app.use(userData.errorHandler())
  app.use(
    onError((error, res) => {
      if (error instanceof HttpError) res.status(error.httpCode).json({ name: error.name })
    }),
  )
  const get = (path: string, token?: string) =>
    request(app)
      .get(path)
      .set(token === undefined ? {} : { Authorization: `Bearer ${token}` })
  return { get, userData }
}

describe('in an app of routing-controllers', () => {
  it('@CurrentUser() is the user of the guard, with the custom data', async () => {
    expect((await start().get('/api/me', tokenOfAlice())).body).toEqual(ALICE)
  })

  it('the guard answers 401 with the challenge', async () => {
    const answer = await start().get('/api/me')
    expect(answer.status).toBe(401)
    expect(answer.body).toMatchObject({ code: 'missing_token' })
    expect(answer.headers['www-authenticate']).toBe(CHALLENGE)
  })

  it('errorHandler() answers what a controller throws', async () => {
    const answer = await start().get('/api/now', tokenOfAlice())
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"')
  })

  it('a checker may decide by custom data', async () => {
    const answer = await start().get('/api/edit', tokenOfAlice())
    expect(answer.status).toBe(403)
    expect(answer.body).toEqual({ name: 'AccessDeniedError' })
  })

  it('a load that fails is 503 with Retry-After', async () => {
    const { get, userData } = start()
    await userData.close()
    const answer = await get('/api/me', tokenOfAlice())
    expect(answer.status).toBe(503)
    expect(answer.headers['retry-after']).toBe('1')
  })
})
