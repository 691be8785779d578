import type { ConfirmationRequest, EmailToken } from 'express-custom-user-data/app-services'
import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { createManualClock } from '../../../support/clock.js'
import { useDatabase } from '../../../support/database.js'
import { logIn, mailingTo, newEmail, startEmailService } from '../../support/email-service.js'
import type { EmailService } from '../../support/email-service.js'

const database = useDatabase()
const PASSWORD = 'correct horse'
const INVALID = { status: 400, body: { error: 'invalid token data', error_code: 'UserpassTokenInvalid' } }

/** Starts a service that sends confirmations by mail, with one account that waits for it. */
async function registerByMail(
  options: Parameters<typeof startEmailService>[2] = {},
): Promise<{ service: EmailService; email: string; mails: EmailToken[] }> {
  const mails: EmailToken[] = []
  const service = await startEmailService(database, mailingTo(mails), options)
  const email = newEmail()
  await service.newClient().emailPasswordAuth.registerUser({ email, password: PASSWORD })
  await expect.poll(() => mails).toHaveLength(1)
  return { service, email, mails }
}

function lastOf(mails: readonly EmailToken[]): EmailToken {
  const mail = mails.at(-1)
  if (!mail) throw new Error('No mail was sent.')
  return mail
}

test('the owner of an address confirms it by the token of the mail, and then logs in', async () => {
  const { service, email, mails } = await registerByMail()
  const client = service.newClient()
  const { token, tokenId, ...rest } = lastOf(mails)
  expect(rest).toEqual({ email })
  await client.emailPasswordAuth.confirmUser({ token, tokenId })
  await logIn(client, email, PASSWORD)
})

test('before the confirmation only somebody with the right password is told that it is missing', async () => {
  const { service, email } = await registerByMail()
  await expect(logIn(service.newClient(), email, PASSWORD)).rejects.toMatchObject({
    error: 'unauthorized: confirmation required',
    statusCode: 401,
  })
  await expect(logIn(service.newClient(), email, 'wrong password')).rejects.toMatchObject({
    error: 'unauthorized: invalid username/password',
  })
})

test('an account that is not confirmed cannot be linked, and the client asks once', async () => {
  const { service, email } = await registerByMail()
  const user = await service.newClient().logIn(Credentials.anonymous())
  service.requests.length = 0
  await expect(user.linkCredentials(Credentials.emailPassword(email, PASSWORD))).rejects.toMatchObject({
    error: 'confirmation required',
  })
  expect(service.requests).toHaveLength(1)
})

test('a second use of a token tells that the address is confirmed already', async () => {
  const { service, mails } = await registerByMail()
  const { emailPasswordAuth } = service.newClient()
  await emailPasswordAuth.confirmUser(lastOf(mails))
  await expect(emailPasswordAuth.confirmUser(lastOf(mails))).rejects.toMatchObject({
    error: 'already confirmed',
    errorCode: 'UserAlreadyConfirmed',
    statusCode: 400,
  })
})

test('of two uses of a token at once, one confirms', async () => {
  const { service, mails } = await registerByMail()
  const { token, tokenId } = lastOf(mails)
  const answers = await Promise.all([1, 2, 3].map(() => service.post('confirm', { token, tokenId })))
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 400, 400])
})

test('a token confirms nothing with another token id, and a made-up one confirms nothing', async () => {
  const { service, mails } = await registerByMail()
  const { token, tokenId } = lastOf(mails)
  const madeUp = [
    { token, tokenId: '0'.repeat(24) },
    { token: 'f'.repeat(64), tokenId },
    { token: 'x'.repeat(100_000), tokenId },
  ]
  for (const sent of madeUp) expect(await service.post('confirm', sent)).toEqual(INVALID)
  expect(await service.post('confirm', { token: { $ne: '' }, tokenId })).toMatchObject({
    status: 400,
    body: { error_code: 'InvalidParameter' },
  })
})

test('a token works for 30 minutes', async () => {
  const clock = createManualClock(Date.now())
  const { service, email, mails } = await registerByMail({ instance: { clock } })
  const { emailPasswordAuth } = service.newClient()
  const first = lastOf(mails)
  clock.advance(30 * 60_000)
  await expect(emailPasswordAuth.confirmUser(first)).rejects.toThrow('invalid token data')
  await emailPasswordAuth.resendConfirmationEmail({ email })
  await expect.poll(() => mails).toHaveLength(2)
  clock.advance(30 * 60_000 - 1)
  await emailPasswordAuth.confirmUser(lastOf(mails))
})

test('a new mail replaces the token of the one before', async () => {
  const { service, email, mails } = await registerByMail()
  const { emailPasswordAuth } = service.newClient()
  const first = lastOf(mails)
  await emailPasswordAuth.resendConfirmationEmail({ email })
  await expect.poll(() => mails).toHaveLength(2)
  expect(lastOf(mails).token).not.toBe(first.token)
  await expect(emailPasswordAuth.confirmUser(first)).rejects.toThrow('invalid token data')
  await emailPasswordAuth.confirmUser(lastOf(mails))
})

test('a request for a mail gets the same answer, and sends the same commands, for each address', async () => {
  const { service, email, mails } = await registerByMail()
  const confirmed = newEmail()
  await service.newClient().emailPasswordAuth.registerUser({ email: confirmed, password: PASSWORD })
  await expect.poll(() => mails).toHaveLength(2)
  await service.newClient().emailPasswordAuth.confirmUser(lastOf(mails))
  mails.length = 0
  for (const address of [newEmail(), confirmed, email]) {
    database.commands.clear()
    expect(await service.post('confirm/send', { email: address })).toEqual({ status: 200, body: {} })
    await expect.poll(() => database.commands.map(({ name }) => name)).toEqual(['findAndModify'])
  }
  await expect.poll(() => mails.map(mail => mail.email)).toEqual([email])
})

test('requests for mails are limited for one address', async () => {
  const { service, email } = await registerByMail({
    instance: { loginThrottle: { accountAndAddressFailures: 2 } },
  })
  const send = async () => (await service.post('confirm/send', { email })).status
  expect([await send(), await send(), await send()]).toEqual([200, 200, 429])
})

test('a mail that cannot be sent changes no answer', async () => {
  const service = await startEmailService(database, {
    sendConfirmation: () => Promise.reject(new Error('the mail server is away')),
  })
  const email = newEmail()
  expect(await service.post('register', { email, password: PASSWORD })).toEqual({ status: 201, body: {} })
  expect(await service.post('confirm/send', { email })).toEqual({ status: 200, body: {} })
})

test('with automatic confirmation there is nothing to repeat', async () => {
  const service = await startEmailService(database)
  const { emailPasswordAuth } = service.newClient()
  const email = newEmail()
  const text = `cannot run confirmation for ${email}: automatic confirmation is enabled`
  const refused = { error: text, statusCode: 400 }
  await expect(emailPasswordAuth.resendConfirmationEmail({ email })).rejects.toMatchObject(refused)
  await expect(emailPasswordAuth.retryCustomConfirmation({ email })).rejects.toMatchObject(refused)
  await expect(
    emailPasswordAuth.confirmUser({ token: 'f'.repeat(64), tokenId: 'f'.repeat(24) }),
  ).rejects.toThrow('invalid token data')
})

test('each way to confirm refuses to be repeated by the other', async () => {
  const { service, email } = await registerByMail()
  const byFunction = await startEmailService(database, {
    confirmationFunction: () => ({ status: 'pending' }),
  })
  await expect(
    service.newClient().emailPasswordAuth.retryCustomConfirmation({ email }),
  ).rejects.toMatchObject({ statusCode: 400 })
  await expect(
    byFunction.newClient().emailPasswordAuth.resendConfirmationEmail({ email }),
  ).rejects.toMatchObject({ statusCode: 400 })
})

test('an account that the confirmation function leaves pending is confirmed by the token', async () => {
  const asked: ConfirmationRequest[] = []
  const service = await startEmailService(database, {
    confirmationFunction: request => {
      asked.push(request)
      return { status: 'pending' }
    },
  })
  const email = newEmail()
  const client = service.newClient()
  await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
  await expect(logIn(client, email, PASSWORD)).rejects.toThrow('confirmation required')
  await client.emailPasswordAuth.retryCustomConfirmation({ email })
  await expect.poll(() => asked.map(({ username }) => username)).toEqual([email, email])
  const [first, second] = asked as [ConfirmationRequest, ConfirmationRequest]
  await expect(client.emailPasswordAuth.confirmUser(first)).rejects.toThrow('invalid token data')
  await client.emailPasswordAuth.confirmUser(second)
  await logIn(client, email, PASSWORD)
})

test.each([
  ['success', true],
  ['fail', false],
  ['pending', false],
] as const)('a repeated confirmation function that answers %s is heard', async (status, isConfirmed) => {
  const answers = ['pending', status] as const
  let count = 0
  const service = await startEmailService(database, {
    confirmationFunction: () => ({ status: answers[count++] ?? 'fail' }),
  })
  const email = newEmail()
  const client = service.newClient()
  await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
  await client.emailPasswordAuth.retryCustomConfirmation({ email })
  await expect.poll(() => count).toBe(2)
  const outcome = () => logIn(client, email, PASSWORD).then(() => 'in', String)
  await expect.poll(outcome).toMatch(isConfirmed ? /^in$/ : /confirmation required/)
})

test('the confirmation function is not repeated for unknown and for confirmed addresses', async () => {
  const asked: string[] = []
  const service = await startEmailService(database, {
    confirmationFunction: ({ username }) => {
      asked.push(username)
      return { status: asked.length === 1 ? 'success' : 'pending' }
    },
  })
  const [confirmed, pending] = [newEmail(), newEmail()]
  for (const email of [confirmed, pending]) await service.post('register', { email, password: PASSWORD })
  asked.length = 0
  for (const email of [newEmail(), confirmed, pending]) {
    database.commands.clear()
    expect(await service.post('confirm/call', { email })).toEqual({ status: 200, body: {} })
    await expect.poll(() => database.commands.map(({ name }) => name)).toEqual(['findAndModify'])
  }
  await expect.poll(() => asked).toEqual([pending])
})
