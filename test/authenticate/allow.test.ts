import express from 'express'
import type { Express, Request, RequestHandler } from 'express'
import { ObjectId } from 'mongodb'
import request from 'supertest'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CustomUserDataError, OptionError } from 'express-custom-user-data'
import type { GuardRule, RuleExpression } from 'express-custom-user-data'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { expectChallenge, onError, sendRaw } from '../support/http.js'
import { recordEvents } from '../support/session-app.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

type Data = Readonly<Record<string, unknown>>

const database = useDatabase()
let clock: ManualClock
let userData: ReturnType<typeof createTestUserData>
beforeAll(async () => {
  await database.db.collection('custom_user_data').insertMany([
    { userId: 'alice', role: 'member', teams: ['red'], device: new ObjectId('5f6aae9a82989d521a606369') },
    { userId: 'bob', role: 'admin' },
  ])
})
beforeEach(() => {
  clock = createManualClock()
  userData = createTestUserData(database, { clock })
})

/** An app whose every route is behind the guard and then behind the rule. */
function createApp(rule: GuardRule<Data>, options?: Parameters<typeof userData.allow>[1]): Express {
  return behind([userData.authenticate(), userData.allow(rule, options)])
}

function behind(guards: RequestHandler[]): Express {
  return express()
    .get('/teams/:team', ...guards, passed)
    .get('/devices/:device', ...guards, passed)
    .use(...guards, passed)
    .use(userData.errorHandler())
}

const passed: RequestHandler = (_req, res) => {
  res.send('passed')
}

const ask = (app: Express, userId: string, path = '/') =>
  request(app).get(path).set('Authorization', bearerOf(userId, clock.now()))

async function verdicts(rule: GuardRule<Data>, ...userIds: string[]): Promise<boolean[]> {
  const app = createApp(rule)
  const answers = await Promise.all(userIds.map(userId => ask(app, userId)))
  for (const { status } of answers) expect([200, 403]).toContain(status)
  return answers.map(({ status }) => status === 200)
}

describe('a rule expression', () => {
  it('accepts users for whom it is true, and refuses all others', async () => {
    const rule = { '%%user.custom_data.role': 'admin' }
    expect(await verdicts(rule, 'alice', 'bob', 'carol')).toEqual([false, true, false])
  })

  it.each([
    ['true', true, [true, true]],
    ['false', false, [false, false]],
    ['{}', {}, [true, true]],
    ['an id', { '%%user.id': 'alice' }, [true, false]],
    ['a claim', { '%%user.data.sub': 'bob' }, [false, true]],
    ['a list', { '%%user.custom_data.teams': 'red' }, [true, false]],
  ] as const)('may be %s', async (_what, rule, holds) => {
    expect(await verdicts(rule, 'alice', 'bob')).toEqual(holds)
  })

  it.each([
    ['its method', { '%%request.httpMethod': 'GET' }],
    ['its address', { '%%request.remoteIPAddress': '127.0.0.1' }],
    ['its query string', { '%%request.rawQueryString': 'a=1?&b' }],
    ['its user agent', { '%%request.httpUserAgent': 'test' }],
    ['its referrer', { '%%request.httpReferrer': 'https://a.example/' }],
    ['a header of it', { '%%request.requestHeaders.X-Team': 'red' }],
  ])('may look at the request: %s', async (_what, rule) => {
    const send = (app: Express) =>
      ask(app, 'alice', '/?a=1?&b')
        .set('User-Agent', 'test')
        .set('Referer', 'https://a.example/')
        .set('X-Team', 'red')
    expect((await send(createApp(rule))).status).toBe(200)
    expect((await send(createApp({ '%not': rule }))).status).toBe(403)
  })

  it('treats a missing address, query, header or parameter as missing', async () => {
    const missing = (expansion: string) => ({ [expansion]: { $exists: false } })
    const rule = {
      '%and': [
        { '%%request.rawQueryString': '' },
        missing('%%request.httpReferrer'),
        missing('%%request.requestHeaders.x-team'),
        missing('%%request.params.team'),
      ],
    }
    expect(await verdicts(rule, 'alice')).toEqual([true])
  })

  it('may look at the parameters of the route that it is on', async () => {
    const app = createApp({ '%%user.custom_data.teams': '%%request.params.team' })
    expect((await ask(app, 'alice', '/teams/red')).status).toBe(200)
    expect((await ask(app, 'alice', '/teams/blue')).status).toBe(403)
    expect((await ask(app, 'bob', '/teams/red')).status).toBe(403)
  })

  it('compares the driver’s ObjectIds', async () => {
    const app = createApp({ '%%user.custom_data.device': { '%stringToOid': '%%request.params.device' } })
    expect((await ask(app, 'alice', '/devices/5f6aae9a82989d521a606369')).status).toBe(200)
    expect((await ask(app, 'alice', '/devices/5f6aae9a82989d521a606360')).status).toBe(403)
    expect((await ask(app, 'bob', '/devices/5f6aae9a82989d521a606369')).status).toBe(403)
  })

  it('compares each value of a header that was sent twice, so that no negation holds beside the other value', async () => {
    const header = '%%request.requestHeaders.x-team'
    const statusOf = async (rule: RuleExpression, ...headers: string[]) => {
      const authorization = ['Authorization', bearerOf('alice', clock.now())]
      return (await sendRaw(createApp(rule), { headers: [...authorization, ...headers] })).status
    }
    const twice = ['x-team', 'red', 'X-Team', 'guest']
    expect(await statusOf({ [header]: 'red' }, 'x-team', 'red')).toBe(200)
    expect(await statusOf({ [header]: 'red' }, ...twice)).toBe(200)
    expect(await statusOf({ [header]: 'blue' }, ...twice)).toBe(403)
    for (const negation of [{ $ne: 'guest' }, { $nin: ['guest'] }, { '%not': 'guest' }, { $exists: false }]) {
      expect(await statusOf({ [header]: negation }, ...twice)).toBe(403)
    }
    expect(await statusOf({ [header]: { $ne: 'guest' } }, 'x-team', 'red')).toBe(200)
  })

  it('does not find the segments of a wildcard, because one segment must not stand for all', async () => {
    const rule = { '%%user.custom_data.teams': { $in: '%%request.params.path' } }
    const app = express()
      .get('/files/*path', userData.authenticate(), userData.allow(rule), passed)
      .use(userData.errorHandler())
    expect((await ask(app, 'alice', '/files/red/path')).status).toBe(403)
  })

  it('is compiled when the guard is created', () => {
    expect(() => userData.allow({ role: 'admin' })).toThrow(OptionError)
    expect(() => userData.allow(undefined as never)).toThrow(
      'allow(): the rule: write true, false, an object',
    )
  })
})

describe('a function', () => {
  const isAdmin: GuardRule<Data> = user => user.customData['role'] === 'admin'

  it('decides by the user', async () => {
    expect(await verdicts(isAdmin, 'alice', 'bob', 'carol')).toEqual([false, true, false])
  })

  it('may be asynchronous', async () => {
    const slowly: GuardRule<Data> = async (user, req) => {
      await new Promise(setImmediate)
      return isAdmin(user, req)
    }
    expect(await verdicts(slowly, 'alice', 'bob')).toEqual([false, true])
  })

  it('gets the user that handlers get, and the request', async () => {
    const seen: unknown[] = []
    const app = createApp((user, req: Request) => {
      seen.push(user.id, user === req.user, req.path)
      return true
    })
    await ask(app, 'alice', '/a')
    expect(seen).toEqual(['alice', true, '/a'])
  })

  it.each([1, 'true', {}, [], undefined, null, () => true])(
    'refuses unless it says true: %s',
    async verdict => {
      expect(await verdicts(() => verdict as boolean, 'bob')).toEqual([false])
      expect(await verdicts(async () => verdict as boolean, 'bob')).toEqual([false])
    },
  )

  it.each<[how: string, rule: GuardRule<Data>]>([
    [
      'throws',
      () => {
        throw new Error('secret')
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret'))],
    [
      'throws a value that is not an error',
      () => {
        throw undefined as unknown as Error
      },
    ],
  ])('that %s is a 500, and the request is refused', async (_how, rule) => {
    const { status, text, headers } = await ask(createApp(rule), 'bob')
    expect(status).toBe(500)
    expect(JSON.parse(text)).toMatchObject({ code: 'callback_failed' })
    expect(text).not.toContain('secret')
    expect(headers).not.toHaveProperty('www-authenticate')
  })

  it('that fails tells the team why', async () => {
    const cause = new Error('why')
    const errors: Error[] = []
    const app = express()
      .use(
        userData.authenticate(),
        userData.allow(() => Promise.reject(cause)),
      )
      .use(onError((error, res) => void (errors.push(error), res.end())))
    await ask(app, 'bob')
    expect(errors).toEqual([expect.objectContaining({ code: 'callback_failed', cause })])
  })

  it('may answer with an error of this package', async () => {
    const app = createApp(() => {
      throw new CustomUserDataError('custom_data_unavailable', 'Not now.')
    })
    expect(await ask(app, 'bob')).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
  })

  it('that does not answer in time is a 503, and the request is refused', async () => {
    const app = createApp(() => new Promise<boolean>(() => undefined), { timeoutMs: 20 })
    const { status, body, headers } = await ask(app, 'bob')
    expect([status, body.code, headers['retry-after']]).toEqual([503, 'rule_unavailable', '1'])
  })

  it.each([0, -1, 1.5, NaN, '20', 2 ** 31])('cannot have a time limit of %s milliseconds', timeoutMs => {
    expect(() => userData.allow(isAdmin, { timeoutMs: timeoutMs as number })).toThrow(OptionError)
  })
})

describe('a refused user', () => {
  const rule = { '%%user.custom_data.role': 'superintendent', '%%user.custom_data.clearance': { $gte: 7 } }

  it('gets the challenge of RFC 6750', async () => {
    const answer = await ask(createApp(rule), 'bob')
    expect(answer.status).toBe(403)
    expect(answer.type).toBe('application/problem+json')
    expect(answer.body).toMatchObject({ code: 'forbidden', status: 403 })
    expect(expectChallenge(answer)).toMatchObject({ realm: 'api', error: 'insufficient_scope' })
  })

  it('does not learn the rule from the body, a header or an event', async () => {
    const events = recordEvents(userData)
    database.commands.clear()
    const { text, headers } = await ask(createApp(rule), 'bob')
    const told = text + JSON.stringify(headers) + JSON.stringify(events)
    for (const word of ['superintendent', 'clearance', 'role', 'custom_data.', '%%', 'admin'])
      expect(told).not.toContain(word)
    expect(database.commands.loads()).toHaveLength(1)
    const byFunction = await ask(
      createApp(() => false),
      'bob',
    )
    expect([byFunction.text, byFunction.headers['www-authenticate']]).toEqual([
      text,
      headers['www-authenticate'],
    ])
  })

  it('gets 401 without an error if the request has no token', async () => {
    const app = behind([userData.authenticate({ optional: true }), userData.allow(true)])
    const answer = await request(app).get('/')
    expect([answer.status, answer.body.code]).toEqual([401, 'missing_token'])
    expect(expectChallenge(answer)).toEqual({ realm: 'api' })
  })
})

describe('allow() without a guard of this instance before it', () => {
  it.each([{ id: 'bob' }, 'bob', 7])(
    'is a 500 for a req.user without custom data of this instance: %s',
    async user => {
      const others: RequestHandler = (req, _res, next) => {
        req.user = user as Express.User
        next()
      }
      const { status, body } = await ask(behind([others, userData.allow(true)]), 'bob')
      expect([status, body.code]).toEqual([500, 'attach_misconfigured'])
    },
  )
})

describe('allow() behind attach()', () => {
  const others: RequestHandler = (req, _res, next) => {
    req.user = { name: 'bob', claims: { admin: true } } as unknown as Express.User
    next()
  }
  const guards = (rule: GuardRule<Data>) => [
    others,
    userData.attach({ userId: () => 'bob' }),
    userData.allow(rule),
  ]

  it('uses the id and the data of attach()', async () => {
    const rule = { '%%user.id': 'bob', '%%user.custom_data.role': 'admin' }
    expect((await ask(behind(guards(rule)), 'alice')).status).toBe(200)
    expect((await ask(behind(guards({ '%%user.id': 'alice' })), 'alice')).status).toBe(403)
  })

  it('uses the data that attach() added, even if handlers have changed req.user since', async () => {
    const overwrite: RequestHandler = (req, _res, next) => {
      Object.defineProperty(req.user, 'customData', { value: { role: 'admin' } })
      next()
    }
    const attach = userData.attach({ boundTo: () => 'a' })
    const isAdmin = userData.allow({ '%%user.custom_data.role': 'admin' })
    for (const [id, status] of [
      ['alice', 403],
      ['bob', 200],
    ] as const) {
      const asUser: RequestHandler = (req, _res, next) => {
        req.user = { id } as Express.User
        next()
      }
      const app = behind([asUser, attach, overwrite, isAdmin])
      expect((await request(app).get('/')).status).toBe(status)
    }
  })

  it('does not take values of another strategy for claims', async () => {
    expect((await ask(behind(guards({ '%%user.data.admin': true })), 'alice')).status).toBe(403)
  })
})

describe('allow({ maxAgeMs })', () => {
  it('uses fresh data, which handlers then get', async () => {
    const documents = database.db.collection('custom_user_data')
    await documents.insertOne({ userId: 'dora', role: 'admin' })
    const token = `Bearer ${forgeToken({ claims: validClaims('dora', clock.now()) })}`
    const rule = { '%%user.custom_data.role': 'admin' }
    const app = express()
      .use(userData.authenticate())
      .get('/old', userData.allow(rule), (req, res) => res.json(req.user?.customData))
      .get('/now', userData.allow(rule, { maxAgeMs: 0 }), (req, res) => res.json(req.user?.customData))
    const get = (path: string) => request(app).get(path).set('Authorization', token)
    await get('/old').expect(200)
    await documents.updateOne({ userId: 'dora' }, { $set: { since: 2026 } })
    expect((await get('/now').expect(200)).body).toMatchObject({ since: 2026 })
    await documents.updateOne({ userId: 'dora' }, { $set: { role: 'member' } })
    await get('/old').expect(200)
    await get('/now').expect(403)
    await get('/old').expect(403)
  })
})
