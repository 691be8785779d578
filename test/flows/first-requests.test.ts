import request from 'supertest'
import { expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createEchoApp } from '../support/http.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const database = useDatabase()

it('users are served while the index on the user id is being built', async () => {
  const users = Array.from({ length: 20_000 }, (_, number) => ({ userId: `user ${number}`, number }))
  await database.db.collection('custom_user_data').insertMany(users)
  const app = createEchoApp(createTestUserData(database).authenticate())
  // The first of these starts the build; which of the others meet it half done is up to chance.
  for (let number = 0; number < 40; number += 4) {
    const answers = [0, 1, 2, 3].map(next => {
      const token = forgeToken({ claims: validClaims(`user ${number + next}`) })
      return request(app).get('/me').auth(token, { type: 'bearer' })
    })
    for (const [next, answer] of (await Promise.all(answers)).entries()) {
      expect(answer.body).toMatchObject({ user: { customData: { number: number + next } } })
    }
  }
})
