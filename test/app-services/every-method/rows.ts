import { randomUUID } from 'node:crypto'
import { Credentials } from 'realm-web'
import type { App, User } from 'realm-web'
import { expect } from 'vitest'
import type { AppServicesOptions } from 'express-custom-user-data/app-services'
import type { RealmService, RealmServiceOptions } from '../support/realm-service.js'

/** Starts a service with further options, for it and for its instance. */
export type Start = (
  service?: Partial<AppServicesOptions>,
  instance?: RealmServiceOptions['instance'],
) => Promise<RealmService>

/** What is expected of one method of the client. It calls the method. */
export type Row = (start: Start) => unknown

/** The rows of one class of the client, by the names of its methods. */
export type Rows = Readonly<Record<string, Row>>

export const PASSWORD = 'correct horse battery staple'

/** An address that no other row uses. */
export function newEmail(): string {
  return `${randomUUID()}@example.com`
}

/** Starts a service, and logs an anonymous user in. */
export async function logIn(start: Start, ...options: Parameters<Start>) {
  const service = await start(...options)
  const app = service.newClient()
  const user = await app.logIn(Credentials.anonymous())
  return { service, app, user }
}

/** Logs a user in who has an account. */
export async function logInMember(start: Start) {
  const email = newEmail()
  const service = await start({ providers: { emailPassword: { autoConfirm: true }, apiKey: true } })
  const app = service.newClient()
  await app.emailPasswordAuth.registerUser({ email, password: PASSWORD })
  const user = await app.logIn(Credentials.emailPassword(email, PASSWORD))
  return { service, app, user, email }
}

/** The client itself does not have this method, whatever the server does. */
export function isNotImplementedByTheClient(
  call: (on: { readonly app: App; readonly user: User }) => unknown,
): Row {
  return async start => {
    const client = await logIn(start)
    expect(() => call(client)).toThrow('Not yet implemented')
  }
}
