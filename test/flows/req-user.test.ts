import express from 'express'
import type { RequestHandler } from 'express'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import type { AuthenticatedUser, CustomUserData } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

type Data = Readonly<Record<string, unknown>>

const database = useDatabase()
let userData: CustomUserData<Data>
beforeAll(async () => {
  userData = createTestUserData(database)
  await userData.ready()
  await database.db
    .collection('custom_user_data')
    .insertOne({ userId: 'alice', roles: ['reader'], since: new Date(0), address: { city: 'Ulm' } })
})

/** Sends requests with one token, one after the other, each to a handler of its own. */
async function requestsOfOneToken(...handlers: ((user: AuthenticatedUser<Data>) => void)[]): Promise<void> {
  const token = bearerOf('alice')
  for (const handle of handlers) {
    const handler: RequestHandler = (req, res) => {
      handle(userData.user(req))
      res.sendStatus(204)
    }
    const app = express().use(userData.authenticate()).get('/', handler)
    await request(app).get('/').set('Authorization', token).expect(204)
  }
}

describe('req.user', () => {
  it('is a new object on each request, with the same data', async () => {
    const users: AuthenticatedUser<Data>[] = []
    const remember = (user: AuthenticatedUser<Data>) => users.push(user)
    await requestsOfOneToken(remember, remember, remember)
    expect(new Set(users).size).toBe(3)
    expect(users[0]).toEqual(users[2])
  })

  it('accepts properties that handlers add, for this request only', async () => {
    await requestsOfOneToken(
      user => Object.assign(user, { isAdmin: true, id: 'eve' }),
      user => {
        expect(user).not.toHaveProperty('isAdmin')
        expect(user.id).toBe('alice')
      },
    )
  })

  it.each([
    {
      what: 'a field',
      change: ({ customData }: AuthenticatedUser<Data>) => Object.assign(customData, { a: 1 }),
    },
    {
      what: 'a field inside',
      change: ({ customData }: AuthenticatedUser<Data>) =>
        Object.assign(customData['address'] as object, { city: 'Bonn' }),
    },
    {
      what: 'a list',
      change: ({ customData }: AuthenticatedUser<Data>) => (customData['roles'] as string[]).push('admin'),
    },
    {
      what: 'a claim',
      change: ({ claims }: AuthenticatedUser<Data>) => Object.assign(claims, { sub: 'eve' }),
    },
    {
      what: 'a date',
      change: ({ customData }: AuthenticatedUser<Data>) => (customData['since'] as Date).setTime(1),
    },
  ])('hides from other requests what a handler does to $what', async ({ change }) => {
    let before = ''
    await requestsOfOneToken(
      user => {
        before = JSON.stringify(user)
        try {
          change(user)
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
        }
      },
      user => expect(JSON.stringify(user)).toBe(before),
    )
  })

  it('always belongs to the user of the request if requests overlap', async () => {
    const app = express()
      .use(userData.authenticate())
      .get('/', (req, res) => res.json({ id: req.user?.id, data: req.user?.customData }))
    const users = ['alice', 'bob', 'eve']
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        request(app)
          .get('/')
          .set('Authorization', bearerOf(users[n % 3]!)),
      ),
    )
    answers.forEach(({ body }, n) => {
      const user = users[n % 3]
      expect(body.id).toBe(user)
      expect(body.data.userId).toBe(user === 'alice' ? 'alice' : undefined)
    })
  })
})
