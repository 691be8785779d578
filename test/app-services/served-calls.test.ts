import { createHmac } from 'node:crypto'
import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'
import { logIn, newEmail, startEmailService } from './support/email-service.js'
import { APP_ID, startRealmService } from './support/realm-service.js'

// Calls of the client that another server does not serve. One test each shows that they work; other files have the details.

const database = useDatabase()
const PASSWORD = 'a long password'
const PARTNER_KEY = 'a key of the partner, 32 bytes or more'

async function emptyAll() {
  for (const { name } of await database.db.listCollections().toArray())
    await database.db.collection(name).deleteMany({})
}

test('a user makes an API key, and logs in by it', async () => {
  const { newClient } = await startEmailService(database, 'by mail', {
    service: { providers: { emailPassword: { autoConfirm: true }, apiKey: true } },
  })
  const email = newEmail()
  const client = newClient()
  await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
  const user = await logIn(client, email, PASSWORD)
  const { key } = await user.apiKeys.create('laptop')
  expect((await newClient().logIn(Credentials.apiKey(key))).id).toBe(user.id)
})

test('a user logs in by a JWT of another service', async () => {
  const { newClient } = await startRealmService(database, {
    service: {
      providers: {
        customToken: { keys: [{ alg: 'HS256', key: PARTNER_KEY }], metadataFields: [{ path: 'email' }] },
      },
    },
  })
  const now = Math.floor(Date.now() / 1000)
  const claims = { sub: 'partner-7', aud: APP_ID, exp: now + 60, email: 'alice@example.com' }
  const parts = [{ alg: 'HS256', typ: 'JWT' }, claims].map(part =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  )
  const signature = createHmac('sha256', PARTNER_KEY).update(parts.join('.')).digest('base64url')
  const user = await newClient().logIn(Credentials.jwt([...parts, signature].join('.')))
  expect(user.profile.email).toBe('alice@example.com')
})

test('a user deletes the own account, and a later login is another user', async () => {
  const { newClient } = await startRealmService(database, {
    service: { providers: { customFunction: ({ name }) => String(name) } },
  })
  const client = newClient()
  const user = await client.logIn(Credentials.function({ name: 'leaver' }))
  const { id } = user
  await client.deleteUser(user)
  expect((await newClient().logIn(Credentials.function({ name: 'leaver' }))).id).not.toBe(id)
})

test('a confirmation function decides about a new account', async () => {
  const { newClient } = await startEmailService(database, {
    confirmationFunction: ({ username }) => ({ status: username.startsWith('bad') ? 'fail' : 'success' }),
  })
  const client = newClient()
  const email = newEmail()
  await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
  expect((await logIn(client, email, PASSWORD)).profile.email).toBe(email)
  const refused = { email: `bad-${email}`, password: PASSWORD }
  await expect(newClient().emailPasswordAuth.registerUser(refused)).rejects.toThrow('failed to confirm user')
})

test('a custom function gets any payload', async () => {
  const payloads: unknown[] = []
  const { newClient } = await startRealmService(database, {
    service: {
      providers: {
        customFunction: payload => {
          payloads.push(payload)
          return 'anybody'
        },
      },
    },
  })
  const payload = { card: { number: 12, tags: ['a', null] }, since: new Date(5), isOn: true }
  await newClient().logIn(Credentials.function(payload))
  expect(payloads).toEqual([payload])
})

test('tokens, API keys and passwords are never stored in the clear', async () => {
  await emptyAll()
  const { newClient, mails, post } = await startEmailService(database, 'by mail', {
    service: {
      providers: {
        anonymous: true,
        apiKey: true,
        emailPassword: {
          sendConfirmation: mail => void mails.push(mail),
          sendPasswordReset: mail => void mails.push(mail),
        },
      },
    },
  })
  const email = newEmail()
  const client = newClient()
  await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
  await expect.poll(() => mails).toHaveLength(1)
  const [confirmation] = mails
  expect((await post('confirm', { ...confirmation })).status).toBe(200)
  const user = await logIn(client, email, PASSWORD)
  await client.emailPasswordAuth.sendResetPasswordEmail({ email })
  await expect.poll(() => mails).toHaveLength(2)
  const { key } = await user.apiKeys.create('laptop')
  const byKey = await newClient().logIn(Credentials.apiKey(key))
  const secrets = [PASSWORD, key, ...mails.map(({ token }) => token)]
  const tokens = [user, byKey].flatMap(({ accessToken, refreshToken }) => [accessToken, refreshToken])
  const dump = await dumpAll()
  for (const needed of [email, 'laptop']) expect(dump).toContain(needed)
  for (const secret of [...secrets, ...tokens]) {
    expect(secret).toBeTypeOf('string')
    expect(dump).not.toContain(secret)
    expect(dump).not.toContain(Buffer.from(String(secret)).toString('base64'))
  }
})

/** All documents of all collections, as text. */
async function dumpAll(): Promise<string> {
  const collections = await database.db.listCollections().toArray()
  const documents = await Promise.all(
    collections.map(({ name }) => database.db.collection(name).find().toArray()),
  )
  return JSON.stringify(documents)
}
