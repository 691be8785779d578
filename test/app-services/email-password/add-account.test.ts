import { randomBytes } from 'node:crypto'
import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { logIn, newEmail, startEmailService } from '../support/email-service.js'
import { startRealmService } from '../support/realm-service.js'

const database = useDatabase()
const PASSWORD = 'correct horse'
const newUserId = () => randomBytes(12).toString('hex')

test('an account of a known user logs in with the id of the user and their custom data', async () => {
  const service = await startEmailService(database)
  const [email, userId] = [newEmail(), newUserId()]
  await service.userData.forUser(userId).update({ $set: { plan: 'gold' } }, { upsert: true })
  await service.appServices.addEmailAccount({ email: ` ${email.toUpperCase()}`, password: PASSWORD, userId })
  const user = await logIn(service.newClient(), email, PASSWORD)
  expect(user.id).toBe(userId)
  expect(user.customData).toMatchObject({ plan: 'gold' })
  expect(user.profile).toEqual({ email })
})

test('an account without a password refuses each login until its owner has reset the password', async () => {
  const service = await startEmailService(database)
  const [email, userId] = [newEmail(), newUserId()]
  await service.appServices.addEmailAccount({ email, userId })
  for (const password of ['undefined', 'null', userId])
    await expect(logIn(service.newClient(), email, password)).rejects.toThrow('unauthorized')
  const { emailPasswordAuth } = service.newClient()
  await emailPasswordAuth.sendResetPasswordEmail({ email })
  await expect.poll(() => service.mails).toHaveLength(1)
  const { token = '', tokenId = '' } = service.mails[0] ?? {}
  await emailPasswordAuth.resetPassword({ token, tokenId, password: PASSWORD })
  expect((await logIn(service.newClient(), email, PASSWORD)).id).toBe(userId)
})

test('without a user id the first login creates the user', async () => {
  const service = await startEmailService(database)
  const email = newEmail()
  await service.appServices.addEmailAccount({ email, password: PASSWORD })
  const user = await logIn(service.newClient(), email, PASSWORD)
  expect(user.identities).toHaveLength(1)
})

test('a user who exists gets the account as a further identity', async () => {
  const service = await startEmailService(database)
  const email = newEmail()
  const user = await service.newClient().logIn(Credentials.anonymous())
  await service.appServices.addEmailAccount({ email, password: PASSWORD, userId: user.id })
  expect((await logIn(service.newClient(), email, PASSWORD)).id).toBe(user.id)
})

test('a taken address is refused, and leaves neither a user nor an identity', async () => {
  const service = await startEmailService(database)
  const [email, userId] = [newEmail(), newUserId()]
  const user = await service.newClient().logIn(Credentials.anonymous())
  await service.appServices.addEmailAccount({ email, password: PASSWORD })
  const taken = { code: 'AccountNameInUse' }
  for (const id of [userId, user.id])
    await expect(service.appServices.addEmailAccount({ email, userId: id })).rejects.toMatchObject(taken)
  await user.refreshCustomData()
  expect(user.identities).toHaveLength(1)
  const other = newEmail()
  await service.appServices.addEmailAccount({ email: other, password: PASSWORD, userId })
  expect((await logIn(service.newClient(), other, PASSWORD)).id).toBe(userId)
})

test('a call that was interrupted after the user was stored can be repeated', async () => {
  const service = await startEmailService(database)
  const [email, userId] = [newEmail(), newUserId()]
  await service.appServices.addEmailAccount({ email, password: 'first try', userId })
  const accounts = database.db.collection<{ _id: string }>('custom_user_data_app_services_email_accounts')
  await accounts.deleteOne({ _id: email })
  await service.appServices.addEmailAccount({ email, password: PASSWORD, userId })
  const user = await logIn(service.newClient(), email, PASSWORD)
  expect(user.id).toBe(userId)
  expect(user.identities).toHaveLength(1)
})

test.each([
  ['an address without @', { email: 'alice' }, 'option "email": write an email address'],
  [
    'a short password',
    { email: 'a@b.de', password: 'short' },
    'option "password": write a password of 6 to 128',
  ],
  ['another user id', { email: 'a@b.de', userId: 'alice' }, 'option "userId": write the 24 hex digits'],
  ['an unknown option', { email: 'a@b.de', hash: 'x' }, 'there is no such option'],
])('%s is a mistake that does not show the value', async (_name, account, text) => {
  const service = await startEmailService(database)
  const added = service.appServices.addEmailAccount(account)
  await expect(added).rejects.toThrow(`addEmailAccount(): `)
  await expect(added).rejects.toThrow(text)
  await expect(added).rejects.not.toThrow(/short/)
})

test('without the provider no account can be added', async () => {
  const service = await startRealmService(database)
  await expect(service.appServices.addEmailAccount({ email: newEmail() })).rejects.toThrow(
    'addEmailAccount(): the provider is off. Give createAppServices() providers.emailPassword.',
  )
})
