import { initTRPC } from '@trpc/server'
import { createExpressMiddleware } from '@trpc/server/adapters/express'
import type { CreateExpressContextOptions } from '@trpc/server/adapters/express'
import express from 'express'
import { CustomUserDataError } from 'express-custom-user-data'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { ALICE, CHALLENGE, forgedToken, tokenOfAlice, useAlice } from './alice.js'

const createUserData = useAlice()

function start() {
  const userData = createUserData()
  const createContext = async ({ req }: CreateExpressContextOptions) => ({
    user: await userData.verifyToken(req.headers.authorization?.replace(/^bearer +/i, '')),
  })
  const t = initTRPC.context<typeof createContext>().create({
    // The error that was thrown is the cause of tRPC's own.
    errorFormatter: ({ shape, error: { cause } }) =>
      cause instanceof CustomUserDataError
        ? {
            ...shape,
            message: cause.title,
            data: { ...shape.data, code: cause.code, httpStatus: cause.status },
          }
        : shape,
  })
  const router = t.router({ plan: t.procedure.query(({ ctx }) => ctx.user.customData['plan']) })
  const app = express().use(
    '/trpc',
    createExpressMiddleware({
      router,
      createContext,
      responseMeta: ({ errors }) => {
        const cause = errors[0]?.cause
        return cause instanceof CustomUserDataError ? { status: cause.status, headers: cause.headers } : {}
      },
    }),
  )
  const ask = (token?: string) =>
    request(app)
      .get('/trpc/plan')
      .set(token === undefined ? {} : { Authorization: `Bearer ${token}` })
  return { ask, userData }
}

describe('in the context of tRPC', () => {
  it('verifyToken() gives procedures the custom data', async () => {
    expect((await start().ask(tokenOfAlice())).body).toEqual({ result: { data: ALICE.customData.plan } })
  })

  it.each([
    ['no token', undefined, 'missing_token', CHALLENGE],
    ['a bad token', forgedToken(), 'invalid_token', 'error="invalid_token"'],
  ])('%s is 401 with its code and the challenge', async (_what, token, code, challenge) => {
    const answer = await start().ask(token)
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toContain(challenge)
    expect(answer.body.error.data).toMatchObject({ code, httpStatus: 401 })
  })

  it('a load that fails is 503 with Retry-After', async () => {
    const { ask, userData } = start()
    await userData.close()
    const answer = await ask(tokenOfAlice())
    expect(answer.status).toBe(503)
    expect(answer.headers['retry-after']).toBe('1')
    expect(answer.body.error.data).toMatchObject({ code: 'closed' })
  })
})
