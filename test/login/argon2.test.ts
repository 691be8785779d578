import express from 'express'
import { hashPassword } from 'express-custom-user-data'
import type { RequestFailedEvent, WarningEvent } from 'express-custom-user-data'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
const USERS = [
  [
    'with a hash',
    '$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g',
  ],
  ['without a hash', undefined],
] as const
const FAILED = { code: 'password_hashing_failed', status: 500 }

beforeAll(async () => {
  // The module loads this file in place of its own native code, which makes it an installation that cannot be used.
  process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] = '/nowhere/argon2.node'
  await database.db
    .collection('users')
    .insertMany(USERS.map(([email, passwordHash]) => ({ email, ...(passwordHash && { passwordHash }) })))
})

describe('an argon2 module that cannot be loaded', () => {
  it.each(['with a hash', 'without a hash', 'unknown'])(
    'makes a login a 500 that says so, and no warning blames the hash: a user %s',
    async email => {
      const userData = createTestUserData(database)
      const warnings: WarningEvent[] = []
      const failed: RequestFailedEvent[] = []
      userData.events.on('warning', warning => warnings.push(warning))
      userData.events.on('request_failed', event => failed.push(event))
      await userData.ready()
      const verify = userData.passwordCredentials({ collection: database.db.collection('users') })
      const app = express().post('/login', userData.login(verify))
      const answer = await request(app).post('/login').send({ email, password: 'a password' })
      expect(answer).toMatchObject({ status: 500, body: { error: 'server_error' } })
      expect(answer.headers).not.toHaveProperty('retry-after')
      expect(failed).toMatchObject([FAILED])
      expect(failed[0]!.message).toMatch(/@node-rs\/argon2.*Caused by Error: .*native binding/s)
      expect(warnings).toEqual([])
    },
  )

  it('makes hashPassword() reject with the same code', async () => {
    await expect(hashPassword('a password')).rejects.toMatchObject(FAILED)
  })
})
