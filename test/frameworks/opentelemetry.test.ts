import { spansOf } from './tracing.js'
import express from 'express'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const DATA = 'custom_user_data'
const SESSIONS = 'custom_user_data_sessions'
const ATTEMPTS = 'custom_user_data_login_attempts'

const database = useDatabase()
let userData: ReturnType<typeof createTestUserData>
beforeAll(async () => {
  await database.db.collection(DATA).insertOne({ userId: 'alice', plan: 'free' })
  userData = createTestUserData(database, { loginThrottle: {} })
  await userData.ready()
})

async function namesOf(run: () => Promise<unknown>): Promise<string[]> {
  return (await spansOf(run)).map(({ name }) => name)
}

describe('the spans that the instrumentation of OpenTelemetry makes of MongoDB', () => {
  it('name the collection of a load', async () => {
    const token = forgeToken({ claims: validClaims('alice') })
    expect(await namesOf(() => userData.verifyToken(token))).toContain(`find ${DATA}`)
  })

  it('name the collections of a login, a refresh and a logout', async () => {
    const app = express()
      .post(
        '/login',
        userData.login(({ email }) => (email === 'alice' ? { id: email } : null)),
      )
      .post('/refresh', userData.refresh())
      .post('/logout', userData.logout())
    const post = (path: string, body: object) => request(app).post(path).send(body)
    let token: string | undefined
    const login = await namesOf(async () => {
      const { body } = await post('/login', { email: 'alice' }).expect(200)
      token = body.refresh_token
    })
    const refresh = await namesOf(async () => {
      const { body } = await post('/refresh', { refresh_token: token }).expect(200)
      token = body.refresh_token
    })
    const logout = await namesOf(() => post('/logout', { refresh_token: token }).expect(204))
    expect(refresh).toEqual(expect.arrayContaining([`findAndModify ${SESSIONS}`, `find ${DATA}`]))
    expect(logout).toContain(`findAndModify ${SESSIONS}`)
    const collections = [...login, ...refresh, ...logout].map(name => name.split(' ')[1])
    expect(new Set(collections)).toEqual(new Set([DATA, SESSIONS, ATTEMPTS]))
  })

  it('name the collections of functions of the server', async () => {
    expect(await namesOf(() => userData.forUser('alice').update({ plan: 'pro' }))).toContain(`update ${DATA}`)
    expect(await namesOf(() => userData.revoke('alice'))).toContain(`findAndModify ${SESSIONS}`)
  })

  it('name no collection where a command has none', async () => {
    const names = await namesOf(() => createTestUserData(database).ready())
    expect(names).toContain('connectionStatus')
    expect(names.filter(name => name.includes('$cmd'))).toEqual([])
  })

  it('have no values of the documents', async () => {
    const spans = await spansOf(async () => {
      await userData.forUser('alice').update({ plan: 'a secret plan' })
      await userData.issueTokens('alice')
    })
    expect(spans.length).toBeGreaterThan(3)
    const texts = spans.map(({ attributes }) => JSON.stringify(attributes)).join()
    expect(texts).not.toMatch(/secret|alice/)
  })
})
