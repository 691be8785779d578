// @vitest-environment jsdom
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import { Passport } from 'passport'
import passportJwt from 'passport-jwt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { serve } from '../support/http-server.js'
import type { TestServer } from '../support/http-server.js'
import { AUDIENCE, forgeToken, ISSUER, SECRET, validClaims } from '../support/user-data.js'
import { ask } from '../support/ask.js'
import { createApp, ROUTES } from './guarded-app.js'

describe('in the jsdom environment of a test runner,', () => {
  const database = useDatabase()
  let server: TestServer
  beforeAll(async () => {
    const collection = database.db.collection('custom_user_data')
    await collection.insertOne({ userId: 'alice', plan: 'gold' })
    const libraries = { express, Passport, passportJwt, createCustomUserData: createCustomUserData as never }
    const settings = { collection, secret: SECRET, issuer: ISSUER, audience: AUDIENCE }
    server = await serve(createApp(libraries, settings))
  })
  afterAll(async () => {
    await server.close()
  })

  it('the test really runs in that environment', () => {
    expect(globalThis).toHaveProperty('document')
  })

  it.each(ROUTES)('%s refuses an invalid token with 401', async route => {
    for (let turn = 0; turn < 2; turn++) expect((await ask(server.origin, route, 'abc')).status).toBe(401)
  })

  it.each(ROUTES)(
    '%s accepts a valid token, both when it loads the data and when the snapshot is cached',
    async route => {
      const token = forgeToken({ claims: validClaims('alice') })
      for (const turn of ['loaded', 'cached']) {
        const { status, body } = await ask(server.origin, route, token)
        expect([status, body], turn).toEqual([200, expect.stringContaining('gold')])
      }
    },
  )
})
