import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { hash as argon2Hash } from '@node-rs/argon2'
import type { Options } from '@node-rs/argon2'
import bcrypt from 'bcryptjs'
import express from 'express'
import { hashPassword } from 'express-custom-user-data'
import type { PasswordCredentialsOptions, RequestFailedEvent } from 'express-custom-user-data'
import type { Document } from 'mongodb'
import request from 'supertest'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { recordEvents } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const PASSWORD = 'correct horse battery staple'
/** bcrypt's least cost, because these tests compare calls and not times. */
const COST = 4
const DECOY = bcrypt.hashSync('a random text', COST)
/** The module's number for argon2i, whose enum exists in types only. */
const ARGON2I = JSON.parse('{ "algorithm": 1 }') as Options
const WRONG = { status: 401, body: { error: 'invalid_credentials' } }

const deadlines = holdDeadlines()
const database = useDatabase()
const users = () => database.db.collection<Document & { _id: string }>('users')
const storedHashOf = async (id: string) => (await users().findOne({ _id: id }))!['passwordHash'] as string
const addUser = (id: string, passwordHash: unknown) =>
  users().insertOne({ _id: id, email: `${id}@example.com`, passwordHash })

let bcryptHash: string
beforeAll(() => {
  bcryptHash = bcrypt.hashSync(PASSWORD, COST)
})
beforeEach(async () => {
  await users().deleteMany({})
})

type OtherHashOptions = Extract<PasswordCredentialsOptions, { readonly decoyHash: string }>

/** An app whose users have bcrypt hashes, the hashes that its `verifyPassword` was called with, and its events. */
function start(options: Partial<OtherHashOptions> = {}) {
  const userData = createTestUserData(database)
  const calls: string[] = []
  const verifyPassword = (password: string, hash: string) => {
    calls.push(hash)
    return bcrypt.compare(password, hash)
  }
  const given = { collection: users(), verifyPassword, decoyHash: DECOY, ...options }
  const app = express().post('/login', userData.login(userData.passwordCredentials(given)))
  const logIn = (id: string, password = PASSWORD) =>
    request(app)
      .post('/login')
      .send({ email: `${id}@example.com`, password })
  const failed: RequestFailedEvent[] = []
  userData.events.on('request_failed', event => failed.push(event))
  return { logIn, calls, failed, events: recordEvents(userData) }
}

const warningsIn = (events: readonly Record<string, unknown>[]) =>
  events.filter(({ name }) => name === 'warning').map(({ code }) => code)

describe('verifyPassword', () => {
  it('logs users in whose hashes are bcrypt, when it is bcrypt.compare itself', async () => {
    await addUser('alice', bcryptHash)
    const { logIn, events } = start({ verifyPassword: bcrypt.compare })
    expect((await logIn('alice')).status).toBe(200)
    expect(await logIn('alice', 'wrong')).toMatchObject(WRONG)
    expect(warningsIn(events)).toEqual([])
  })

  it('may return true or false itself, as bcrypt.compareSync does', async () => {
    await addUser('alice', bcryptHash)
    const { logIn } = start({ verifyPassword: (password, hash) => bcrypt.compareSync(password, hash) })
    expect((await logIn('alice')).status).toBe(200)
    expect(await logIn('alice', 'wrong')).toMatchObject(WRONG)
  })

  it('may return a promise of another library', async () => {
    const Bluebird = createRequire(import.meta.url)('bluebird') as PromiseConstructor
    await addUser('alice', bcryptHash)
    const { logIn } = start({
      verifyPassword: (password, hash) => Bluebird.resolve(bcrypt.compare(password, hash)),
    })
    expect((await logIn('alice')).status).toBe(200)
  })

  it('gets no hash that begins with $argon2', async () => {
    await addUser('alice', await hashPassword(PASSWORD))
    await addUser('ida', await argon2Hash(PASSWORD, ARGON2I))
    const { logIn, calls } = start()
    for (const id of ['alice', 'ida']) {
      expect((await logIn(id)).status).toBe(200)
      expect(await logIn(id, 'wrong')).toMatchObject(WRONG)
    }
    expect(calls).toEqual([])
  })

  it('gets every other text, such as a hash of scrypt', async () => {
    await addUser('alice', 'scrypt:c2FsdA:aGFzaA')
    const { logIn } = start({ verifyPassword: (_password, hash) => hash.startsWith('scrypt:') })
    expect((await logIn('alice')).status).toBe(200)
  })

  it('gets the password as it was received, also with unicodeNormalization, and nothing else', async () => {
    await addUser('alice', bcryptHash)
    const given: unknown[][] = []
    const verifyPassword = (...all: [string, string]) => given.push(all) > 0
    const { logIn } = start({ verifyPassword, unicodeNormalization: 'NFKC' })
    expect((await logIn('alice', ' e\u0301 ')).status).toBe(200)
    expect(given).toEqual([[' e\u0301 ', bcryptHash]])
  })

  it.each<[string, unknown]>([
    ['undefined, as a function with a callback does', undefined],
    ['1', 1],
    ['an object', {}],
    ['a promise of a text', Promise.resolve('yes')],
  ])('that returns %s is a 500 that says what to write, and no login', async (_name, value) => {
    await addUser('alice', bcryptHash)
    const { logIn, failed } = start({ verifyPassword: () => value as boolean })
    expect((await logIn('alice')).status).toBe(500)
    expect(failed[0]).toMatchObject({
      code: 'callback_failed',
      message: expect.stringMatching(
        /verifyPassword must return true or false.*promisify\(bcrypt\.compare\)/,
      ),
    })
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('the pepper service is away')
      },
    ],
    ['rejects', () => Promise.reject(new Error('the pepper service is away'))],
  ])('that %s is a 500 and not a refusal, for known and unknown users', async (_name, verifyPassword) => {
    await addUser('alice', bcryptHash)
    const { logIn, failed } = start({ verifyPassword })
    for (const id of ['alice', 'nobody']) expect((await logIn(id)).status).toBe(500)
    expect(failed.map(({ message }) => message)).toEqual(
      Array(2).fill(
        expect.stringContaining('verifyPassword failed. Caused by Error: the pepper service is away'),
      ),
    )
    expect(JSON.stringify(failed)).not.toContain(PASSWORD)
  })

  it('that never answers is a 503, and later logins still get their turn', async () => {
    await addUser('alice', bcryptHash)
    await addUser('bob', await hashPassword(PASSWORD))
    let isStuck = true
    const begun: string[] = []
    const { logIn } = start({
      verifyPassword: (password, hash) => {
        begun.push(hash)
        return isStuck ? new Promise<boolean>(() => undefined) : bcrypt.compare(password, hash)
      },
    })
    // As many logins as hashes may be computed at a time.
    const width = Math.max(1, availableParallelism() - 1)
    const stuck = Array.from({ length: width }, () => logIn('alice').then(answer => answer))
    await expect.poll(() => begun).toHaveLength(width)
    isStuck = false
    deadlines.pass(5_000)
    expect((await Promise.all(stuck)).map(({ status }) => status)).toEqual(Array(width).fill(503))
    expect((await logIn('alice')).status).toBe(200)
    expect((await logIn('bob')).status).toBe(200)
  })
})

describe('decoyHash', () => {
  beforeEach(async () => {
    await addUser('none', undefined)
    await addUser('null', null)
    await addUser('empty', '')
    await addUser('number', 42)
  })

  it.each([
    ['an unknown user', 'nobody'],
    ['a user without a hash', 'none'],
    ['a user with a hash of null', 'null'],
    ['a user with an empty hash', 'empty'],
    ['a user with a hash that is no text', 'number'],
  ])('is verified for %s, and never logs anybody in', async (_name, id) => {
    const { logIn, calls, events } = start()
    expect(await logIn(id, 'a random text')).toMatchObject(WRONG)
    expect(calls).toEqual([DECOY])
    expect(warningsIn(events)).toEqual([])
  })

  it('is not verified for a user with a hash', async () => {
    await addUser('alice', bcryptHash)
    const { logIn, calls } = start()
    await logIn('alice', 'wrong')
    await logIn('alice')
    expect(calls).toEqual([bcryptHash, bcryptHash])
  })

  it('is verified too after a mark in place of a bcrypt hash, which is refused without any work', async () => {
    await addUser('marked', '!')
    await addUser('damaged', bcryptHash.slice(0, -1))
    const { logIn, calls } = start()
    for (const id of ['marked', 'damaged']) expect(await logIn(id)).toMatchObject(WRONG)
    expect(calls).toEqual(['!', DECOY, bcryptHash.slice(0, -1), DECOY])
  })

  it('may be an argon2 hash, when most users have one', async () => {
    await addUser('alice', bcryptHash)
    const { logIn, calls } = start({ decoyHash: await hashPassword('a random text') })
    expect(await logIn('nobody', 'a random text')).toMatchObject(WRONG)
    expect(calls).toEqual([])
    expect((await logIn('alice')).status).toBe(200)
  })

  it.each([
    ['crypt() of 1970', 'rl.3StKT.4T8M'],
    ['MD5', '5f4dcc3b5aa765d61d8327deb882cf99'],
    ['a directory', '{SSHA}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3'],
    ['a library of your own', 'our-kind:v3:9f86d081884c7d65'],
  ])('may be of any kind that verifyPassword knows: %s', async (_kind, decoyHash) => {
    const { logIn, calls } = start({ decoyHash, verifyPassword: () => true })
    expect(await logIn('nobody')).toMatchObject(WRONG)
    expect(calls).toEqual([])
  })

  it('of another cost than the hashes of users is a warning, once', async () => {
    await addUser('alice', bcrypt.hashSync(PASSWORD, COST + 1))
    const { logIn, events } = start()
    for (const password of ['wrong', PASSWORD]) await logIn('alice', password)
    expect(warningsIn(events)).toEqual(['decoy_hash_differs'])
    expect(events.find(({ code }) => code === 'decoy_hash_differs')!['message']).toBe(
      'The field "passwordHash" of a user holds a bcrypt hash of cost 5, but decoyHash has cost 4, so the time of a login tells ' +
        'whether the user exists. Write a decoyHash with the cost that most users have.',
    )
  })
})

describe('upgradeHashes', () => {
  it('replaces a bcrypt hash by one of argon2 after the right password, and only then', async () => {
    await addUser('alice', bcryptHash)
    const { logIn, calls, events } = start({ upgradeHashes: true })
    expect((await logIn('alice', 'wrong')).status).toBe(401)
    expect(await storedHashOf('alice')).toBe(bcryptHash)
    expect((await logIn('alice')).status).toBe(200)
    await expect.poll(() => storedHashOf('alice')).toMatch(/^\$argon2id\$/)
    expect((await logIn('alice')).status).toBe(200)
    expect(await logIn('alice', 'wrong')).toMatchObject(WRONG)
    expect(calls).toEqual([bcryptHash, bcryptHash])
    expect(warningsIn(events)).toEqual([])
  })

  it('hashes the normalized password, so that the user can still log in from every keyboard', async () => {
    await addUser('alice', bcrypt.hashSync('cafe\u0301', COST))
    const { logIn } = start({ upgradeHashes: true, unicodeNormalization: 'NFKC' })
    expect((await logIn('alice', 'cafe\u0301')).status).toBe(200)
    await expect.poll(() => storedHashOf('alice')).toMatch(/^\$argon2id\$/)
    expect((await logIn('alice', 'caf\u00e9')).status).toBe(200)
    expect((await logIn('alice', 'cafe\u0301')).status).toBe(200)
  })

  it.each([
    ['of 73 bytes, whose end bcrypt did not verify', `${'a'.repeat(72)}b`, `${'a'.repeat(72)}x`],
    ['of 73 bytes, of which 72 are typed', `${'a'.repeat(72)}b`, 'a'.repeat(72)],
    ['of 73 bytes in fewer characters', `${'é'.repeat(36)}b`, `${'é'.repeat(36)}x`],
  ])('keeps the bcrypt hash of a password %s', async (_name, password, typo) => {
    await addUser('alice', bcrypt.hashSync(password, COST))
    await addUser('bob', bcryptHash)
    const before = await storedHashOf('alice')
    const { logIn } = start({ upgradeHashes: true })
    expect((await logIn('alice', typo)).status).toBe(200)
    // Hashes are made in turn: once this one is written, the other would be.
    expect((await logIn('bob')).status).toBe(200)
    await expect.poll(() => storedHashOf('bob')).toMatch(/^\$argon2id\$/)
    expect(await storedHashOf('alice')).toBe(before)
    expect((await logIn('alice', password)).status).toBe(200)
  })

  it('moves a password of 71 bytes, all of which bcrypt has verified', async () => {
    const password = 'a'.repeat(71)
    await addUser('alice', bcrypt.hashSync(password, COST))
    const { logIn } = start({ upgradeHashes: true })
    expect((await logIn('alice', password)).status).toBe(200)
    await expect.poll(() => storedHashOf('alice')).toMatch(/^\$argon2id\$/)
  })
})
