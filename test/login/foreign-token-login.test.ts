import express from 'express'
import request from 'supertest'
import { expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { claims, curve, es, FOREIGN_AUDIENCE, SECONDS } from '../support/foreign-tokens.js'
import { startKeyServer } from '../support/key-server.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()

/** An app whose users log in by the token of another service, and that service. */
async function start() {
  const server = await startKeyServer(curve.jwk)
  const userData = createTestUserData(database, { clock: createManualClock(SECONDS * 1000) })
  const verifyPartnerToken = userData.tokenVerifier({
    jwksUri: server.jwksUri,
    algorithms: ['ES256'],
    audience: FOREIGN_AUDIENCE,
  })
  const failed: unknown[] = []
  userData.events.on('request_failed', event => failed.push(event))
  const app = express().post(
    '/login/partner',
    userData.login(async ({ token }) => ({ id: `partner:${(await verifyPartnerToken(token)).sub}` })),
  )
  return {
    server,
    userData,
    failed,
    logIn: (token?: unknown) => request(app).post('/login/partner').send({ token }),
    close: async () => {
      await userData.close()
      await server.close()
    },
  }
}

it('a login by the token of another service gives tokens of this service', async () => {
  const { logIn, userData, close } = await start()
  const { status, body } = await logIn(es())
  expect({ status, body }).toMatchObject({ status: 200, body: { user: { id: 'partner:alice' } } })
  const { access_token: token } = body as { access_token: string }
  expect(await userData.verifyToken(token)).toMatchObject({ id: 'partner:alice' })
  await close()
})

it.each([
  ['has expired', es(claims({ exp: 1 })), 'The token has expired.'],
  ['is missing', undefined, 'The token is not a text.'],
  ['is a number', 7, 'The token is not a text.'],
])(
  'a login whose token %s is a 401 that says so, and no failure of the server',
  async (_what, token, says) => {
    const { logIn, failed, close } = await start()
    const { status, text } = await logIn(token)
    expect(status).toBe(401)
    expect(text).toContain(says)
    expect(failed).toEqual([])
    await close()
  },
)

it('a login while the keys of the other service cannot be fetched is a 503, and is reported once', async () => {
  const { logIn, failed, server, userData, close } = await start()
  server.answerBy((_req, res) => res.writeHead(500).end())
  const token = es()
  expect((await logIn(token)).status).toBe(503)
  expect(failed).toMatchObject([{ code: 'keys_unavailable', route: 'POST /login/partner' }])
  expect(JSON.stringify(failed)).not.toContain(token)
  expect(userData.stats().failedRequests).toEqual({ keys_unavailable: 1 })
  await close()
})
