import { CustomUserDataError } from 'express-custom-user-data'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

let database: TestDatabase
let userData: ReturnType<typeof createTestUserData>
beforeAll(async () => {
  database = await openDatabase()
  userData = createTestUserData(database)
  await database.db.collection('custom_user_data').insertOne({ userId: 'bob', plan: 'free' })
})
afterAll(() => database.close())

describe('verifyToken()', () => {
  it('gives the user of a token, as the guard does', async () => {
    const user = await userData.verifyToken(forgeToken({ claims: validClaims('bob') }))
    expect(user).toMatchObject({ id: 'bob', customData: { plan: 'free' }, claims: { sub: 'bob' } })
  })

  it.each(['', 'abc', 'Bearer abc', undefined, null, 42, {}, ['a.b.c'], { length: 3 }])(
    'rejects with invalid_token for anything else: %j',
    async token => {
      const verifying = userData.verifyToken(token as string)
      await expect(verifying).rejects.toMatchObject({ code: 'invalid_token' })
      await expect(verifying).rejects.toBeInstanceOf(CustomUserDataError)
    },
  )
})
