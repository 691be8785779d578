import express from 'express'
import type { Express, RequestHandler } from 'express'
import { CustomUserDataError } from 'express-custom-user-data'
import type { CustomUserData } from 'express-custom-user-data'
import jwt from 'jsonwebtoken'
import passport from 'passport'
import { ExtractJwt, Strategy } from 'passport-jwt'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { createTestUserData, SECRET } from '../support/user-data.js'

// The recipe of docs/old-tokens.md for apps whose old tokens are still in the field.

const OLD_SECRET = 'the secret of the old tokens, 32 bytes or more'

/** The user that the old strategy of the team finds. */
interface OldUser {
  readonly accountId: string
  readonly expiresAt: Date
}

const deadlines = holdDeadlines()
const database = useDatabase()
const documents = () => database.db.collection('custom_user_data')
beforeEach(async () => {
  await documents().deleteMany({})
  await documents().insertOne({ userId: 'alice', language: 'fr' })
})

type UserData = CustomUserData<Readonly<Record<string, unknown>>>

/** The team's strategy for tokens that it issued before. */
function createOldStrategy(secretOrKey: string): Strategy {
  const jwtFromRequest = ExtractJwt.fromAuthHeaderAsBearerToken()
  return new Strategy(
    { jwtFromRequest, secretOrKey, algorithms: ['HS256'] },
    ({ sub, exp }: { sub: string; exp: number }, done) => {
      done(null, { accountId: sub, expiresAt: new Date(exp * 1000) } satisfies OldUser)
    },
  )
}

/**
 * The status that a user with a new token gets while MongoDB gives no answer. Deadlines pass again and again, because the load
 * begins later if it has to wait for a connection.
 */
async function statusWhileAway(
  app: Express,
  userData: Pick<CustomUserData<unknown>, 'invalidate'>,
  { proxy }: Awaited<ReturnType<typeof openProxiedDatabase>>,
): Promise<number> {
  const token = await newTokenOf(app, 'alice')
  userData.invalidate('alice')
  proxy.pause()
  const passing = setInterval(() => {
    deadlines.pass(10_000)
  }, 10)
  const { status } = await get(app, '/me', token)
  clearInterval(passing)
  proxy.resume()
  return status
}

function start(
  from: Pick<TestDatabase, 'db'> = database,
  oldSecret = OLD_SECRET,
  toGuard: typeof guardOf = guardOf,
) {
  const userData = createTestUserData(from)
  const app = express()
    .post(
      '/login/:user',
      userData.login((_credentials, req) => ({ id: String(req.params['user']) })),
    )
    .use(toGuard(userData, oldSecret))
    .get('/me', (req, res) => res.json(userData.user(req).customData))
    .get('/french', userData.allow({ '%%user.custom_data.language': 'fr' }), (_req, res) => res.json('oui'))
    .use('/settings', userData.ownData({ fields: ['language'] }))
    .use(userData.errorHandler())
  return { userData, app }
}

/** The guard of the recipe. */
function guardOf(userData: UserData, oldSecret: string): RequestHandler[] {
  const chain = new passport.Passport()
  chain.use(userData.strategy())
  chain.use(createOldStrategy(oldSecret))
  const attachToOldUser = userData.attach({
    userId: req => (req.user as unknown as OldUser).accountId,
    expiresAt: req => (req.user as unknown as OldUser).expiresAt,
  })
  return [
    chain.authenticate(['custom-user-data', 'jwt'], { session: false }) as RequestHandler,
    (req, res, next) => {
      if ('customData' in userData.user(req)) next()
      else attachToOldUser(req, res, next)
    },
  ]
}

/** The user's document of the app, which its handlers read as `req.user`. */
class Account {
  readonly id: string

  constructor(id: string) {
    this.id = id
  }
}

/** The guard of an app that sets `req.user` to its own object after either strategy. */
function guardOfAccounts(userData: UserData, oldSecret: string): RequestHandler[] {
  const chain = new passport.Passport()
  chain.use(userData.strategy())
  chain.use(createOldStrategy(oldSecret))
  return [
    (req, res, next) => {
      const found = (error: unknown, user: { id: string } | OldUser | false) => {
        if (error instanceof CustomUserDataError) {
          next(error)
          return
        }
        if (Boolean(error) || user === false) {
          res.sendStatus(401)
          return
        }
        req.user = new Account('accountId' in user ? user.accountId : user.id) as never
        next()
      }
      const authenticate = chain.authenticate(['custom-user-data', 'jwt'], { session: false }, found)
      void (authenticate as RequestHandler)(req, res, next)
    },
    userData.attach(),
  ]
}

const oldTokenOf = (account: string, secret = OLD_SECRET) =>
  jwt.sign({}, secret, { subject: account, expiresIn: '1h' })
const newTokenOf = async (app: Express, user: string) =>
  String((await request(app).post(`/login/${user}`).send({})).body.access_token)
const get = (app: Express, path: string, token: string) =>
  request(app).get(path).auth(token, { type: 'bearer' })
const loads = () =>
  database.commands
    .named('find', 'aggregate')
    .filter(({ command }) => Object.values(command).includes('custom_user_data'))

describe('a chain of strategy() and the old strategy, with attach() behind the old one', () => {
  it('gives the same custom data for a new token and for an old token of one user', async () => {
    const { app } = start()
    for (const token of [await newTokenOf(app, 'alice'), oldTokenOf('alice')]) {
      const answer = await get(app, '/me', token)
      expect(answer).toMatchObject({ status: 200, body: { language: 'fr' } })
    }
  })

  it('runs attach() for old tokens alone: each token is loaded once', async () => {
    const { app } = start()
    const tokens = [await newTokenOf(app, 'alice'), oldTokenOf('alice')]
    database.commands.clear()
    for (const token of [...tokens, ...tokens]) await get(app, '/me', token)
    // The login loaded the data of the new token.
    expect(loads()).toHaveLength(1)
  })

  it('refuses a token of neither with 401', async () => {
    const { app } = start()
    const foreign = oldTokenOf('alice', 'a secret that nobody else has, 32 bytes or more')
    expect((await get(app, '/me', foreign)).status).toBe(401)
    expect((await request(app).get('/me')).status).toBe(401)
  })

  it('refuses a revoked new token: the old strategy has another secret', async () => {
    const { app, userData } = start()
    const token = await newTokenOf(app, 'alice')
    await userData.revoke('alice')
    expect((await get(app, '/me', token)).status).toBe(401)
  })

  it('would let a revoked new token in if the old strategy had the same secret', async () => {
    const { app, userData } = start(database, SECRET)
    const token = await newTokenOf(app, 'alice')
    await userData.revoke('alice')
    expect((await get(app, '/me', token)).status).toBe(200)
  })

  it('answers 503 for a new token while MongoDB is away, and does not ask the old strategy', async () => {
    const proxied = await openProxiedDatabase(database)
    const { app, userData } = start(proxied)
    expect(await statusWhileAway(app, userData, proxied)).toBe(503)
  })

  it('drops the snapshots of both tokens when the user’s data changes', async () => {
    const { app, userData } = start()
    const tokens = [await newTokenOf(app, 'alice'), oldTokenOf('alice')]
    for (const token of tokens) await get(app, '/me', token)
    await userData.forUser('alice').update({ language: 'de' })
    for (const token of tokens) expect((await get(app, '/me', token)).body.language).toBe('de')
  })

  it('lets allow() and ownData() act on the user of either token', async () => {
    const { app } = start()
    for (const token of [await newTokenOf(app, 'alice'), oldTokenOf('alice')]) {
      expect((await get(app, '/french', token)).status).toBe(200)
      const change = request(app).patch('/settings').auth(token, { type: 'bearer' }).send({ language: 'de' })
      expect((await change).status).toBe(200)
      expect((await get(app, '/french', token)).status).toBe(403)
      await documents().updateOne({ userId: 'alice' }, { $set: { language: 'fr' } })
    }
    expect((await get(start().app, '/french', oldTokenOf('bob'))).status).toBe(403)
  })

  it('lets old tokens pass after revoke(), because only the team can end them', async () => {
    const { app, userData } = start()
    await userData.revoke('alice')
    expect((await get(app, '/me', oldTokenOf('alice'))).status).toBe(200)
  })
})

describe('a chain after which the app sets req.user to its own document, with attach() behind both', () => {
  const startWithAccounts = (from?: Pick<TestDatabase, 'db'>) => start(from, OLD_SECRET, guardOfAccounts)

  it('adds custom data to that document, for a new token and for an old one', async () => {
    const { app, userData } = startWithAccounts()
    app.get('/user', (req, res) => res.json({ ours: req.user instanceof Account, ...userData.user(req) }))
    for (const token of [await newTokenOf(app, 'alice'), oldTokenOf('alice')]) {
      const { body } = await get(app, '/user', token)
      expect(body).toMatchObject({ ours: true, id: 'alice', customData: { language: 'fr' } })
    }
  })

  it('lets allow() and ownData() act on the user of either token', async () => {
    const { app } = startWithAccounts()
    for (const token of [await newTokenOf(app, 'alice'), oldTokenOf('alice')]) {
      expect((await get(app, '/french', token)).status).toBe(200)
      const change = request(app).patch('/settings').auth(token, { type: 'bearer' }).send({ language: 'de' })
      expect((await change).status).toBe(200)
      expect((await get(app, '/french', token)).status).toBe(403)
      await documents().updateOne({ userId: 'alice' }, { $set: { language: 'fr' } })
    }
  })

  it('refuses a new token after revoke()', async () => {
    const { app, userData } = startWithAccounts()
    const token = await newTokenOf(app, 'alice')
    await userData.revoke('alice')
    expect((await get(app, '/me', token)).status).toBe(401)
  })

  it('answers 503 while MongoDB is away, because the callback passes the error on', async () => {
    const proxied = await openProxiedDatabase(database)
    const { app, userData } = startWithAccounts(proxied)
    expect(await statusWhileAway(app, userData, proxied)).toBe(503)
  })
})
