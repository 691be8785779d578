import type { EmailPasswordOptions } from 'express-custom-user-data/app-services'
import type { RequestFailedEvent } from 'express-custom-user-data'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { newEmail, startEmailService } from '../support/email-service.js'

const database = useDatabase()
const PASSWORD = 'correct horse battery'

/** Starts a service, and keeps the reports of failures. */
async function startReporting(emailPassword: EmailPasswordOptions) {
  const service = await startEmailService(database, emailPassword)
  const reports: RequestFailedEvent[] = []
  service.userData.events.on('request_failed', report => void reports.push(report))
  return { service, reports }
}

test('a mail function whose error holds the token is reported without the token', async () => {
  const tokens: string[] = []
  const fail = ({ token }: { token: string }) => {
    tokens.push(token)
    throw new Error(`cannot send https://app.example.com/link#${token}`, { cause: new Error(token) })
  }
  const { service, reports } = await startReporting({ sendConfirmation: fail, sendPasswordReset: fail })
  const email = newEmail()
  await service.post('register', { email, password: PASSWORD })
  await service.post('confirm/send', { email })
  await service.post('reset/send', { email })
  await expect.poll(() => reports).toHaveLength(3)
  expect(tokens).toHaveLength(3)
  for (const report of reports) {
    expect(report.message).toContain('cannot send https://app.example.com/link#[removed]')
    for (const token of tokens) expect(JSON.stringify(report)).not.toContain(token)
  }
})

test('a deciding function whose error holds the token and the password is reported without them', async () => {
  const secrets: string[] = []
  const fail = ({ token, ...rest }: { token: string }) => {
    secrets.push(token)
    throw new Error(`bad answer for ${JSON.stringify(rest)} and ${token}`)
  }
  const { service, reports } = await startReporting({ confirmationFunction: fail, resetFunction: fail })
  const email = newEmail()
  await service.post('register', { email, password: PASSWORD })
  await service.post('reset/call', { email, password: PASSWORD })
  await expect.poll(() => reports).toHaveLength(2)
  for (const report of reports) {
    expect(report.message).toContain('bad answer for')
    for (const secret of [...secrets, PASSWORD]) expect(JSON.stringify(report)).not.toContain(secret)
  }
})
