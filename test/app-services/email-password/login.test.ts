import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { logIn, newEmail, startEmailService } from '../support/email-service.js'

const database = useDatabase()
const PASSWORD = 'correct horse'

async function startWithAccount(...[options]: [Parameters<typeof startEmailService>[2]?]) {
  const service = await startEmailService(database, 'by mail', options)
  const email = newEmail()
  await service.newClient().emailPasswordAuth.registerUser({ email, password: PASSWORD })
  return { service, email }
}

test('an unknown address and a wrong password get the same answer, after the same commands', async () => {
  const { service, email } = await startWithAccount()
  await logIn(service.newClient(), email, PASSWORD)
  const answers = []
  for (const username of [newEmail(), email]) {
    database.commands.clear()
    const { status, body } = await service.post('login', { username, password: 'a guess' })
    answers.push({ status, body, commands: database.commands.map(({ name }) => name) })
  }
  expect(answers[0]).toEqual(answers[1])
  expect(answers[0]).toMatchObject({
    status: 401,
    body: { error: 'unauthorized: invalid username/password', error_code: 'InvalidPassword' },
  })
})

test('an address is searched by an index', async () => {
  const { service, email } = await startWithAccount()
  database.commands.clear()
  await logIn(service.newClient(), email, PASSWORD)
  const finds = database.commands
    .named('find')
    .filter(({ command }) => String(command['find']).includes('email_accounts'))
  expect(finds.length).toBeGreaterThan(0)
  for (const { command } of finds) {
    const { find, filter } = command as { find: string; filter: object }
    const plan = JSON.stringify(await database.db.collection(find).find(filter).explain())
    expect(plan).not.toContain('COLLSCAN')
  }
})

test('a link with a wrong password is refused in one request', async () => {
  const { service, email } = await startWithAccount()
  const user = await service.newClient().logIn(Credentials.anonymous())
  service.requests.length = 0
  const linked = user.linkCredentials(Credentials.emailPassword(email, 'a guess'))
  await expect(linked).rejects.toMatchObject({ error: 'invalid username/password', statusCode: 401 })
  expect(service.requests).toHaveLength(1)
})

test('an account that belongs to a user cannot be linked by another user', async () => {
  const { service, email } = await startWithAccount()
  await logIn(service.newClient(), email, PASSWORD)
  const user = await service.newClient().logIn(Credentials.anonymous())
  const linked = user.linkCredentials(Credentials.emailPassword(email, PASSWORD))
  await expect(linked).rejects.toMatchObject({ errorCode: 'AccountNameInUse', statusCode: 409 })
})

test.each([
  ['no username', { password: PASSWORD }, 400],
  ['an object as the username', { username: { $gt: '' }, password: PASSWORD }, 400],
  ['an object as the password', { username: 'alice@example.com', password: { $gt: '' } }, 400],
  ['a username of spaces', { username: '   ', password: PASSWORD }, 401],
  ['a username that is no address', { username: 'alice', password: PASSWORD }, 401],
  ['an invisible username', { username: '\u200b', password: PASSWORD }, 401],
  ['a password of 1,025 characters', { username: 'alice@example.com', password: 'x'.repeat(1_025) }, 400],
])('a login with %s is refused', async (_name, body, status) => {
  const { service } = await startWithAccount({ instance: { loginThrottle: {} } })
  expect(await service.post('login', body)).toMatchObject({ status })
})

test('failed logins lock the account for the address, and links count for the same account', async () => {
  const { service, email } = await startWithAccount({
    instance: { loginThrottle: { accountAndAddressFailures: 3 } },
  })
  const user = await service.newClient().logIn(Credentials.anonymous())
  const link = () => user.linkCredentials(Credentials.emailPassword(email, 'a guess'))
  await expect(link()).rejects.toMatchObject({ statusCode: 401 })
  for (const password of ['guess 1', 'guess 2'])
    await expect(logIn(service.newClient(), email, password)).rejects.toMatchObject({ statusCode: 401 })
  const locked = { statusCode: 429, errorCode: 'LimitExceeded' }
  await expect(logIn(service.newClient(), email, PASSWORD)).rejects.toMatchObject(locked)
  await expect(link()).rejects.toMatchObject(locked)
  await service.userData.forgetFailedLogins(email)
  await logIn(service.newClient(), email, PASSWORD)
})
