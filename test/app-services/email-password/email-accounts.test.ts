import { expect, onTestFinished, test } from 'vitest'
import { emailAccountCleaner } from '../../../lib/app-services/email-password/email-account-cleaner.js'
import { EmailAccounts } from '../../../lib/app-services/email-password/email-accounts.js'
import { useDatabase } from '../../support/database.js'
import { newEmail } from '../support/email-service.js'
import { createTestUserData } from '../../support/user-data.js'

const database = useDatabase()

function createAccounts() {
  const userData = createTestUserData(database)
  onTestFinished(() => userData.close())
  const find = () => database.db.collection('email_accounts')
  return new EmailAccounts({ find, userData, timeoutMs: 5_000, now: () => Date.now() })
}

test('the accounts of a deleted user are removed, and their addresses are told, also the second time', async () => {
  const accounts = createAccounts()
  const [own, other] = [newEmail(), newEmail()]
  const account = await accounts.insert({ email: own, isConfirmed: true })
  await accounts.insert({ email: other, isConfirmed: true })
  const identities = [
    { id: 'anybody', provider_type: 'anon-user', data: {} },
    { id: account?.accountId ?? '', provider_type: 'local-userpass', data: { email: own } },
  ] as const
  const clean = emailAccountCleaner(accounts)
  const user = { identities } as unknown as Parameters<typeof clean>[0]
  expect(await clean(user)).toEqual([own])
  expect(await clean(user)).toEqual([own])
  expect(await accounts.insert({ email: own, isConfirmed: true })).toBeDefined()
  expect(await accounts.insert({ email: other, isConfirmed: true })).toBeUndefined()
})

test('a document of somebody else in the collection is neither changed nor removed, and logs nobody in', async () => {
  const accounts = createAccounts()
  const email = newEmail()
  const foreign = { _id: email as never, accountId: 'a', passwordId: 'p', confirmedAt: null }
  await database.db.collection('email_accounts').insertOne(foreign)
  await accounts.remove(['a'])
  expect(await accounts.setPassword('a', 'a hash')).toBeUndefined()
  expect(await accounts.insert({ email, isConfirmed: true })).toBeUndefined()
  expect(await database.db.collection('email_accounts').findOne({ _id: email as never })).toEqual(foreign)
})
