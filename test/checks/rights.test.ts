import { readFileSync } from 'node:fs'
import { hash } from '@node-rs/argon2'
import { runInNewContext } from 'node:vm'
import { MongoClient, ObjectId } from 'mongodb'
import type { Db } from 'mongodb'
import express from 'express'
import type { Express } from 'express'
import request from 'supertest'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createAppServices } from 'express-custom-user-data/app-services'
import type { CustomUserDataOptions, WarningEvent } from 'express-custom-user-data'
import { useAuthServer } from '../support/auth-server.js'
import type { Rights } from '../support/auth-server.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>

const DATA = 'custom_user_data'
const SESSIONS = 'custom_user_data_sessions'
const ATTEMPTS = 'custom_user_data_login_attempts'
/** The database that the commands of the guide to production name. */
const DATABASE = 'app'

const server = useAuthServer()
/** The privileges of each role of the guide. */
const roles = new Map<string, Rights>()
beforeAll(async () => {
  const db = server.ownerDb(DATABASE)
  for (const [role, privileges] of readRoles()) {
    await db.command({ createRole: role, privileges, roles: [] })
    roles.set(
      role,
      Object.fromEntries(privileges.map(({ resource, actions }) => [resource.collection, actions])),
    )
  }
  // The indexes exist, so nobody needs the right to make them.
  const owner = createTestUserData({ db }, { loginThrottle: {} })
  await owner.ready()
  await db.collection(DATA).insertMany([
    { userId: 'alice', n: 1 },
    { userId: 'bob', n: 1 },
  ])
  weakHash = await hash('right', { memoryCost: 1_024, timeCost: 1, parallelism: 1 })
  await db.collection('users').insertOne({ username: 'frank', passwordHash: weakHash })
})

interface GuidePrivilege {
  readonly resource: { readonly db: string; readonly collection: string }
  readonly actions: string[]
}

/** Runs the commands of the guide to production for `mongosh`, and gives the roles that they create. */
function readRoles(): Map<string, GuidePrivilege[]> {
  const guide = readFileSync(new URL('../../docs/production.md', import.meta.url), 'utf8')
  const code = /```js\n((?:(?!```)[^])*createRole[^]*?)```/.exec(guide)?.[1] ?? ''
  const created = new Map<string, GuidePrivilege[]>()
  const granted: string[] = []
  const app = {
    getName: () => DATABASE,
    createRole: ({ role, privileges }: { role: string; privileges: GuidePrivilege[] }) =>
      created.set(role, privileges),
    createUser: (user: { roles: string[] }) => granted.push(...user.roles),
  }
  const db = { getSiblingDB: (name: string) => (name === DATABASE ? app : undefined) }
  runInNewContext(code, { db, passwordPrompt: () => 'a password' })
  expect([...created.keys()]).toEqual(expect.arrayContaining(granted))
  expect(granted).not.toEqual([])
  return created
}

/** An instance for a database user, with the warnings so far. */
function createInstance(db: Db, options: Options = {}) {
  const userData = createTestUserData({ db }, options)
  onTestFinished(() => userData.close())
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  return { userData, warnings }
}

type UserData = ReturnType<typeof createTestUserData>

function createLoginApp(userData: UserData): Express {
  return express()
    .post(
      '/login',
      userData.login(body => (body['password'] === 'right' ? { id: String(body['username']) } : null)),
    )
    .post('/refresh', userData.refresh())
    .post('/logout', userData.logout())
    .use(userData.authenticate())
    .get('/me', (req, res) => res.json(req.user?.customData))
    .use('/sessions', userData.ownSessions())
    .use('/own', userData.ownData({ fields: ['n'], upsert: true }))
    .use(userData.errorHandler())
}

const tokenOf = (user: string) => forgeToken({ claims: validClaims(user) })

async function logIn(app: Express, username: string, password = 'right') {
  const { status, body } = await request(app).post('/login').send({ username, password })
  return { status, ...(body as { access_token: string; refresh_token: string }) }
}

/** A feature: the roles of the guide that it needs, the options, and its use. Each use expects success. */
type Feature = readonly [string, readonly string[], Options, (userData: UserData, db: Db) => Promise<void>]

/** Of the password `right`, with less memory than today's hashes. */
let weakHash = ''
let users = 0
const FEATURES: readonly Feature[] = [
  [
    'reading',
    ['customDataRead'],
    {},
    async userData => {
      expect((await userData.verifyToken(tokenOf('alice'))).customData).toMatchObject({ n: 1 })
      expect(await userData.forUser('alice').read()).toMatchObject({ n: 1 })
    },
  ],
  [
    'logins with sessions',
    ['customDataRead', 'customDataLogins'],
    {},
    async userData => {
      const app = express()
        .post(
          '/login',
          userData.login(body => ({ id: String(body['username']) })),
        )
        .post('/refresh', userData.refresh())
        .post('/logout', userData.logout())
        .use(userData.authenticate())
        .use('/sessions', userData.ownSessions())
      const { status, access_token, refresh_token } = await logIn(app, 'alice')
      expect(status).toBe(200)
      expect((await request(app).get('/sessions').auth(access_token, { type: 'bearer' })).status).toBe(200)
      const next = await request(app).post('/refresh').send({ refresh_token })
      expect(next.status).toBe(200)
      const { refresh_token: newer } = next.body as { refresh_token: string }
      expect((await request(app).post('/logout').send({ refresh_token: newer })).status).toBe(204)
      await userData.deleteSessions('alice')
    },
  ],
  [
    'the throttle',
    ['customDataRead', 'customDataLogins', 'customDataThrottle'],
    { loginThrottle: { accountAndAddressFailures: 3 } },
    async userData => {
      const app = express().post(
        '/login',
        userData.login(body => (body['password'] === 'right' ? { id: String(body['username']) } : null)),
      )
      const user = `user-${users++}`
      // More correct logins than failures are allowed: none of them stays counted.
      for (let times = 0; times < 8; times++) expect((await logIn(app, user)).status).toBe(200)
      for (let times = 0; times < 3; times++) expect((await logIn(app, user, 'wrong')).status).toBe(401)
      expect((await logIn(app, user)).status).toBe(429)
      await userData.forgetFailedLogins(user)
      expect((await logIn(app, user)).status).toBe(200)
    },
  ],
  [
    'revocations',
    ['customDataRead', 'customDataRevocations'],
    {},
    async userData => {
      await userData.revoke('carol')
      await userData.disable('carol')
      await userData.enable('carol')
    },
  ],
  [
    'updates',
    ['customDataRead', 'customDataUpdate'],
    {},
    async userData => {
      expect(await userData.forUser('bob').update({ n: 2 })).toMatchObject({ n: 2 })
      expect(await userData.forUser('bob').replace({ n: 3 })).toMatchObject({ n: 3 })
      const conditional = { where: { n: 3 }, returns: 'before' } as const
      expect(await userData.forUser('bob').update({ n: 4 }, conditional)).toMatchObject({ n: 3 })
      expect(await userData.forUser('bob').replace({ n: 5 }, conditional)).toBeUndefined()
      expect(await userData.forUser('bob').find({ n: 4 })).toMatchObject({ n: 4 })
    },
  ],
  [
    'upserts and removals',
    ['customDataRead', 'customDataUpdate', 'customDataInsert', 'customDataRemove'],
    {},
    async userData => {
      const user = `user-${users++}`
      expect(await userData.forUser(user).update({ n: 1 }, { upsert: true })).toMatchObject({ n: 1 })
      expect(await userData.forUser(user).delete()).toBe(true)
      expect(await userData.forUser(user).replace({ n: 2 }, { upsert: true })).toMatchObject({ n: 2 })
      expect(await userData.forUser(user).delete()).toBe(true)
    },
  ],
  [
    'ownData with upsert',
    ['customDataRead', 'customDataUpdate', 'customDataInsert'],
    {},
    async userData => {
      const app = express()
        .use(userData.authenticate())
        .use('/own', userData.ownData({ fields: ['n'], upsert: true }))
        .use(userData.errorHandler())
      const token = tokenOf(`user-${users++}`)
      const patch = (n: number) => request(app).patch('/own').auth(token, { type: 'bearer' }).send({ n })
      expect((await patch(1)).status).toBe(201)
      expect((await patch(2)).status).toBe(200)
    },
  ],
  [
    'createCustomData',
    ['customDataRead', 'customDataLogins', 'customDataInsert'],
    { hooks: { createCustomData: () => ({ n: 7 }) } },
    async userData => {
      const { user } = await userData.issueTokens(`user-${users++}`)
      expect(user.customData).toMatchObject({ n: 7 })
    },
  ],
  [
    'issueTokens and sessions',
    ['customDataRead', 'customDataLogins'],
    {},
    async userData => {
      const user = `user-${users++}`
      await userData.issueTokens(user)
      expect(await userData.sessions(user)).toHaveLength(1)
    },
  ],
  [
    'storedAbout',
    ['customDataRead', 'customDataThrottle'],
    {},
    async userData => {
      expect(await userData.storedAbout('alice', { accounts: ['alice'] })).toMatchObject({ failedLogins: [] })
    },
  ],
  [
    'eraseUser',
    ['customDataRead', 'customDataErasure'],
    {},
    async userData => {
      await userData.eraseUser('erin', { accounts: ['erin'] })
    },
  ],
  [
    'createAppServices',
    ['customDataRead', 'customDataLogins', 'customDataErasure', 'customDataAppServices'],
    { userDataInToken: 'canonical' },
    async (userData, db) => {
      const appServices = createAppServices({
        userData,
        database: db,
        appId: 'application-0-abcde',
        hostname: 'https://api.example.com/realm',
        providers: { anonymous: true, apiKey: true, emailPassword: { autoConfirm: true } },
      })
      await appServices.ready()
      const [userId, email] = [new ObjectId().toHexString(), `user-${users++}@example.com`]
      await appServices.addEmailAccount({ email, userId })
      expect(await appServices.findUser(userId)).toMatchObject({ data: { email } })
      expect(await appServices.deleteUser(userId)).toBe(true)
    },
  ],
  [
    'passwordCredentials',
    ['customDataRead', 'customDataLogins', 'customDataPasswords'],
    {},
    async (userData, db) => {
      const collection = db.collection('users')
      const options = { collection, usernameField: 'username', upgradeHashes: true }
      const app = express().post('/login', userData.login(userData.passwordCredentials(options)))
      expect((await logIn(app, 'frank')).status).toBe(200)
      await expect
        .poll(async () => (await collection.findOne({ username: 'frank' }))?.['passwordHash'] as string)
        .toContain('m=19456')
      await server
        .ownerDb(DATABASE)
        .collection('users')
        .updateOne({ username: 'frank' }, { $set: { passwordHash: weakHash } })
    },
  ],
  [
    'change streams',
    ['customDataRead', 'customDataChangeStreams'],
    { changeStreams: 'auto' },
    async userData => {
      expect(await userData.ready()).toMatchObject({
        changeStreams: { custom_data: 'open', sessions: 'open' },
      })
    },
  ],
]

describe('a database user with the roles of the guide', () => {
  it.each(FEATURES)('for %s can use exactly that, without a warning', async (_what, names, options, use) => {
    const db = await server.dbWithRoles(DATABASE, names)
    const { userData, warnings } = createInstance(db, options)
    await userData.ready()
    await use(userData, db)
    // Routes were created, so their rights are compared too.
    const { userData: second, warnings: others } = createInstance(db, options)
    await use(second, db)
    await second.ready()
    expect([...warnings, ...others]).toEqual([])
  })

  it('for indexes can make all indexes, and needs no other right for it', async () => {
    const other = server.ownerDb()
    const db = await server.dbWith(other.databaseName, {
      [DATA]: [...roles.get('customDataRead')![DATA]!, ...roles.get('customDataIndexes')![DATA]!],
      [SESSIONS]: [...roles.get('customDataRead')![SESSIONS]!, ...roles.get('customDataIndexes')![SESSIONS]!],
      [ATTEMPTS]: ['find', ...roles.get('customDataIndexes')![ATTEMPTS]!],
    })
    const { userData, warnings } = createInstance(db, { loginThrottle: {} })
    expect(await userData.ready()).toMatchObject({
      indexes: { custom_data: 'there', sessions: 'there', login_attempts: 'there' },
    })
    expect(warnings).toEqual([])
  })
})

describe('a right that is missing', () => {
  const ALL: Rights = {
    [DATA]: ['find', 'listIndexes', 'insert', 'update', 'changeStream'],
    [SESSIONS]: ['find', 'listIndexes', 'insert', 'update', 'remove', 'changeStream'],
    [ATTEMPTS]: ['find', 'listIndexes', 'insert', 'update'],
  }
  const OPTIONS: Options = {
    loginThrottle: {},
    changeStreams: 'auto',
    hooks: { createCustomData: () => ({ n: 7 }) },
  }
  const without = (collection: string, action: string): Rights => ({
    ...ALL,
    [collection]: ALL[collection]!.filter(other => other !== action),
  })
  const cases = Object.entries(ALL).flatMap(([collection, actions]) =>
    actions.map(action => [action, collection] as const),
  )

  it('is none: then ready() warns about nothing', async () => {
    const { userData, warnings } = createInstance(await server.dbWith(DATABASE, ALL), OPTIONS)
    createLoginApp(userData)
    await userData.ready()
    expect(warnings).toEqual([])
  })

  it.each(cases)('is named by ready(): %s on %s', async (action, collection) => {
    const db = await server.dbWith(DATABASE, without(collection, action))
    const { userData, warnings } = createInstance(db, OPTIONS)
    createLoginApp(userData)
    const error: unknown = await userData.ready().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    // Without these rights no load works, so ready() rejects too.
    const isFatal = collection === DATA && ['find', 'listIndexes'].includes(action)
    expect(error !== undefined).toBe(isFatal)
    if (isFatal) expect(error).toMatchObject({ code: 'database_unauthorized' })
    const naming = warnings.filter(
      ({ message }) => message.includes(action) && message.includes(`${DATABASE}.${collection}`),
    )
    expect(naming).not.toEqual([])
  })

  it('of a route that was created after ready() is named a minute later', async () => {
    const db = await server.dbWith(DATABASE, without(DATA, 'update'))
    let now = Date.now()
    const clock = { now: () => now, monotonic: () => now }
    const { userData, warnings } = createInstance(db, { ...OPTIONS, clock })
    await userData.ready()
    expect(warnings).toEqual([])
    createLoginApp(userData)
    now += 60_000
    await userData.ready()
    await expect.poll(() => warnings.map(({ code }) => code)).toEqual(['database_right_missing'])
    expect(warnings[0]!.message).toContain('"update" on app.custom_user_data, which ownData() needs')
  })

  it.each(['find', 'update'])(
    'on the users collection is named by ready() if passwordCredentials() needs it: %s',
    async action => {
      const users = ['find', 'update'].filter(other => other !== action)
      const db = await server.dbWith(DATABASE, { ...ALL, users })
      const { userData, warnings } = createInstance(db, OPTIONS)
      userData.passwordCredentials({ collection: db.collection('users') })
      userData.passwordCredentials({ collection: db.collection('users'), upgradeHashes: true })
      await userData.ready()
      expect(warnings.map(({ message }) => message)).toEqual([
        expect.stringContaining(
          `"${action}" on app.users, which passwordCredentials(${action === 'find' ? '' : '{ upgradeHashes }'}) needs`,
        ),
      ])
    },
  )

  it('is none if the user has the action that stands for all actions', async () => {
    const every = Object.fromEntries(Object.keys(ALL).map(name => [name, ['anyAction']]))
    const { userData, warnings } = createInstance(await server.dbWith(DATABASE, every), OPTIONS)
    createLoginApp(userData)
    await userData.ready()
    expect(warnings).toEqual([])
  })

  it('is named although another collection cannot be asked about', async () => {
    const db = await server.dbWith(DATABASE, without(SESSIONS, 'remove'))
    const away = new MongoClient('mongodb://127.0.0.1:1', { serverSelectionTimeoutMS: 100 })
    onTestFinished(() => away.close())
    const { userData, warnings } = createInstance(db, OPTIONS)
    userData.passwordCredentials({ collection: away.db(DATABASE).collection('users') })
    createLoginApp(userData)
    await userData.ready()
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining(`"remove" on ${DATABASE}.${SESSIONS}`),
    ])
  })

  it('cannot be told behind the strict stable API, which causes no warning', async () => {
    const db = await server.dbWith(DATABASE, without(SESSIONS, 'remove'), {
      serverApi: { version: '1', strict: true, deprecationErrors: true },
    })
    const { userData, warnings } = createInstance(db, OPTIONS)
    createLoginApp(userData)
    await userData.ready()
    expect(warnings).toEqual([])
  })
})
