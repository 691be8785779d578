/** Runs what the guides for teams from App Services say about functions, rules and errors, with the unmodified client. */
import * as Realm from 'realm-web'
import { AppServicesError } from 'express-custom-user-data/app-services'
import type { AppServicesOptions } from 'express-custom-user-data/app-services'
import { describe, expect, it } from 'vitest'
import { newEmail } from '../app-services/support/email-service.js'
import { startRealmService } from '../app-services/support/realm-service.js'
import type { RealmService } from '../app-services/support/realm-service.js'
import { useDatabase } from '../support/database.js'
import { blockOf, run } from './guide-code.js'

const database = useDatabase()
const ADDRESS = 'https://api.example.com/realm'
const PASSWORD = 'a long password'
const { Credentials } = Realm

/** The options that a block gives to `createAppServices()`. */
async function optionsOf(block: string, names: Readonly<Record<string, unknown>>) {
  let given: unknown
  const createAppServices = (options: unknown) => (given = options)
  await run(block, { ...names, others: {}, createAppServices })
  return given as Partial<AppServicesOptions>
}

/** The `userData` of a service that starts after the block has run. */
function userDataOf(service: () => RealmService) {
  return { forUser: (userId: string) => service().userData.forUser(userId) }
}

describe('the guide to functions, rules and triggers', () => {
  const page = 'docs/app-services-functions.md'
  const instance = { userIdField: 'owner_id' }

  it('has functions with a rule, a creation function and a trigger', async () => {
    const [banned, welcomed]: [string[], unknown[]] = [[], []]
    const options = await optionsOf(blockOf(page, 'addPoints({ user }'), {
      userData: userDataOf(() => service),
      banUser: (userId: string) => void banned.push(userId),
      sendWelcome: (address: unknown) => welcomed.push(address),
    })
    const providers = { anonymous: true, emailPassword: { autoConfirm: true } }
    const service = await startRealmService(database, { service: { ...options, providers }, instance })
    const client = service.newClient()
    const email = newEmail()
    await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
    const user = await client.logIn(Credentials.emailPassword(email, PASSWORD))
    expect(user.customData).toMatchObject({ theme: 'light', points: { $numberInt: '0' } })
    await expect.poll(() => welcomed).toEqual([email])

    expect(await user.callFunction('addPoints', 5)).toMatchObject({ points: 5 })
    await expect(user.callFunction('addPoints', 'many')).rejects.toMatchObject({
      error: 'Write a whole number.',
    })
    await expect(user.callFunction('banUser', user.id)).rejects.toMatchObject({ statusCode: 403 })
    await service.userData.forUser(user.id).update({ $set: { role: 'admin' } })
    await user.refreshCustomData()
    await user.callFunction('banUser', user.id)
    expect(banned).toEqual([user.id])
    await service.newClient().logIn(Credentials.anonymous())
    expect(welcomed).toEqual([email])
  })

  it('has rules by which a user writes one field, and reads the others', async () => {
    const options = await optionsOf(blockOf(page, 'additional_fields'), {})
    const service = await startRealmService(database, { service: options, instance })
    const user = await service.newClient().logIn(Credentials.anonymous())
    const set = { theme: 'light', points: 7 }
    await service.userData.forUser(user.id).update({ $set: set }, { upsert: true })
    const documents = user.mongoClient('mongodb-atlas').db('app').collection('custom_user_data')
    await documents.updateOne({}, { $set: { theme: 'dark' } })
    expect(await documents.findOne()).toMatchObject({ theme: 'dark', points: 7 })
    await expect(documents.updateOne({}, { $set: { points: 8 } })).rejects.toMatchObject({
      errorCode: 'NoMatchingRuleFound',
    })
  })

  it('has a handler that shows each user the own orders', async () => {
    const orders = database.db.collection('orders')
    const options = await optionsOf(blockOf(page, 'app.orders'), { orders })
    const service = await startRealmService(database, { service: options })
    const user = await service.newClient().logIn(Credentials.anonymous())
    await orders.insertMany([{ owner: user.id }, { owner: 'somebody else' }])
    const found = await user.mongoClient('mongodb-atlas').db('app').collection('orders').find({})
    expect(found).toEqual([expect.objectContaining({ owner: user.id })])
  })
})

describe('the guide to errors', () => {
  const page = 'docs/app-services-errors.md'

  it('has a function whose text reaches the client', async () => {
    const options = await optionsOf(blockOf(page, 'pay({ user }'), {
      AppServicesError,
      userData: userDataOf(() => service),
    })
    const service = await startRealmService(database, { service: options })
    const user = await service.newClient().logIn(Credentials.anonymous())
    await service.userData.forUser(user.id).update({ $set: { credits: 5 } }, { upsert: true })
    const shown: string[] = []
    const pay = (await run(
      blockOf(page, 'alert(').replaceAll(ADDRESS, service.baseUrl),
      { Realm, alert: (text: string) => shown.push(text) },
      'pay',
    )) as (user: Realm.User, amount: number) => Promise<void>
    await pay(user, 3)
    await pay(user, 3)
    expect(shown).toEqual(['There are too few credits.'])
    await expect(pay(user, -1)).rejects.toMatchObject({ errorCode: 'InvalidParameter', statusCode: 400 })
    expect(await service.userData.forUser(user.id).read()).toMatchObject({ credits: 2 })
  })
})

it('the page of names has a creation function that writes what the identity tells', async () => {
  const options = await optionsOf(blockOf('docs/app-services-names.md', 'onUserCreation:'), {
    userData: userDataOf(() => service),
  })
  const providers = { emailPassword: { autoConfirm: true } }
  const service = await startRealmService(database, { service: { ...options, providers } })
  const client = service.newClient()
  const email = newEmail()
  await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
  const user = await client.logIn(Credentials.emailPassword(email, PASSWORD))
  expect(user.customData).toMatchObject({ mail: email })
})
