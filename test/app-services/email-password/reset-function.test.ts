import type { PasswordResetFunction, PasswordResetRequest } from 'express-custom-user-data/app-services'
import { AppServicesError } from 'express-custom-user-data/app-services'
import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { logIn, newEmail, startEmailService } from '../support/email-service.js'

const database = useDatabase()
const OLD = 'the old password'
const NEW = 'the new password'

async function startWithFunction(resetFunction: PasswordResetFunction) {
  const service = await startEmailService(database, { autoConfirm: true, resetFunction })
  const email = newEmail()
  await service.newClient().emailPasswordAuth.registerUser({ email, password: OLD })
  return { service, email }
}

test('the reset function gets the facts, a token, and the arguments of the client', async () => {
  const calls: { request: PasswordResetRequest; args: unknown[] }[] = []
  const { service, email } = await startWithFunction((request, ...args) => {
    calls.push({ request, args })
    return { status: 'pending' }
  })
  const { emailPasswordAuth } = service.newClient()
  const at = new Date('2026-01-02T03:04:05Z')
  await emailPasswordAuth.callResetPasswordFunction({ email, password: NEW }, 7, 'rex', { at, none: null })
  expect(calls).toEqual([
    {
      request: {
        username: email,
        password: NEW,
        token: expect.stringMatching(/^[0-9a-f]{64}$/),
        tokenId: expect.stringMatching(/^[0-9a-f]{24}$/),
        currentPasswordValid: false,
        accountExists: true,
      },
      args: [7, 'rex', { at, none: null }],
    },
  ])
})

test('after "pending" the password is set by the token of the function, once', async () => {
  let sent = { token: '', tokenId: '' }
  const { service, email } = await startWithFunction(({ token, tokenId }) => {
    sent = { token, tokenId }
    return { status: 'pending' }
  })
  const { emailPasswordAuth } = service.newClient()
  await emailPasswordAuth.callResetPasswordFunction({ email, password: 'not set yet' })
  await logIn(service.newClient(), email, OLD)
  await emailPasswordAuth.resetPassword({ ...sent, password: NEW })
  await logIn(service.newClient(), email, NEW)
  await expect(emailPasswordAuth.resetPassword({ ...sent, password: NEW })).rejects.toThrow(
    'invalid token data',
  )
})

test('after "success" the new password is set at once, and the sessions have ended', async () => {
  let token = ''
  let tokenId = ''
  const { service, email } = await startWithFunction(request => {
    ;({ token, tokenId } = request)
    return { status: 'success' }
  })
  const user = await logIn(service.newClient(), email, OLD)
  const { emailPasswordAuth } = service.newClient()
  await emailPasswordAuth.callResetPasswordFunction({ email, password: NEW })
  expect(await service.userData.sessionOf(user.refreshToken ?? '')).toBeUndefined()
  await expect(logIn(service.newClient(), email, OLD)).rejects.toThrow('unauthorized')
  expect((await logIn(service.newClient(), email, NEW)).id).toBe(user.id)
  const reset = emailPasswordAuth.resetPassword({ token, tokenId, password: 'third password' })
  await expect(reset).rejects.toThrow('invalid token data')
})

test('after "fail" the password stays, and the token does not work', async () => {
  let sent = { token: '', tokenId: '' }
  const { service, email } = await startWithFunction(({ token, tokenId }) => {
    sent = { token, tokenId }
    return { status: 'fail' }
  })
  const { emailPasswordAuth } = service.newClient()
  await expect(emailPasswordAuth.callResetPasswordFunction({ email, password: NEW })).rejects.toMatchObject({
    error: `failed to reset password for user "${email}"`,
    statusCode: 400,
  })
  await expect(emailPasswordAuth.resetPassword({ ...sent, password: NEW })).rejects.toThrow(
    'invalid token data',
  )
  await logIn(service.newClient(), email, OLD)
})

test('the function is told whether the password is the current one', async () => {
  const told: boolean[] = []
  const { service, email } = await startWithFunction(({ currentPasswordValid }) => {
    told.push(currentPasswordValid)
    return { status: 'pending' }
  })
  const { emailPasswordAuth } = service.newClient()
  for (const password of [OLD, NEW]) await emailPasswordAuth.callResetPasswordFunction({ email, password })
  expect(told).toEqual([true, false])
})

test.each(['pending', 'success', 'fail'] as const)(
  'an unknown address gets the same answer as a known one after "%s", for the same commands until the function answers',
  async status => {
    const asked: { exists: boolean; commands: string[] }[] = []
    const { service, email } = await startWithFunction(({ accountExists }) => {
      asked.push({ exists: accountExists, commands: database.commands.map(({ name }) => name) })
      return { status }
    })
    const unknown = newEmail()
    const answers = []
    const commands = []
    for (const address of [unknown, email]) {
      database.commands.clear()
      const { status: code, body } = await service.post('reset/call', { email: address, password: NEW })
      answers.push({ code, body: JSON.stringify(body).replace(address, 'EMAIL') })
      commands.push(database.commands.map(({ name }) => name))
    }
    expect(answers[0]).toEqual(answers[1])
    expect(asked.map(({ exists }) => exists)).toEqual([false, true])
    expect(asked[0]?.commands).toEqual(asked[1]?.commands)
    expect(asked[0]?.commands).toEqual(['find', 'findAndModify'])
    // Whoever resets a password can log in with it, so "success" tells more than the commands do.
    if (status !== 'success') expect(commands[0]).toEqual(commands[1])
    await expect(logIn(service.newClient(), unknown, NEW)).rejects.toThrow('unauthorized')
  },
)

test.each([
  ['an error', new Error('the database of questions is away')],
  ['an error that would make the client repeat the request', new AppServicesError('InvalidSession', 'no')],
])('a function that throws %s refuses the reset, in one request', async (_name, error) => {
  const { service, email } = await startWithFunction(() => Promise.reject(error))
  const client = service.newClient()
  await client.logIn(Credentials.anonymous())
  service.requests.length = 0
  await expect(
    client.emailPasswordAuth.callResetPasswordFunction({ email, password: NEW }),
  ).rejects.toMatchObject({ error: `failed to reset password for user "${email}"`, statusCode: 400 })
  expect(service.requests).toHaveLength(1)
})

test('there are at most 20 arguments, and they are Extended JSON', async () => {
  const { service, email } = await startWithFunction(() => ({ status: 'pending' }))
  const call = (given: unknown) => service.post('reset/call', { email, password: NEW, arguments: given })
  expect(await call(Array.from({ length: 20 }, () => 'x'))).toMatchObject({ status: 202 })
  expect(await call(Array.from({ length: 21 }, () => 'x'))).toMatchObject({ status: 400 })
  expect(await call('x')).toMatchObject({ status: 400, body: { error_code: 'InvalidParameter' } })
  expect(await call([{ $oid: 'no id' }])).toMatchObject({ status: 400, body: { error_code: 'BadBsonParse' } })
})

test('a mail cannot be asked for where a function decides, and without either nothing can be reset', async () => {
  const { service, email } = await startWithFunction(() => ({ status: 'pending' }))
  await expect(service.newClient().emailPasswordAuth.sendResetPasswordEmail({ email })).rejects.toMatchObject(
    { error: 'please use reset password via function', statusCode: 400 },
  )
  const without = await startEmailService(database, { autoConfirm: true })
  expect(await without.post('reset/send', { email })).toMatchObject({ status: 400 })
  expect(await without.post('reset/call', { email, password: NEW })).toMatchObject({ status: 400 })
  const byMail = await startEmailService(database)
  expect(await byMail.post('reset/call', { email, password: NEW })).toMatchObject({ status: 400 })
})
