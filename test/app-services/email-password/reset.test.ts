import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { createManualClock } from '../../support/clock.js'
import { openProxiedDatabase, useDatabase } from '../../support/database.js'
import { toTeamCollection } from '../../support/team-collection.js'
import { logIn, newEmail, startEmailService } from '../support/email-service.js'
import type { EmailService } from '../support/email-service.js'

const database = useDatabase()
const OLD = 'the old password'
const NEW = 'the new password'
const ACCOUNTS = 'custom_user_data_app_services_email_accounts'

async function startWithAccount(...[emailPassword, options]: StartArguments) {
  const service = await startEmailService(database, emailPassword, options)
  const email = newEmail()
  await service.newClient().emailPasswordAuth.registerUser({ email, password: OLD })
  return { service, email }
}

type StartArguments = Parameters<typeof startEmailService> extends [unknown, ...infer Rest] ? Rest : never

/** Asks for a mail, and gives its token with the new password. */
async function askForMail(service: EmailService, email: string) {
  const count = service.mails.length
  await service.newClient().emailPasswordAuth.sendResetPasswordEmail({ email })
  await expect.poll(() => service.mails.length).toBe(count + 1)
  const { token, tokenId } = service.mails.at(-1) ?? { token: '', tokenId: '' }
  return { token, tokenId, password: NEW }
}

test('the owner of an address sets a new password by the token of the mail', async () => {
  const { service, email } = await startWithAccount()
  const reset = await askForMail(service, email)
  await service.newClient().emailPasswordAuth.resetPassword(reset)
  await logIn(service.newClient(), email, NEW)
  await expect(logIn(service.newClient(), email, OLD)).rejects.toThrow('unauthorized')
})

test('a reset ends all sessions of the user before it answers', async () => {
  const { service, email } = await startWithAccount()
  const devices = [await logIn(service.newClient(), email, OLD), await logIn(service.newClient(), email, OLD)]
  const linked = service.newClient()
  const user = await linked.logIn(Credentials.anonymous())
  await service.newClient().emailPasswordAuth.resetPassword(await askForMail(service, email))
  for (const device of devices) {
    expect(await service.userData.sessionOf(device.refreshToken ?? '')).toBeUndefined()
    await expect(device.refreshAccessToken()).rejects.toThrow('invalid session')
    expect(device.isLoggedIn).toBe(false)
  }
  await user.refreshAccessToken()
})

test('a reset keeps the user: the new password logs the same user in', async () => {
  const { service, email } = await startWithAccount()
  const { id } = await logIn(service.newClient(), email, OLD)
  await service.newClient().emailPasswordAuth.resetPassword(await askForMail(service, email))
  expect((await logIn(service.newClient(), email, NEW)).id).toBe(id)
})

test('a token works once, also if it is used several times at once', async () => {
  const { service, email } = await startWithAccount()
  const reset = await askForMail(service, email)
  const passwords = ['password 0', 'password 1', 'password 2']
  const answers = await Promise.all(passwords.map(password => service.post('reset', { ...reset, password })))
  const winner = answers.findIndex(({ status }) => status === 200)
  const invalid = { status: 400, body: { error: 'invalid token data', error_code: 'UserpassTokenInvalid' } }
  expect(answers.filter((_answer, index) => index !== winner)).toEqual([invalid, invalid])
  expect(await service.post('reset', reset)).toEqual(invalid)
  await logIn(service.newClient(), email, passwords[winner] ?? '')
})

test('a token works for 30 minutes, and a new mail replaces the token of the one before', async () => {
  const clock = createManualClock(Date.now())
  const { service, email } = await startWithAccount('by mail', { instance: { clock } })
  const { emailPasswordAuth } = service.newClient()
  const [replaced, expired] = [await askForMail(service, email), await askForMail(service, email)]
  await expect(emailPasswordAuth.resetPassword(replaced)).rejects.toThrow('invalid token data')
  clock.advance(30 * 60_000)
  await expect(emailPasswordAuth.resetPassword(expired)).rejects.toThrow('invalid token data')
  const last = await askForMail(service, email)
  clock.advance(30 * 60_000 - 1)
  await emailPasswordAuth.resetPassword(last)
})

test('neither a token nor a password is stored in a form that can be used', async () => {
  const { service, email } = await startWithAccount()
  const { token } = await askForMail(service, email)
  const account = await database.db.collection<{ _id: string }>(ACCOUNTS).findOne({ _id: email })
  expect(account).toMatchObject({ reset: { id: expect.any(String), hash: expect.any(String) } })
  const stored = JSON.stringify(account)
  for (const secret of [token, OLD]) {
    const forms = (['utf8', 'hex', 'base64', 'base64url'] as const).map(form =>
      Buffer.from(secret).toString(form),
    )
    const decoded = Buffer.from(token, 'hex')
    for (const form of [...forms, decoded.toString('base64'), decoded.toString('base64url')])
      expect(stored).not.toContain(form)
  }
  expect(stored).toContain('$argon2id$')
})

test('a new password has 6 to 128 characters, and a refused one leaves the token as it is', async () => {
  const { service, email } = await startWithAccount()
  const reset = await askForMail(service, email)
  const { emailPasswordAuth } = service.newClient()
  for (const password of ['short', 'x'.repeat(129)])
    await expect(emailPasswordAuth.resetPassword({ ...reset, password })).rejects.toMatchObject({
      error: 'password must be between 6 and 128 characters',
    })
  await emailPasswordAuth.resetPassword(reset)
})

test('a request for a mail gets the same answer, and sends the same commands, for each address', async () => {
  const { service, email } = await startWithAccount()
  await logIn(service.newClient(), email, OLD)
  for (const address of [newEmail(), email]) {
    database.commands.clear()
    expect(await service.post('reset/send', { email: address })).toEqual({ status: 202, body: {} })
    await expect.poll(() => database.commands.map(({ name }) => name)).toEqual(['findAndModify'])
  }
  await expect.poll(() => service.mails.map(mail => mail.email)).toEqual([email])
})

test('a reset lets a locked account log in again', async () => {
  const { service, email } = await startWithAccount('by mail', {
    instance: { loginThrottle: { accountAndAddressFailures: 2 } },
  })
  const fail = () => logIn(service.newClient(), email, 'a guess').catch(String)
  await fail()
  await fail()
  await expect(logIn(service.newClient(), email, OLD)).rejects.toMatchObject({
    statusCode: 429,
    errorCode: 'LimitExceeded',
  })
  await service.newClient().emailPasswordAuth.resetPassword(await askForMail(service, email))
  await logIn(service.newClient(), email, NEW)
})

test('requests for resets are limited for one address, known or not', async () => {
  const service = await startEmailService(database, 'by mail', {
    instance: { loginThrottle: { accountAndAddressFailures: 2 } },
  })
  for (const email of [newEmail(), newEmail()]) {
    const send = async () => (await service.post('reset/send', { email })).status
    expect([await send(), await send(), await send()]).toEqual([202, 202, 429])
  }
})

test('a first login with the old password, during which the password is reset, lets nobody in', async () => {
  let duringLogin = () => Promise.resolve()
  const { service, email } = await startWithAccount('by mail', {
    service: {
      providers: {
        emailPassword: { autoConfirm: true, sendPasswordReset: mail => void service.mails.push(mail) },
      },
      onUserCreation: () => duringLogin(),
    },
  })
  const reset = await askForMail(service, email)
  duringLogin = async () => {
    duringLogin = () => Promise.resolve()
    expect(await service.post('reset', reset)).toMatchObject({ status: 200 })
  }
  await expect(logIn(service.newClient(), email, OLD)).rejects.toThrow(
    'unauthorized: invalid username/password',
  )
  await logIn(service.newClient(), email, NEW)
})

test('a login of a known user with the old password, during which the password is reset, lets nobody in', async () => {
  let duringLogin = () => Promise.resolve()
  const { service, email } = await startWithAccount('by mail', {
    instance: {
      hooks: {
        beforeLogin: async () => {
          await duringLogin()
          return true
        },
      },
    },
  })
  await logIn(service.newClient(), email, OLD)
  const reset = await askForMail(service, email)
  duringLogin = async () => {
    duringLogin = () => Promise.resolve()
    expect(await service.post('reset', reset)).toMatchObject({ status: 200 })
  }
  await expect(logIn(service.newClient(), email, OLD)).rejects.toThrow('unauthorized')
  await logIn(service.newClient(), email, NEW)
})

test('a link with the old password, during which the password is reset, adds no identity', async () => {
  let beforeLink: () => Promise<unknown> = () => Promise.resolve()
  const { service, email } = await startWithAccount('by mail', {
    service: {
      database: {
        collection(name: string) {
          const collection = database.db.collection(name)
          const isUsers = name === 'custom_user_data_app_services_users'
          const updateOne = async (...args: Parameters<typeof collection.updateOne>) => {
            const isLink = JSON.stringify(args[1]).includes('$push')
            if (isLink) await beforeLink()
            return collection.updateOne(...args)
          }
          return isUsers ? withMember(collection, { updateOne }) : collection
        },
      },
    },
  })
  const reset = await askForMail(service, email)
  const user = await service.newClient().logIn(Credentials.anonymous())
  beforeLink = () => service.post('reset', reset)
  service.requests.length = 0
  await expect(user.linkCredentials(Credentials.emailPassword(email, OLD))).rejects.toMatchObject({
    error: 'invalid username/password',
  })
  expect(service.requests.map(({ name }) => name)).toEqual([
    'POST /auth/providers/local-userpass/login',
    'POST /auth/providers/local-userpass/reset',
  ])
  await user.refreshCustomData()
  expect((await logIn(service.newClient(), email, NEW)).id).not.toBe(user.id)
})

test('a repeated link with the old password, during which the password is reset, keeps the identity', async () => {
  let beforeLookUp: (() => Promise<unknown>) | undefined
  const { service, email } = await startWithAccount('by mail', {
    service: {
      database: {
        collection(name: string) {
          const collection = database.db.collection(name)
          const findOne = (async (...args: [object]) => {
            const reset = JSON.stringify(args).includes('local-userpass') ? beforeLookUp : undefined
            // The reset looks the user up too.
            if (reset) beforeLookUp = undefined
            await reset?.()
            return collection.findOne(...args)
          }) as typeof collection.findOne
          const isUsers = name === 'custom_user_data_app_services_users'
          return isUsers ? withMember(collection, { findOne }) : collection
        },
      },
    },
  })
  const user = await logIn(service.newClient(), email, OLD)
  const reset = await askForMail(service, email)
  beforeLookUp = () => service.post('reset', reset)
  await expect(user.linkCredentials(Credentials.emailPassword(email, OLD))).rejects.toMatchObject({
    error: 'invalid username/password',
  })
  expect((await logIn(service.newClient(), email, NEW)).id).toBe(user.id)
})

test('a reset that cannot end the sessions is a 503, and its token works again', async () => {
  const proxied = await openProxiedDatabase(database, { serverSelectionTimeoutMS: 500 })
  const { service, email } = await startWithAccount('by mail', {
    instance: { collection: toTeamCollection(proxied.db, 'custom_user_data'), sessionTimeoutMs: 500 },
  })
  const user = await logIn(service.newClient(), email, OLD)
  const reset = await askForMail(service, email)
  proxied.proxy.cut()
  expect(await service.post('reset', reset)).toMatchObject({
    status: 503,
    body: { error_code: 'MaintenanceInProgress' },
  })
  await proxied.proxy.restore()
  await expect.poll(async () => (await service.post('reset', reset)).status, { timeout: 10_000 }).toBe(200)
  expect(await service.userData.sessionOf(user.refreshToken ?? '')).toBeUndefined()
})

/** A collection with another function in place of its own. The driver's other functions need its own object as `this`. */
function withMember<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get(_target, name) {
      if (name in replaced) return Reflect.get(replaced, name) as unknown
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
