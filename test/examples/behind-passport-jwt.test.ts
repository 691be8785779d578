import request from 'supertest'
import { expect, it } from 'vitest'
import { startExample } from '../support/run-example.js'

const MAIN = 'behind-passport-jwt/main.ts'

it("adds customData to the req.user of the team's strategy, and changes nothing else in it", async () => {
  const { url, db, example } = await startExample(MAIN)
  const user = await db.collection('users').findOne({ email: 'bob@example.com' })
  const token = await issueToken(url, 'bob@example.com')
  const me = await request(url).get('/me').auth(token, { type: 'bearer' })
  expect(me.body).toEqual({
    accountId: user!._id.toHexString(),
    email: 'bob@example.com',
    tokenExpiresAt: expect.any(Number),
    customData: expect.objectContaining({ language: 'fr', role: 'admin' }),
  })
  const { exitCode, ms } = await example.stop()
  expect(exitCode).toBe(0)
  expect(ms).toBeLessThan(5_000)
})

it('gives {} as customData to a user without a document', async () => {
  const { url } = await startExample(MAIN)
  const token = await issueToken(url, 'carol@example.com')
  const me = await request(url).get('/me').auth(token, { type: 'bearer' })
  expect(me.body).toMatchObject({ email: 'carol@example.com', customData: {} })
})

it('keeps the snapshot of a token unchanged, and loads a new snapshot for the next token', async () => {
  const { url, db } = await startExample(MAIN)
  const [first, second] = [
    await issueToken(url, 'bob@example.com'),
    await issueToken(url, 'alice@example.com'),
  ]
  expect(await languageFor(url, first)).toBe('fr')
  await db.collection('custom_user_data').updateMany({}, { $set: { language: 'de' } })
  expect(await languageFor(url, first)).toBe('fr')
  expect(await languageFor(url, second)).toBe('de')
})

it('lets the strategy refuse tokens that are not its own', async () => {
  const { url } = await startExample(MAIN)
  expect((await request(url).get('/me')).status).toBe(401)
  const token = await issueToken(url, 'bob@example.com')
  const forged = await request(url)
    .get('/me')
    .auth(token.slice(0, -4) + 'AAAA', { type: 'bearer' })
  expect(forged.status).toBe(401)
})

async function issueToken(url: string, email: string): Promise<string> {
  return String((await request(url).post(`/tokens/${email}`)).body.token)
}

async function languageFor(url: string, token: string): Promise<unknown> {
  return (await request(url).get('/me').auth(token, { type: 'bearer' })).body.customData.language
}
