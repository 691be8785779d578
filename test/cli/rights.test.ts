import { expect, it, onTestFinished } from 'vitest'
import { useAuthServer } from '../support/auth-server.js'
import type { Rights } from '../support/auth-server.js'
import { fillBroken, fillHealthy } from './databases.js'
import { runDoctor } from './run-cli.js'

const server = useAuthServer()
const DATA = 'custom_user_data'
const READ = ['find', 'listIndexes']
const READ_ONLY = {
  [DATA]: READ,
  users: READ,
  custom_user_data_sessions: READ,
  custom_user_data_login_attempts: READ,
}

/** A filled database, and the address of a user with these rights in it. */
async function openAs(rights: Rights, fill = fillBroken) {
  const db = server.ownerDb()
  await fill(db)
  onTestFinished(async () => {
    await db.dropDatabase()
  })
  const { databaseName } = db
  const { client } = await server.dbWith(databaseName, rights)
  const { hosts, credentials } = client.options
  const { username, password } = credentials!
  const uri = `mongodb://${username}:${encodeURIComponent(password)}@${hosts.join()}/${databaseName}?authSource=admin`
  return { db, uri, args: ['--collection', DATA, '--users', 'users'] }
}

it('a database user who may only read is enough for every check, and sees the same faults', async () => {
  const { uri, args } = await openAs(READ_ONLY)
  const run = await runDoctor(uri, args)
  expect(run.codes).not.toContain('not_checked')
  expect(run.codes).toEqual(
    expect.arrayContaining(['user_id_index_missing', 'duplicate_documents', 'foreign_collection']),
  )
})

it('only commands that read are sent: the profile of the database has no other', async () => {
  const { db, uri, args } = await openAs(READ_ONLY)
  const before = await contentOf()
  await db.setProfilingLevel('all')
  await runDoctor(uri, [...args, '--sessions', 'custom_user_data_sessions'])
  await db.setProfilingLevel('off')
  const profile = await db
    .collection('system.profile')
    .find({ appName: 'express-custom-user-data doctor' })
    .toArray()
  const commands = profile.map(({ op, command }) =>
    op === 'command' ? Object.keys(command as object)[0] : String(op),
  )
  const kinds = new Set(commands)
  expect(kinds.size).toBeGreaterThan(3)
  const reading = ['query', 'getmore', 'aggregate', 'count', 'listIndexes', 'listCollections', 'killCursors']
  const harmless = ['hello', 'buildInfo', 'connectionStatus', 'endSessions', 'ping']
  expect([...kinds].filter(kind => ![...reading, ...harmless].includes(kind!))).toEqual([])
  expect(await contentOf()).toEqual(before)

  async function contentOf() {
    const names = (await db.listCollections().toArray()).map(({ name }) => name)
    const own = names.filter(name => !name.startsWith('system.')).sort()
    const documents = await Promise.all(own.map(name => db.collection(name).find().toArray()))
    const indexes = await Promise.all(own.map(name => db.collection(name).indexes()))
    return { own, documents, indexes }
  }
})

it('a missing right is a finding for reading, and a note for features that may not be in use', async () => {
  const { uri, args } = await openAs(READ_ONLY, fillHealthy)
  const run = await runDoctor(uri, args)
  expect(run.codes).toEqual([])
  expect(run.facts['rights']).toMatchObject({
    granted: expect.arrayContaining(['each load', 'passwordCredentials()']),
    missing: {
      'login()': expect.arrayContaining([expect.stringMatching(/^insert on .*custom_user_data_sessions$/)]),
    },
  })
  const named = await runDoctor(uri, [...args, '--sessions', 'custom_user_data_sessions'])
  expect(named.codes).toEqual(['database_right_missing', 'database_right_missing', 'database_right_missing'])
  expect(named.findings.find(({ code }) => code === 'database_right_missing')?.message).toContain(
    'login() needs: insert on',
  )
})

it('a user who may read nothing: no check looks as if all was well', async () => {
  const { uri, args } = await openAs({ others: ['find'] }, fillHealthy)
  const run = await runDoctor(uri, args)
  expect(run).toMatchObject({ code: 1, ok: false })
  const looking = [
    'collection',
    'user id index',
    'documents',
    'user ids',
    'duplicates',
    'users',
    'password hashes',
  ]
  const statuses = run.checks.filter(({ name }) => looking.includes(name)).map(({ status }) => status)
  expect(statuses).toEqual(looking.map(() => 'not checked'))
  expect(run.findings.find(({ code }) => code === 'not_checked')?.message).toContain('Grant the role "read"')
})

it('an index that the database user may not make is a finding of --create-index', async () => {
  const { db, uri, args } = await openAs(READ_ONLY)
  const run = await runDoctor(uri, [...args, '--create-index'])
  const message = run.findings.find(({ code }) => code === 'user_id_index_missing')?.message
  expect(message).toContain('this database user may not create one')
  expect(await db.collection(DATA).indexes()).toHaveLength(1)
})

it('a wrong password is refused with exit code 2, and neither password is shown', async () => {
  const { uri } = await openAs(READ_ONLY, fillHealthy)
  const wrong = uri.replace(/:[^:@]*@/, ':not-the-password@')
  const run = await runDoctor(wrong, ['--collection', DATA])
  expect(run).toMatchObject({ code: 2, ok: false, codes: ['connection_failed'] })
  expect(run.output).not.toContain('not-the-password')
  const message = run.findings[0]?.message
  expect(message).toContain('Authentication failed')
  expect(message).toContain('Check the user and the password in the address')
  expect(message).not.toContain('firewall')
})
