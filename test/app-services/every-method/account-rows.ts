import { Credentials } from 'realm-web'
import type { EmailPasswordOptions, EmailToken } from 'express-custom-user-data/app-services'
import { expect } from 'vitest'
import { logInMember, newEmail, PASSWORD } from './rows.js'
import type { Rows, Start } from './rows.js'

const OTHER_PASSWORD = 'another password of the same user'

export const emailPasswordRows: Rows = {
  async registerUser(start) {
    const { user } = await logInMember(start)
    expect(user.providerType).toBe('local-userpass')
  },
  async confirmUser(start) {
    const { app, logIn, mails } = await register(start, mailTo => ({ sendConfirmation: mailTo }))
    await expect(logIn(PASSWORD)).rejects.toThrow('confirmation required')
    await expect.poll(() => mails).toHaveLength(1)
    const [{ token, tokenId }] = mails as [EmailToken]
    await app.emailPasswordAuth.confirmUser({ token, tokenId })
    expect((await logIn(PASSWORD)).isLoggedIn).toBe(true)
  },
  async resendConfirmationEmail(start) {
    const { app, email, logIn, mails } = await register(start, mailTo => ({ sendConfirmation: mailTo }))
    await expect.poll(() => mails).toHaveLength(1)
    await app.emailPasswordAuth.resendConfirmationEmail({ email })
    await expect.poll(() => mails).toHaveLength(2)
    const { token, tokenId } = mails[1]!
    await app.emailPasswordAuth.confirmUser({ token, tokenId })
    expect((await logIn(PASSWORD)).isLoggedIn).toBe(true)
  },
  async retryCustomConfirmation(start) {
    let status: 'pending' | 'success' = 'pending'
    const { app, email, logIn } = await register(start, () => ({ confirmationFunction: () => ({ status }) }))
    await expect(logIn(PASSWORD)).rejects.toThrow('confirmation required')
    status = 'success'
    await app.emailPasswordAuth.retryCustomConfirmation({ email })
    await expect.poll(() => logIn(PASSWORD).then(user => user.isLoggedIn, String)).toBe(true)
  },
  async sendResetPasswordEmail(start) {
    const { app, email, mails } = await register(start, resettingBy)
    await app.emailPasswordAuth.sendResetPasswordEmail({ email })
    await expect.poll(() => mails.map(mail => mail.email)).toEqual([email])
  },
  async resetPassword(start) {
    const { app, email, logIn, mails } = await register(start, resettingBy)
    await app.emailPasswordAuth.sendResetPasswordEmail({ email })
    await expect.poll(() => mails).toHaveLength(1)
    const { token, tokenId } = mails[0]!
    await app.emailPasswordAuth.resetPassword({ token, tokenId, password: OTHER_PASSWORD })
    await expect(logIn(PASSWORD)).rejects.toThrow('unauthorized')
    expect((await logIn(OTHER_PASSWORD)).isLoggedIn).toBe(true)
  },
  async callResetPasswordFunction(start) {
    const { app, email, logIn } = await register(start, () => ({
      autoConfirm: true,
      resetFunction: (_request, secret: unknown) => ({ status: secret === 'yes' ? 'success' : 'fail' }),
    }))
    const change = { email, password: OTHER_PASSWORD }
    await expect(app.emailPasswordAuth.callResetPasswordFunction(change, 'no')).rejects.toThrow(
      `failed to reset password for user "${email}"`,
    )
    await app.emailPasswordAuth.callResetPasswordFunction(change, 'yes')
    expect((await logIn(OTHER_PASSWORD)).isLoggedIn).toBe(true)
  },
}

export const apiKeyRows: Rows = {
  async create(start) {
    const { service, user } = await logInMember(start)
    const { key } = await user.apiKeys.create('laptop')
    expect((await service.newClient().logIn(Credentials.apiKey(key))).id).toBe(user.id)
  },
  async fetch(start) {
    const { user } = await logInMember(start)
    const { _id } = await user.apiKeys.create('laptop')
    expect(await user.apiKeys.fetch(_id)).toEqual({ _id, name: 'laptop', disabled: false })
  },
  async fetchAll(start) {
    const { user } = await logInMember(start)
    const { _id } = await user.apiKeys.create('laptop')
    expect(await user.apiKeys.fetchAll()).toEqual([{ _id, name: 'laptop', disabled: false }])
  },
  async delete(start) {
    const { service, user } = await logInMember(start)
    const { _id, key } = await user.apiKeys.create('laptop')
    await user.apiKeys.delete(_id)
    expect(await user.apiKeys.fetchAll()).toEqual([])
    await expect(service.newClient().logIn(Credentials.apiKey(key))).rejects.toThrow('unauthorized')
  },
  async disable(start) {
    const { service, user } = await logInMember(start)
    const { _id, key } = await user.apiKeys.create('laptop')
    await user.apiKeys.disable(_id)
    await expect(service.newClient().logIn(Credentials.apiKey(key))).rejects.toThrow('unauthorized')
  },
  async enable(start) {
    const { service, user } = await logInMember(start)
    const { _id, key } = await user.apiKeys.create('laptop')
    await user.apiKeys.disable(_id)
    await user.apiKeys.enable(_id)
    expect((await service.newClient().logIn(Credentials.apiKey(key))).id).toBe(user.id)
  },
}

function resettingBy(mailTo: (mail: EmailToken) => void): EmailPasswordOptions {
  return { autoConfirm: true, sendPasswordReset: mailTo }
}

/** Starts a service whose mails are kept, and registers a user. */
async function register(
  start: Start,
  optionsOf: (mailTo: (mail: EmailToken) => void) => EmailPasswordOptions,
) {
  const email = newEmail()
  const mails: EmailToken[] = []
  const emailPassword = optionsOf(mail => void mails.push(mail))
  const service = await start({ providers: { emailPassword } })
  const app = service.newClient()
  await app.emailPasswordAuth.registerUser({ email, password: PASSWORD })
  const logIn = (password: string) => service.newClient().logIn(Credentials.emailPassword(email, password))
  return { app, email, mails, logIn }
}
