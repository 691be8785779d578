import { MongoNetworkError, MongoServerError } from 'mongodb'
import type { Document } from 'mongodb'
import express from 'express'
import type { Express } from 'express'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashPassword } from 'express-custom-user-data'
import type { CustomUserData, CustomUserDataError } from 'express-custom-user-data'
import { startMongod } from '../../examples/support/start-mongod.js'
import type { StartedMongod } from '../../examples/support/start-mongod.js'
import { toDatabaseError } from '../../lib/mongo/database-errors.js'
import { DeadlineError } from '../../lib/util/deadline.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { logIn } from '../support/session-app.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

/** Codes of a server that may answer a moment later. */
const PASSING = [
  1, 6, 8, 24, 46, 50, 64, 89, 91, 96, 112, 125, 134, 189, 202, 211, 246, 262, 317, 8000, 9001, 10107, 11600,
  11601, 11602, 13435, 14031, 16500,
]
/** Codes of a server that will not answer before somebody changes the set-up, with the code of the answer. */
const LASTING = new Map([
  [13, 'database_unauthorized'],
  [18, 'database_authentication_failed'],
  [100, 'write_concern_unsatisfiable'],
])
const CODES = [...PASSING, ...LASTING.keys()]

/** The app name of the client whose commands fail. The server's fail points go by it. */
const APP_NAME = 'app'
const DATA = 'custom_user_data'
const SESSIONS = 'custom_user_data_sessions'
const ATTEMPTS = 'custom_user_data_login_attempts'
const USERS = 'users'
const PASSWORD = 'a password of the tests'
const NEVER = 1_000_000

type Instance = CustomUserData<Readonly<Record<string, unknown>>>
type Outage = 'custom_data_unavailable' | 'sessions_unavailable' | 'credentials_unavailable'

/** What an operation ended with: the status and the code of the error, if it has one. */
interface Outcome {
  readonly status: number | undefined
  readonly code: string | undefined
  readonly retryAfter: string | undefined
}

/** One operation, and the command of it that the server fails. */
interface Case {
  readonly what: string
  readonly run: () => Promise<Outcome>
}

/** The cases of one command on one collection. */
interface Group {
  readonly command: string
  readonly on: string
  readonly outage: Outage
  /** Codes that the operation can do without. */
  readonly tolerated?: readonly number[]
  readonly cases: readonly Case[]
}

let mongod: StartedMongod
let admin: TestDatabase
let failing: TestDatabase
let userData: Instance
let app: Express
/** Instances with options that lead to other commands. */
let others: { readonly projecting: Instance; readonly checking: Instance }
let tokens: { readonly access: string; readonly refresh: string; readonly exchanged: string }

beforeAll(async () => {
  mongod = await startMongod({ args: ['--setParameter', 'enableTestCommands=1'] })
  admin = await openDatabase({ uri: mongod.uri })
  // Retries of the driver would only make the test slower, because the server fails each command until the next case.
  const client = await openDatabase({
    uri: mongod.uri,
    appName: APP_NAME,
    retryReads: false,
    retryWrites: false,
    // After the codes of a server that stops, the driver looks for a server. It looks again soon.
    ...{ heartbeatFrequencyMS: 500, minHeartbeatFrequencyMS: 20 },
  })
  failing = { ...client, db: client.client.db(admin.db.databaseName) }
  const { db } = admin
  await db.collection(DATA).insertMany([
    { userId: 'alice', language: 'en' },
    { userId: 'bob', language: 'en' },
  ])
  await db.collection(USERS).insertOne({
    _id: 'alice' as never,
    email: 'alice',
    passwordHash: await hashPassword(PASSWORD),
  })
  userData = start()
  others = {
    projecting: start({ projection: { language: 1 } }),
    checking: start({ sessionCheckIntervalMs: 0 }),
  }
  await Promise.all([userData, ...Object.values(others)].map(instance => instance.ready()))
  app = createApp(userData)
  const pair = await logIn(app)
  const exchanged = await userData.issueTokens('alice')
  await ask(request(app).post('/refresh').send({ refresh_token: exchanged.refresh_token }))
  tokens = { access: pair.access_token, refresh: pair.refresh_token, exchanged: exchanged.refresh_token }
})
afterAll(async () => {
  await failing.client.close()
  await admin.close()
  await mongod.stop()
})

function start(options: Parameters<typeof createTestUserData>[1] = {}): Instance {
  const instance = createTestUserData(failing, {
    loginThrottle: { addressFailures: NEVER },
    ...options,
  })
  instance.events.on('warning', () => undefined)
  return instance
}

function createApp(instance: Instance): Express {
  return express()
    .post(
      '/login',
      instance.login(({ user }) => (typeof user === 'string' ? { id: user } : null)),
    )
    .post(
      '/password',
      instance.login(instance.passwordCredentials({ collection: failing.db.collection(USERS) })),
    )
    .post('/refresh', instance.refresh())
    .post('/logout', instance.logout())
    .use(instance.authenticate())
    .get('/me', (req, res) => res.json(req.user))
    .post('/logout-all', instance.logoutAll())
    .use('/sessions', instance.ownSessions())
    .use('/data', instance.ownData({ fields: ['language'], upsert: true }))
    .use(instance.errorHandler())
}

/** The outcome of a call of a function. */
async function call(run: () => Promise<unknown>): Promise<Outcome> {
  try {
    await run()
    return { status: 200, code: undefined, retryAfter: undefined }
  } catch (error) {
    const { status, code, headers } = error as Partial<CustomUserDataError>
    return { status, code, retryAfter: headers?.['Retry-After'] }
  }
}

/** The outcome of a request. The routes of RFC 6749 do not name our code, so it is left out there. */
async function ask(test: request.Test): Promise<Outcome> {
  const { status, body, headers } = await test
  const { code } = body as { readonly code?: string }
  return { status, code, retryAfter: (headers as Record<string, string>)['retry-after'] }
}

/** A token whose snapshot is cached, so that the guard in front of a route sends no command. */
const cached = () => ({ Authorization: `Bearer ${tokens.access}` })
const bearer = (sub: string) => ({ Authorization: `Bearer ${forgeToken({ claims: validClaims(sub) })}` })
const user = () => userData.forUser('alice')
const login = () => ask(request(app).post('/login').send({ user: 'alice' }))

/** Makes the server fail one command on one collection, until {@link heal}. */
async function fail(
  command: string,
  on: string,
  fault: Document,
  mode: Document | 'alwaysOn' = 'alwaysOn',
): Promise<void> {
  const namespace = `${admin.db.databaseName}.${on}`
  const data = { failCommands: [command], appName: APP_NAME, namespace, ...fault }
  await admin.client.db('admin').command({ configureFailPoint: 'failCommand', mode, data })
}
const heal = () => admin.client.db('admin').command({ configureFailPoint: 'failCommand', mode: 'off' })

const onDocuments: readonly Group[] = [
  {
    command: 'find',
    on: DATA,
    outage: 'custom_data_unavailable',
    cases: [
      { what: 'a guard that loads', run: () => ask(request(app).get('/me').set(bearer('alice'))) },
      { what: 'verifyToken()', run: () => call(() => userData.verifyToken(forgeToken())) },
      { what: 'forUser().read()', run: () => call(() => user().read()) },
      { what: 'issueTokens()', run: () => call(() => userData.issueTokens('alice')) },
      { what: 'a replace of forUser()', run: () => call(() => user().replace({ language: 'en' })) },
      { what: 'a login', run: login },
      { what: 'ready()', run: () => call(() => start().ready()) },
    ],
  },
  {
    command: 'aggregate',
    on: DATA,
    outage: 'custom_data_unavailable',
    cases: [
      {
        what: 'a guard that loads with a projection',
        run: () => call(() => others.projecting.verifyToken(forgeToken())),
      },
      { what: 'GET of ownData()', run: () => ask(request(app).get('/data').set(cached())) },
      {
        what: 'PATCH of ownData()',
        run: () => ask(request(app).patch('/data').set(cached()).send({ language: 'fr' })),
      },
      { what: 'forUser().update()', run: () => call(() => user().update({ language: 'en' })) },
      { what: 'forUser().delete()', run: () => call(() => user().delete()) },
    ],
  },
  {
    command: 'findAndModify',
    on: DATA,
    outage: 'custom_data_unavailable',
    cases: [
      {
        what: 'PATCH of ownData()',
        run: () => ask(request(app).patch('/data').set(cached()).send({ language: 'fr' })),
      },
    ],
  },
  {
    command: 'insert',
    on: DATA,
    outage: 'custom_data_unavailable',
    cases: [
      {
        what: 'PUT of ownData() by a user without a document',
        run: () => ask(request(app).put('/data').set(bearer('carol')).send({ language: 'fr' })),
      },
      {
        what: 'forUser().replace() with upsert',
        run: () => call(() => userData.forUser('carol').replace({ language: 'fr' }, { upsert: true })),
      },
    ],
  },
  {
    command: 'update',
    on: DATA,
    outage: 'custom_data_unavailable',
    cases: [
      { what: 'forUser().update()', run: () => call(() => user().update({ language: 'en' })) },
      { what: 'forUser().replace()', run: () => call(() => user().replace({ language: 'en' })) },
      {
        what: 'forUser().update() with upsert',
        run: () => call(() => userData.forUser('carol').update({ language: 'fr' }, { upsert: true })),
      },
    ],
  },
  {
    command: 'delete',
    on: DATA,
    outage: 'custom_data_unavailable',
    cases: [{ what: 'forUser().delete()', run: () => call(() => userData.forUser('bob').delete()) }],
  },
]

const onSessions: readonly Group[] = [
  {
    command: 'find',
    on: SESSIONS,
    outage: 'sessions_unavailable',
    cases: [
      { what: 'a login', run: login },
      { what: 'GET of ownSessions()', run: () => ask(request(app).get('/sessions').set(cached())) },
      { what: 'sessions()', run: () => call(() => userData.sessions('alice')) },
      { what: 'a check of the session', run: () => call(() => others.checking.verifyToken(tokens.access)) },
    ],
  },
  {
    command: 'aggregate',
    on: SESSIONS,
    outage: 'sessions_unavailable',
    cases: [
      { what: 'a login', run: login },
      {
        what: 'a refresh with an exchanged token',
        run: () => ask(request(app).post('/refresh').send({ refresh_token: tokens.exchanged })),
      },
      { what: 'revoke() of a user', run: () => call(() => userData.revoke('bob')) },
    ],
  },
  {
    command: 'findAndModify',
    on: SESSIONS,
    outage: 'sessions_unavailable',
    cases: [
      { what: 'a login', run: login },
      { what: 'issueTokens()', run: () => call(() => userData.issueTokens('alice')) },
      {
        what: 'a refresh',
        run: () => ask(request(app).post('/refresh').send({ refresh_token: tokens.refresh })),
      },
      {
        what: 'a logout',
        run: () => ask(request(app).post('/logout').send({ refresh_token: tokens.refresh })),
      },
      { what: 'logoutAll()', run: () => ask(request(app).post('/logout-all').set(cached())) },
      {
        what: 'DELETE of ownSessions()',
        run: () =>
          ask(
            request(app)
              .delete(`/sessions/${'A'.repeat(22)}`)
              .set(cached()),
          ),
      },
      { what: 'revoke() of a user', run: () => call(() => userData.revoke('alice')) },
      { what: 'revoke() of a session', run: () => call(() => userData.revoke({ sid: 'A'.repeat(22) })) },
      { what: 'disable()', run: () => call(() => userData.disable('alice')) },
      { what: 'deleteSessions()', run: () => call(() => userData.deleteSessions('alice')) },
    ],
  },
  {
    // Documents of sessions are ended and deleted in the background: a failure there is a warning.
    command: 'update',
    on: SESSIONS,
    outage: 'sessions_unavailable',
    cases: [{ what: 'enable()', run: () => call(() => userData.enable('bob')) }],
  },
]

const onLogins: readonly Group[] = [
  {
    command: 'findAndModify',
    on: ATTEMPTS,
    outage: 'credentials_unavailable',
    cases: [{ what: 'a login', run: login }],
  },
  {
    command: 'update',
    on: ATTEMPTS,
    outage: 'credentials_unavailable',
    cases: [{ what: 'forgetFailedLogins()', run: () => call(() => userData.forgetFailedLogins('alice')) }],
  },
  {
    command: 'find',
    on: USERS,
    outage: 'credentials_unavailable',
    cases: [
      {
        what: 'a login by passwordCredentials()',
        run: () => ask(request(app).post('/password').send({ email: 'alice', password: PASSWORD })),
      },
    ],
  },
]

const ready = { what: 'ready()', run: () => call(() => start().ready()) }
const onIndexes: readonly Group[] = [
  { command: 'listIndexes', on: DATA, outage: 'custom_data_unavailable', cases: [ready] },
  // An index that may not be made is a warning, because users can be served without it.
  { command: 'createIndexes', on: DATA, outage: 'custom_data_unavailable', tolerated: [13], cases: [ready] },
  { command: 'listIndexes', on: SESSIONS, outage: 'sessions_unavailable', tolerated: [13], cases: [ready] },
  { command: 'createIndexes', on: SESSIONS, outage: 'sessions_unavailable', tolerated: [13], cases: [ready] },
  {
    command: 'listIndexes',
    on: ATTEMPTS,
    outage: 'credentials_unavailable',
    tolerated: [13],
    cases: [ready],
  },
  {
    command: 'createIndexes',
    on: ATTEMPTS,
    outage: 'credentials_unavailable',
    tolerated: [13],
    cases: [ready],
  },
]

/** The routes of RFC 6749 name their errors otherwise, and leave out our code. */
function expected(serverCode: number, { outage, tolerated = [] }: Group, { code }: Outcome): Outcome {
  if (tolerated.includes(serverCode)) return { status: 200, code: undefined, retryAfter: undefined }
  const lasting = LASTING.get(serverCode)
  return {
    status: lasting === undefined ? 503 : 500,
    code: code === undefined ? undefined : (lasting ?? outage),
    retryAfter: lasting === undefined ? '1' : undefined,
  }
}

describe('an error of MongoDB is 503 if it may pass by itself, and otherwise a 500 with its own code', () => {
  it.each([
    ['the documents', onDocuments],
    ['sessions and users', onSessions],
    ['logins', onLogins],
    ['indexes', onIndexes],
  ])('for each of 31 codes and every command on %s', async (_what, groups) => {
    const wrong: object[] = []
    for (const group of groups) {
      for (const code of CODES) {
        if (group.command === 'createIndexes') await admin.db.collection(group.on).dropIndexes()
        await fail(group.command, group.on, { errorCode: code })
        const outcomes = await Promise.all(group.cases.map(({ run }) => run()))
        await heal()
        for (const [i, outcome] of outcomes.entries()) {
          const right = expected(code, group, outcome)
          const { what } = group.cases[i]!
          const row = { what, command: group.command, on: group.on, server: code, outcome, right }
          if (JSON.stringify(outcome) !== JSON.stringify(right)) wrong.push(row)
        }
      }
    }
    expect(wrong).toEqual([])
  })
})

describe('a write that was made and not confirmed', () => {
  it.each([
    [64, 'custom_data_unavailable', 503],
    [100, 'write_concern_unsatisfiable', 500],
  ])('with the code %i in its reply is told like a write that failed', async (code, ours, status) => {
    await fail('update', DATA, { writeConcernError: { code, errmsg: 'not confirmed' } })
    const outcome = await call(() => user().update({ language: 'en' }))
    await heal()
    expect(outcome).toMatchObject({ status, code: ours })
  })
})

describe('an error that comes from the driver or from this package', () => {
  const outage = { code: 'sessions_unavailable', message: 'Not in time.' } as const
  const named = (name: string, message = 'no') => Object.assign(new Error(message), { name })

  it.each<[string, unknown]>([
    ['of the network', new MongoNetworkError('reset')],
    ['of the server without a code', new MongoServerError({ message: 'no' })],
    ['of a server that was not found', named('MongoServerSelectionError')],
    ['of a server that was not found by mongoose', named('MongooseServerSelectionError')],
    ['of a pool that was cleared', named('PoolClearedOnNetworkError')],
    ['of a client that was closed', named('MongoClientClosedError')],
    ['of DNS', Object.assign(new Error('querySrv ENOTFOUND'), { code: 'ENOTFOUND' })],
    ['of a deadline', new DeadlineError('No answer')],
    ['of an aborted signal', named('AbortError')],
    ['of an aborted signal of the web', new DOMException('no', 'AbortError')],
    ['of a signal of the web that ended in time', new DOMException('no', 'TimeoutError')],
  ])('is an outage if it is %s', (_what, cause) => {
    expect(toDatabaseError(cause, outage)).toMatchObject({ ...outage, status: 503, cause })
  })

  it.each<[string, unknown, string]>([
    ['of a wrong call of the driver', named('MongoInvalidArgumentError'), 'database_refused'],
    ['of a server that is too old', named('MongoCompatibilityError'), 'database_refused'],
    ['of missing credentials', named('MongoMissingCredentialsError'), 'database_authentication_failed'],
    ['of a text that is not UTF-8', named('BSONError', 'Invalid UTF-8 string'), 'document_undecodable'],
    ['of a regular expression', new SyntaxError('Invalid regular expression'), 'document_undecodable'],
    ['of a wrong value', new TypeError('no'), 'database_refused'],
    ['of a value that cannot be cloned', new DOMException('no', 'DataCloneError'), 'database_refused'],
    ['no error', undefined, 'database_refused'],
  ])('is a 500 if it is %s', (_what, cause, code) => {
    expect(toDatabaseError(cause, outage)).toMatchObject({ status: 500, code, cause })
  })

  it('with a code that is not known is a 500, unless the server says that it may pass', () => {
    const unknown = new MongoServerError({ message: 'no', code: 424_242 })
    expect(toDatabaseError(unknown, outage)).toMatchObject({ status: 500, code: 'database_refused' })
    const passing = new MongoServerError({
      message: 'no',
      code: 424_242,
      errorLabels: ['RetryableWriteError'],
    })
    expect(toDatabaseError(passing, outage)).toMatchObject({ status: 503, code: outage.code })
  })
})
