import { randomBytes } from 'node:crypto'
import { Credentials } from 'realm-web'
import type { App } from 'realm-web'
import { expect } from 'vitest'
import type { EmailPasswordOptions, EmailToken } from 'express-custom-user-data/app-services'
import type { TestDatabase } from '../../support/database.js'
import { APP_ID, startRealmService } from './realm-service.js'
import type { RealmService, RealmServiceOptions } from './realm-service.js'

/** A service with email accounts, and the mails that it has sent. */
export interface EmailService extends RealmService {
  readonly mails: EmailToken[]
  /** Posts to a route below `…/providers/local-userpass/`, for bodies that the client cannot send. */
  readonly post: (route: string, body: object) => Promise<{ status: number; body: unknown }>
}

/** Makes the options of a service whose accounts are confirmed and reset by mail. */
export function mailingTo(mails: EmailToken[]): EmailPasswordOptions {
  const keep = (mail: EmailToken) => void mails.push(mail)
  return { sendConfirmation: keep, sendPasswordReset: keep }
}

/** Starts a service with email accounts. By default a new account is confirmed at once, and resets go by mail. */
export async function startEmailService(
  database: Pick<TestDatabase, 'db'>,
  emailPassword: EmailPasswordOptions | 'by mail' = 'by mail',
  { service, ...options }: RealmServiceOptions = {},
): Promise<EmailService> {
  const mails: EmailToken[] = []
  const byMail = emailPassword === 'by mail'
  const given = byMail
    ? { autoConfirm: true, sendPasswordReset: (mail: EmailToken) => void mails.push(mail) }
    : emailPassword
  const realm = await startRealmService(database, {
    ...options,
    service: { providers: { anonymous: true, emailPassword: given }, ...service },
  })
  // The indexes are there before a test counts commands.
  await realm.appServices.ready()
  const root = `${realm.baseUrl}/api/client/v2.0/app/${APP_ID}/auth/providers/local-userpass`
  const post = async (route: string, body: object) => {
    const answer = await fetch(`${root}/${route}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    return { status: answer.status, body: await answer.json() }
  }
  return { ...realm, mails, post }
}

/** An address that no other test uses. */
export function newEmail(): string {
  return `user-${randomBytes(6).toString('hex')}@example.com`
}

/** Logs in with an address and a password. */
export function logIn(client: App, email: string, password: string) {
  return client.logIn(Credentials.emailPassword(email, password))
}

/** The password of a new account, and the one that a reset sets. */
export const OLD = 'the old password'
export const NEW = 'the new password'

/** Starts a service, and registers an account. */
export async function startWithAccount(
  database: Pick<TestDatabase, 'db'>,
  emailPassword?: EmailPasswordOptions | 'by mail',
  options?: RealmServiceOptions,
) {
  const service = await startEmailService(database, emailPassword, options)
  const email = newEmail()
  await service.newClient().emailPasswordAuth.registerUser({ email, password: OLD })
  return { service, email }
}

/** Asks for a mail, and gives its token with the new password. */
export async function askForMail(service: EmailService, email: string) {
  const count = service.mails.length
  await service.newClient().emailPasswordAuth.sendResetPasswordEmail({ email })
  await expect.poll(() => service.mails.length).toBe(count + 1)
  const { token, tokenId } = service.mails.at(-1) ?? { token: '', tokenId: '' }
  return { token, tokenId, password: NEW }
}
