import feathersExpress, { errorHandler as feathersErrors, json, rest } from '@feathersjs/express'
import { feathers } from '@feathersjs/feathers'
import type { Params } from '@feathersjs/feathers'
import request from 'supertest'
import type { RequestHandler } from 'express'
import { describe, expect, it } from 'vitest'
import { ALICE, CHALLENGE, forgedToken, tokenOfAlice, useAlice } from './alice.js'
import type { TestUserData } from './alice.js'

const createUserData = useAlice()

interface UserParams extends Params {
  readonly user: ReturnType<TestUserData['user']>
}

async function start() {
  const userData = createUserData()
  const app = feathersExpress.default(feathers<{ me: object }>())
  const toParams: RequestHandler = (req, _res, next) => {
    Object.assign((req as unknown as { feathers: object }).feathers, { user: userData.user(req) })
    next()
  }
  app.use(json())
  app.configure(rest())
  app.use(
    '/me',
    userData.authenticate() as never,
    toParams as never,
    {
      find: ({ user: { id, customData } }: UserParams) => Promise.resolve({ id, customData }),
      get: () => userData.verifyToken(forgedToken()),
    } as never,
  )
  app.use(userData.errorHandler() as never)
  app.use(feathersErrors({ logger: false as never }))
  await app.setup()
  const get = (path: string, token?: string) =>
    request(app as never)
      .get(path)
      .set(token === undefined ? {} : { Authorization: `Bearer ${token}` })
  return { get, userData }
}

describe('in a Feathers app', () => {
  it('a service finds the user in its params, with the custom data', async () => {
    const { get } = await start()
    expect((await get('/me', tokenOfAlice())).body).toEqual(ALICE)
  })

  it('the guard answers 401 with the challenge', async () => {
    const { get } = await start()
    const answer = await get('/me')
    expect(answer.status).toBe(401)
    expect(answer.body).toMatchObject({ code: 'missing_token' })
    expect(answer.headers['www-authenticate']).toBe(CHALLENGE)
  })

  it('errorHandler() answers what a service throws', async () => {
    const { get } = await start()
    const answer = await get('/me/1', tokenOfAlice())
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"')
  })

  it('a load that fails is 503 with Retry-After', async () => {
    const { get, userData } = await start()
    await userData.close()
    const answer = await get('/me', tokenOfAlice())
    expect(answer.status).toBe(503)
    expect(answer.headers['retry-after']).toBe('1')
  })
})
