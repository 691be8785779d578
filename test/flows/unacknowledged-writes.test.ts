import express from 'express'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import type { CustomUserData } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { createSessionApp, exchange, logIn } from '../support/session-app.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const database = useDatabase({ writeConcern: { w: 0 } })
const acknowledged = { writeConcern: { w: 1 } } as const
let userData: CustomUserData<Readonly<Record<string, unknown>>>
beforeEach(() => {
  userData = createTestUserData(database, { loginThrottle: {} })
})

/** Creates the instance anew, with a collection that holds two documents of one user. */
async function withDuplicates() {
  const collection = database.db.collection('with_duplicates')
  await collection.insertMany([{ userId: 'twice' }, { userId: 'twice' }], acknowledged)
  return createTestUserData(database, { collection, uniqueUserId: true })
}

describe('behind a client whose writes are not acknowledged (w: 0), this package acknowledges its own', () => {
  it('so that sessions work', async () => {
    await userData.ready()
    const app = createSessionApp(userData)
    const login = await logIn(app)
    const refreshToken = await exchange(app, login.refresh_token)
    await userData.revoke('alice')
    const refused = await request(app).post('/refresh').send({ refresh_token: refreshToken })
    expect(refused.status).toBe(400)
  })

  it('so that a write is there when it is answered', async () => {
    const app = express()
      .use(userData.authenticate())
      .use(userData.ownData({ fields: ['language'], upsert: true }))
    const answer = await request(app)
      .patch('/')
      .auth(forgeToken({ claims: validClaims('bob') }), { type: 'bearer' })
      .send({ language: 'en' })
    expect(answer.status).toBe(201)
    expect(await userData.forUser('bob').update({ language: 'de' })).toMatchObject({ language: 'de' })
    expect(await userData.forUser('bob').delete()).toBe(true)
  })

  it('so that ready() rejects if the unique index cannot be made', async () => {
    await expect((await withDuplicates()).ready()).rejects.toMatchObject({ code: 'user_id_index_conflict' })
  })
})
