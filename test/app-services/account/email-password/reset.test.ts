import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { createManualClock } from '../../../support/clock.js'
import { useDatabase } from '../../../support/database.js'
import {
  askForMail,
  logIn,
  NEW,
  newEmail,
  OLD,
  startEmailService,
  startWithAccount,
} from '../../support/email-service.js'

const database = useDatabase()
const ACCOUNTS = 'custom_user_data_app_services_email_accounts'

test('the owner of an address sets a new password by the token of the mail', async () => {
  const { service, email } = await startWithAccount(database)
  const reset = await askForMail(service, email)
  await service.newClient().emailPasswordAuth.resetPassword(reset)
  await logIn(service.newClient(), email, NEW)
  await expect(logIn(service.newClient(), email, OLD)).rejects.toThrow('unauthorized')
})

test('a reset ends all sessions of the user before it answers', async () => {
  const { service, email } = await startWithAccount(database)
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
  const { service, email } = await startWithAccount(database)
  const { id } = await logIn(service.newClient(), email, OLD)
  await service.newClient().emailPasswordAuth.resetPassword(await askForMail(service, email))
  expect((await logIn(service.newClient(), email, NEW)).id).toBe(id)
})

test('a token works once, also if it is used several times at once', async () => {
  const { service, email } = await startWithAccount(database)
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
  const { service, email } = await startWithAccount(database, 'by mail', { instance: { clock } })
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
  const { service, email } = await startWithAccount(database)
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
  const { service, email } = await startWithAccount(database)
  const reset = await askForMail(service, email)
  const { emailPasswordAuth } = service.newClient()
  for (const password of ['short', 'x'.repeat(129)])
    await expect(emailPasswordAuth.resetPassword({ ...reset, password })).rejects.toMatchObject({
      error: 'password must be between 6 and 128 characters',
    })
  await emailPasswordAuth.resetPassword(reset)
})

test('a request for a mail gets the same answer, and sends the same commands, for each address', async () => {
  const { service, email } = await startWithAccount(database)
  await logIn(service.newClient(), email, OLD)
  for (const address of [newEmail(), email]) {
    database.commands.clear()
    expect(await service.post('reset/send', { email: address })).toEqual({ status: 202, body: {} })
    await expect.poll(() => database.commands.map(({ name }) => name)).toEqual(['findAndModify'])
  }
  await expect.poll(() => service.mails.map(mail => mail.email)).toEqual([email])
})

test('a reset lets a locked account log in again', async () => {
  const { service, email } = await startWithAccount(database, 'by mail', {
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
