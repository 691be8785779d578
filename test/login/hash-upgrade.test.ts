import { hash, verify } from '@node-rs/argon2'
import type { Options } from '@node-rs/argon2'
import express from 'express'
import type { PasswordCredentialsOptions } from 'express-custom-user-data'
import type { Document } from 'mongodb'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { createHashUpgrade } from '../../lib/login/hash-upgrade.js'
import { createEvents } from '../../lib/events.js'
import { openTeamDatabase } from '../../lib/mongo/team-database.js'
import { useDatabase } from '../support/database.js'
import { recordEvents } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const PASSWORD = 'correct horse battery staple'

const database = useDatabase()
beforeEach(async () => {
  await users().deleteMany({})
  database.commands.clear()
})

const users = (name = 'users') => database.db.collection<Document & { _id: string }>(name)
const hashOf = async (id: string) => (await users().findOne({ _id: id }))!['passwordHash'] as string

async function addUser(id: string, passwordHash: string): Promise<Document> {
  const document = { _id: id, email: `${id}@example.com`, passwordHash }
  await users().insertOne(document)
  return document
}

/** The upgrade by itself, which can be waited for. */
function createUpgrade(collection = users()) {
  const events = createEvents()
  const warnings = recordEvents({ events: events.emitter })
  const parts = {
    database: openTeamDatabase(collection),
    hashField: 'passwordHash',
    timeoutMs: 10_000,
    events,
  }
  return { upgrade: createHashUpgrade(parts), warnings }
}

const weakHash = () => hash(PASSWORD, { timeCost: 1 })

describe('an upgrade', () => {
  it('writes one field of one document, with majority', async () => {
    const { upgrade, warnings } = createUpgrade()
    const [document] = [await addUser('alice', await weakHash()), await addUser('bob', await weakHash())]
    await upgrade({ id: 'alice', document }, PASSWORD)
    const { passwordHash, ...rest } = (await users().findOne({ _id: 'alice' }))!
    expect(rest).toEqual({ _id: 'alice', email: 'alice@example.com' })
    expect(await verify(passwordHash as string, PASSWORD)).toBe(true)
    expect(await hashOf('bob')).toMatch('t=1')
    const [update] = database.commands.named('update')
    expect(update!.command['writeConcern']).toMatchObject({ w: 'majority' })
    expect(warnings).toEqual([])
  })

  it('does not replace a password that was changed since it was read', async () => {
    const { upgrade, warnings } = createUpgrade()
    const document = await addUser('alice', await weakHash())
    await users().updateOne({ _id: 'alice' }, { $set: { passwordHash: 'changed' } })
    await upgrade({ id: 'alice', document }, PASSWORD)
    expect(database.commands.named('update')).toHaveLength(2)
    expect(await hashOf('alice')).toBe('changed')
    expect(warnings).toEqual([])
  })

  it.each<[string, Options]>([
    ['today’s', {}],
    ['with more passes', { timeCost: 3 }],
    ['with more memory', { memoryCost: 32_768 }],
    ['with more memory and fewer passes', { memoryCost: 47_104, timeCost: 1 }],
  ])('does not replace a hash %s', async (_name, costs) => {
    const { upgrade } = createUpgrade()
    const document = await addUser('alice', await hash(PASSWORD, { memoryCost: 19_456, ...costs }))
    await upgrade({ id: 'alice', document }, PASSWORD)
    expect(database.commands.named('update')).toHaveLength(0)
  })

  it('that fails is a warning that names the user, and never the hash or the password', async () => {
    await database.db.createCollection('readable', { viewOn: 'users', pipeline: [] })
    const { upgrade, warnings } = createUpgrade(users('readable'))
    const document = await addUser('alice', await weakHash())
    await upgrade({ id: 'alice', document }, PASSWORD)
    const message = 'The weak "passwordHash" of a user could not be replaced: MongoServerError 166.'
    expect(warnings).toEqual([
      { name: 'warning', code: 'password_hash_not_upgraded', message, userId: 'alice' },
    ])
  })
})

describe('passwordCredentials()', () => {
  function start(options: Partial<PasswordCredentialsOptions> = {}) {
    const userData = createTestUserData(database)
    const verifyCredentials = userData.passwordCredentials({ collection: users(), ...options })
    const app = express().post('/login', userData.login(verifyCredentials))
    const logIn = (id: string, password = PASSWORD) =>
      request(app)
        .post('/login')
        .send({ email: `${id}@example.com`, password })
    return { logIn, events: recordEvents(userData) }
  }

  it.each<[string, Partial<PasswordCredentialsOptions>, string, number]>([
    ['without the option', {}, PASSWORD, 200],
    ['after a wrong password', { upgradeHashes: true }, 'wrong', 401],
    ['for a user who is refused', { upgradeHashes: true, isRefused: () => true }, PASSWORD, 401],
  ])('writes nothing %s', async (_name, options, password, status) => {
    await addUser('alice', await weakHash())
    await addUser('bob', await weakHash())
    expect((await start(options).logIn('alice', password)).status).toBe(status)
    // Hashes are made in turn: once this one is written, the other would be.
    expect((await start({ upgradeHashes: true }).logIn('bob')).status).toBe(200)
    await expect.poll(() => hashOf('bob')).toMatch('t=2')
    expect(await hashOf('alice')).toMatch('t=1')
  })

  it('logs the user in even if the hash cannot be replaced', async () => {
    await database.db.createCollection('view', { viewOn: 'users', pipeline: [] })
    const { logIn, events } = start({ collection: users('view'), upgradeHashes: true })
    await addUser('alice', await weakHash())
    expect((await logIn('alice')).status).toBe(200)
    const warning = { name: 'warning', code: 'password_hash_not_upgraded', userId: 'alice' }
    await expect.poll(() => events).toContainEqual(expect.objectContaining(warning))
    expect((await logIn('alice')).status).toBe(200)
  })

  it('of many logins of one user at once replaces the hash once', async () => {
    await addUser('alice', await weakHash())
    const { logIn, events } = start({ upgradeHashes: true })
    const answers = await Promise.all(Array.from({ length: 5 }, () => logIn('alice')))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    await expect.poll(() => hashOf('alice')).toMatch('t=2')
    const first = await hashOf('alice')
    const upgrades = () =>
      database.commands.named('update').filter(({ command }) => command['update'] === 'users')
    await expect.poll(upgrades).toHaveLength(5)
    expect(await hashOf('alice')).toBe(first)
    expect(events.filter(({ name }) => name === 'warning')).toEqual([])
  })
})
