import { Credentials } from 'realm-web'
import { AppServicesError } from 'express-custom-user-data/app-services'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { logIn, newEmail, startEmailService } from '../support/email-service.js'

const database = useDatabase()
const PASSWORD = 'correct horse'

test('an account logs in after its registration, and the profile tells the email', async () => {
  const service = await startEmailService(database)
  const email = newEmail()
  const client = service.newClient()
  await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
  const user = await logIn(client, email, PASSWORD)
  expect(user.profile).toEqual({ email })
  expect(user.identities).toEqual([
    { id: expect.stringMatching(/^[0-9a-f]{24}$/), providerType: 'local-userpass' },
  ])
  const again = await logIn(service.newClient(), email, PASSWORD)
  expect(again.id).toBe(user.id)
})

test('an anonymous user who registers and links the account keeps the user id', async () => {
  const service = await startEmailService(database)
  const email = newEmail()
  const client = service.newClient()
  const user = await client.logIn(Credentials.anonymous())
  await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
  await user.linkCredentials(Credentials.emailPassword(email, PASSWORD))
  expect(user.identities.map(({ providerType }) => providerType)).toEqual(['anon-user', 'local-userpass'])
  const elsewhere = await logIn(service.newClient(), email, PASSWORD)
  expect(elsewhere.id).toBe(user.id)
  expect(elsewhere.profile).toEqual({ email })
})

test('addresses are the same in capital letters and with spaces around them', async () => {
  const service = await startEmailService(database)
  const email = newEmail()
  const { emailPasswordAuth } = service.newClient()
  await emailPasswordAuth.registerUser({ email: ` ${email.toUpperCase()} `, password: PASSWORD })
  await expect(emailPasswordAuth.registerUser({ email, password: PASSWORD })).rejects.toThrow(
    'name already in use',
  )
  const user = await logIn(service.newClient(), email.replace('user', 'User'), PASSWORD)
  expect(user.profile).toEqual({ email })
})

test('of several registrations of one address at once, one succeeds and the others are answered 409', async () => {
  const service = await startEmailService(database)
  const email = newEmail()
  const passwords = ['password 0', 'password 1', 'password 2', 'password 3']
  const answers = await Promise.all(passwords.map(password => service.post('register', { email, password })))
  const winner = answers.findIndex(({ status }) => status === 201)
  const others = answers.filter((_answer, index) => index !== winner)
  const taken = { error: 'name already in use', error_code: 'AccountNameInUse' }
  expect(others).toEqual(others.map(() => ({ status: 409, body: taken })))
  expect(others).toHaveLength(3)
  const logins = await Promise.allSettled(
    passwords.map(password => logIn(service.newClient(), email, password)),
  )
  expect(logins.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []))).toEqual([winner])
})

test.each([
  ['5 characters', 'x'.repeat(5), false],
  ['no character', '', false],
  ['6 characters', 'x'.repeat(6), true],
  ['6 characters of which each is an emoji', '🐎'.repeat(6), true],
  ['128 emojis', '🐎'.repeat(128), true],
  ['129 characters', 'x'.repeat(129), false],
  ['a million characters', 'x'.repeat(1_000_000), false],
])('a password of %s is accepted or refused by its length', async (_name, password, isAccepted) => {
  const service = await startEmailService(database)
  const email = newEmail()
  const { emailPasswordAuth } = service.newClient()
  const registered = emailPasswordAuth.registerUser({ email, password })
  if (!isAccepted)
    await expect(registered).rejects.toThrow(
      /: password must be between 6 and 128 characters \(status 400 Bad Request\)/,
    )
  else {
    await registered
    await logIn(service.newClient(), email, password)
  }
})

test('a password is taken exactly: neither spaces nor forms of Unicode are changed', async () => {
  const service = await startEmailService(database)
  const email = newEmail()
  const password = ' caf\u00e9 noir '
  await service.newClient().emailPasswordAuth.registerUser({ email, password })
  await expect(logIn(service.newClient(), email, password.trim())).rejects.toThrow('unauthorized')
  await expect(logIn(service.newClient(), email, password.normalize('NFD'))).rejects.toThrow('unauthorized')
  await logIn(service.newClient(), email, password)
})

test.each([
  ['no address', {}, 'MissingParameter'],
  ['null', { email: null }, 'MissingParameter'],
  ['an object, which could become a query', { email: { $gt: '' } }, 'InvalidParameter'],
  ['a text without @', { email: 'alice' }, 'InvalidParameter'],
  ['two @', { email: 'a@b@example.com' }, 'InvalidParameter'],
  ['a control character', { email: 'a\u0000b@example.com' }, 'InvalidParameter'],
  ['a line break inside, which could become a header of a mail', { email: 'a\nb@c.de' }, 'InvalidParameter'],
  ['half of a surrogate pair', { email: 'a\ud800@example.com' }, 'InvalidParameter'],
  ['321 characters', { email: `${'a'.repeat(309)}@example.com` }, 'InvalidParameter'],
])('a registration with %s as the address is refused', async (_name, body, code) => {
  const service = await startEmailService(database)
  const answer = await service.post('register', { password: PASSWORD, ...body })
  expect(answer).toMatchObject({ status: 400, body: { error_code: code } })
})

test('a user whose sessions have ended can register another account, with one request', async () => {
  const service = await startEmailService(database)
  const client = service.newClient()
  const user = await client.logIn(Credentials.anonymous())
  await service.userData.revoke(user.id)
  service.requests.length = 0
  await client.emailPasswordAuth.registerUser({ email: newEmail(), password: PASSWORD })
  expect(service.requests.map(({ name }) => name)).toEqual(['POST /auth/providers/local-userpass/register'])
})

test('registrations count for the address of the client, also those that succeed', async () => {
  const service = await startEmailService(database, 'by mail', {
    instance: { loginThrottle: { addressFailures: 2 } },
  })
  const register = () => service.post('register', { email: newEmail(), password: PASSWORD })
  expect((await register()).status).toBe(201)
  expect((await register()).status).toBe(201)
  expect(await register()).toMatchObject({ status: 429, body: { error_code: 'LimitExceeded' } })
})

test('an account that the confirmation function accepts logs in at once', async () => {
  const asked: unknown[] = []
  const service = await startEmailService(database, {
    confirmationFunction: request => {
      asked.push(request)
      return { status: 'success' }
    },
  })
  const email = newEmail()
  const client = service.newClient()
  await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
  expect(asked).toEqual([
    {
      username: email,
      token: expect.stringMatching(/^[0-9a-f]{64}$/),
      tokenId: expect.stringMatching(/^[0-9a-f]{24}$/),
    },
  ])
  await logIn(client, email, PASSWORD)
})

test('of an account that the confirmation function refuses nothing remains, and the address is free', async () => {
  const answers = ['fail', 'success'] as const
  let count = 0
  const service = await startEmailService(database, {
    confirmationFunction: () => ({ status: answers[count++] ?? 'fail' }),
  })
  const email = newEmail()
  const client = service.newClient()
  await expect(client.emailPasswordAuth.registerUser({ email, password: 'attempt 1' })).rejects.toThrow(
    `: failed to confirm user "${email}" (status 400 Bad Request)`,
  )
  await expect(logIn(client, email, 'attempt 1')).rejects.toThrow('unauthorized')
  await client.emailPasswordAuth.registerUser({ email, password: 'attempt 2' })
  await logIn(client, email, 'attempt 2')
})

test.each([
  ['an error', new Error('smtp.internal.example.com refused'), 'failed to confirm user "EMAIL"'],
  [
    'an error that would make the client repeat the request',
    new AppServicesError('InvalidSession', 'invalid session'),
    'failed to confirm user "EMAIL"',
  ],
  [
    'a text that would make the client repeat the request',
    new AppServicesError('AuthError', 'unauthorized'),
    'failed to confirm user "EMAIL"',
  ],
  ['an error for the client', new AppServicesError('BadRequest', 'employees only'), 'employees only'],
])(
  'a confirmation function that throws %s refuses the account, in one request',
  async (_name, error, text) => {
    const service = await startEmailService(database, {
      confirmationFunction: () => Promise.reject(error),
    })
    const email = newEmail()
    const client = service.newClient()
    await client.logIn(Credentials.anonymous())
    service.requests.length = 0
    await expect(client.emailPasswordAuth.registerUser({ email, password: PASSWORD })).rejects.toMatchObject({
      error: text.replace('EMAIL', email),
      statusCode: 400,
    })
    expect(service.requests).toHaveLength(1)
    expect(await accountOf(email)).toBeNull()
  },
)

test('a confirmation function that returns no decision is an error of the server, and no account remains', async () => {
  const service = await startEmailService(database, { confirmationFunction: () => true as never })
  const email = newEmail()
  const answer = await service.post('register', { email, password: PASSWORD })
  expect(answer).toEqual({
    status: 500,
    body: { error: 'internal server error', error_code: 'InternalServerError' },
  })
  expect(await accountOf(email)).toBeNull()
})

function accountOf(email: string) {
  return database.db
    .collection<{ _id: string }>('custom_user_data_app_services_email_accounts')
    .findOne({ _id: email })
}
