import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { useDatabase } from '../../../support/database.js'
import { startRealmService } from '../../support/realm-service.js'

const database = useDatabase()
const TOKEN = { token: 'a', tokenId: 'b' }
const EMAIL = { email: 'ada@example.com' }

test('without the option each call about email accounts fails as for an unknown provider', async () => {
  const service = await startRealmService(database)
  const client = service.newClient()
  const { emailPasswordAuth } = client
  const calls = {
    register: () => emailPasswordAuth.registerUser({ ...EMAIL, password: 'correct horse' }),
    confirm: () => emailPasswordAuth.confirmUser(TOKEN),
    'confirm/send': () => emailPasswordAuth.resendConfirmationEmail(EMAIL),
    'confirm/call': () => emailPasswordAuth.retryCustomConfirmation(EMAIL),
    reset: () => emailPasswordAuth.resetPassword({ ...TOKEN, password: 'correct horse' }),
    'reset/send': () => emailPasswordAuth.sendResetPasswordEmail(EMAIL),
    'reset/call': () =>
      emailPasswordAuth.callResetPasswordFunction({ ...EMAIL, password: 'correct horse' }, 'answer'),
    login: () => client.logIn(Credentials.emailPassword('ada@example.com', 'correct horse')),
  }
  for (const [path, call] of Object.entries(calls)) {
    await expect(call(), path).rejects.toMatchObject({ statusCode: 404, errorCode: 'AuthProviderNotFound' })
    expect(service.requests.at(-1)?.name).toBe(`POST /auth/providers/local-userpass/${path}`)
  }
})
