import { hash } from '@node-rs/argon2'
import express from 'express'
import type { Express } from 'express'
import { hashPassword, OptionError } from 'express-custom-user-data'
import type { PasswordCredentialsOptions } from 'express-custom-user-data'
import type { Document } from 'mongodb'
import request from 'supertest'
import type { Response } from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { recordEvents } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

// Requirements for passwords (NIST SP 800-63B 3.1.1.2) that the tests of passwordCredentials() do not show.

const PASSWORD = 'correct horse battery staple'
const COMPOSED = 'caf\u00e9 \ufb01n'
const DECOMPOSED = 'cafe\u0301 fin'

interface Instance {
  app: Express
  events: Record<string, unknown>[]
}

const database = useDatabase()
beforeEach(async () => {
  await users().deleteMany({})
})

const users = () => database.db.collection<Document & { _id: string }>('users')

function start(options: Partial<PasswordCredentialsOptions> = {}): Instance {
  const userData = createTestUserData(database)
  const verify = userData.passwordCredentials({ collection: users(), ...options })
  return { app: express().post('/login', userData.login(verify)), events: recordEvents(userData) }
}

async function addUser(passwordHash: string): Promise<void> {
  await users().insertOne({ _id: 'alice', email: 'alice@example.com', passwordHash })
}

function logIn({ app }: Instance, password = PASSWORD): Promise<Response> {
  return request(app).post('/login').send({ email: 'alice@example.com', password }).then()
}

const storedHash = async () => (await users().findOne({ _id: 'alice' }))!['passwordHash'] as string

describe('a password with characters that have several spellings', () => {
  it.each([
    ['NFKC', COMPOSED],
    ['NFKC', DECOMPOSED],
    ['NFKD', COMPOSED],
    ['NFKD', DECOMPOSED],
  ] as const)('logs in by each of them under %s, whichever was hashed: %j', async (form, hashed) => {
    const options = { unicodeNormalization: form }
    await addUser(await hashPassword(hashed, options))
    const instance = start(options)
    for (const password of [COMPOSED, DECOMPOSED]) expect((await logIn(instance, password)).status).toBe(200)
    expect((await logIn(instance, 'cafe fin')).status).toBe(401)
  })

  it('ASVS 6.2.8: is verified exactly as received unless the team chose a form', async () => {
    await addUser(await hashPassword(COMPOSED))
    const instance = start()
    expect((await logIn(instance, COMPOSED)).status).toBe(200)
    expect((await logIn(instance, DECOMPOSED)).status).toBe(401)
  })

  it('can have only a known normalization form: a misspelt form is refused at creation', async () => {
    const options = { unicodeNormalization: 'nfkc' } as never
    expect(() => start(options)).toThrow(OptionError)
    expect(() => start(options)).toThrow(/^passwordCredentials\(\): .*"NFKC" or "NFKD"/)
    await expect(hashPassword('a', options)).rejects.toThrow(/^hashPassword\(\): .*"NFKC" or "NFKD"/)
  })
})

describe('the hash of a password', () => {
  const TODAYS = /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/
  // The module exports its enums as types only, so their values are written as numbers.
  const weak: [string, object][] = [
    ['less memory', { memoryCost: 9_728, timeCost: 8 }],
    ['fewer passes', { timeCost: 1 }],
    ['another variant', { algorithm: 1 }],
    ['an older version', { version: 0 }],
  ]

  it('contains its salt and costs, and differs each time for the same password', async () => {
    const [one, two] = [await hashPassword(PASSWORD), await hashPassword(PASSWORD)]
    for (const made of [one, two]) expect(made).toMatch(TODAYS)
    expect(one.split('$')[4]).not.toBe(two.split('$')[4])
  })

  it.each(weak)(
    'of %s is replaced after a login with the right password, which still works afterwards',
    async (_, is) => {
      const old = await hash(PASSWORD, is)
      await addUser(old)
      const instance = start({ upgradeHashes: true })
      expect((await logIn(instance)).status).toBe(200)
      await expect.poll(storedHash).not.toBe(old)
      expect(await storedHash()).toMatch(TODAYS)
      expect((await logIn(instance)).status).toBe(200)
      expect((await logIn(instance, 'wrong')).status).toBe(401)
      expect(instance.events.filter(({ name }) => name === 'warning')).toEqual([])
    },
  )

  it('is replaced by a new hash of the normalized password', async () => {
    await addUser(await hash(COMPOSED.normalize('NFKC'), { timeCost: 1 }))
    const instance = start({ upgradeHashes: true, unicodeNormalization: 'NFKC' })
    expect((await logIn(instance, DECOMPOSED)).status).toBe(200)
    await expect.poll(storedHash).toMatch(TODAYS)
    expect((await logIn(instance, COMPOSED)).status).toBe(200)
  })
})
