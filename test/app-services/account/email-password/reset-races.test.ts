import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { openProxiedDatabase, useDatabase } from '../../../support/database.js'
import { toTeamCollection } from '../../../support/team-collection.js'
import { askForMail, logIn, NEW, OLD, startWithAccount } from '../../support/email-service.js'

const database = useDatabase()

test('a first login with the old password, during which the password is reset, lets nobody in', async () => {
  let duringLogin = () => Promise.resolve()
  const { service, email } = await startWithAccount(database, 'by mail', {
    service: {
      providers: {
        emailPassword: { autoConfirm: true, sendPasswordReset: mail => void service.mails.push(mail) },
      },
      onUserCreation: () => duringLogin(),
    },
  })
  const reset = await askForMail(service, email)
  duringLogin = async () => {
    duringLogin = () => Promise.resolve()
    expect(await service.post('reset', reset)).toMatchObject({ status: 200 })
  }
  await expect(logIn(service.newClient(), email, OLD)).rejects.toThrow(
    'unauthorized: invalid username/password',
  )
  await logIn(service.newClient(), email, NEW)
})

test('a login of a known user with the old password, during which the password is reset, lets nobody in', async () => {
  let duringLogin = () => Promise.resolve()
  const { service, email } = await startWithAccount(database, 'by mail', {
    instance: {
      hooks: {
        beforeLogin: async () => {
          await duringLogin()
          return true
        },
      },
    },
  })
  await logIn(service.newClient(), email, OLD)
  const reset = await askForMail(service, email)
  duringLogin = async () => {
    duringLogin = () => Promise.resolve()
    expect(await service.post('reset', reset)).toMatchObject({ status: 200 })
  }
  await expect(logIn(service.newClient(), email, OLD)).rejects.toThrow('unauthorized')
  await logIn(service.newClient(), email, NEW)
})

test('a link with the old password, during which the password is reset, adds no identity', async () => {
  let beforeLink: () => Promise<unknown> = () => Promise.resolve()
  const { service, email } = await startWithAccount(database, 'by mail', {
    service: {
      database: {
        collection(name: string) {
          const collection = database.db.collection(name)
          const isUsers = name === 'custom_user_data_app_services_users'
          const updateOne = async (...args: Parameters<typeof collection.updateOne>) => {
            const isLink = JSON.stringify(args[1]).includes('$push')
            if (isLink) await beforeLink()
            return collection.updateOne(...args)
          }
          return isUsers ? withMember(collection, { updateOne }) : collection
        },
      },
    },
  })
  const reset = await askForMail(service, email)
  const user = await service.newClient().logIn(Credentials.anonymous())
  beforeLink = () => service.post('reset', reset)
  service.requests.length = 0
  await expect(user.linkCredentials(Credentials.emailPassword(email, OLD))).rejects.toMatchObject({
    error: 'invalid username/password',
  })
  expect(service.requests.map(({ name }) => name)).toEqual([
    'POST /auth/providers/local-userpass/login',
    'POST /auth/providers/local-userpass/reset',
  ])
  await user.refreshCustomData()
  expect((await logIn(service.newClient(), email, NEW)).id).not.toBe(user.id)
})

test('a repeated link with the old password, during which the password is reset, keeps the identity', async () => {
  let beforeLookUp: (() => Promise<unknown>) | undefined
  const { service, email } = await startWithAccount(database, 'by mail', {
    service: {
      database: {
        collection(name: string) {
          const collection = database.db.collection(name)
          const findOne = (async (...args: [object]) => {
            const reset = JSON.stringify(args).includes('local-userpass') ? beforeLookUp : undefined
            // The reset looks the user up too.
            if (reset) beforeLookUp = undefined
            await reset?.()
            return collection.findOne(...args)
          }) as typeof collection.findOne
          const isUsers = name === 'custom_user_data_app_services_users'
          return isUsers ? withMember(collection, { findOne }) : collection
        },
      },
    },
  })
  const user = await logIn(service.newClient(), email, OLD)
  const reset = await askForMail(service, email)
  beforeLookUp = () => service.post('reset', reset)
  await expect(user.linkCredentials(Credentials.emailPassword(email, OLD))).rejects.toMatchObject({
    error: 'invalid username/password',
  })
  expect((await logIn(service.newClient(), email, NEW)).id).toBe(user.id)
})

test('a reset that cannot end the sessions is a 503, and its token works again', async () => {
  const proxied = await openProxiedDatabase(database, { serverSelectionTimeoutMS: 500 })
  const { service, email } = await startWithAccount(database, 'by mail', {
    instance: { collection: toTeamCollection(proxied.db, 'custom_user_data'), sessionTimeoutMs: 500 },
  })
  const user = await logIn(service.newClient(), email, OLD)
  const reset = await askForMail(service, email)
  proxied.proxy.cut()
  expect(await service.post('reset', reset)).toMatchObject({
    status: 503,
    body: { error_code: 'MaintenanceInProgress' },
  })
  await proxied.proxy.restore()
  await expect.poll(async () => (await service.post('reset', reset)).status, { timeout: 10_000 }).toBe(200)
  expect(await service.userData.sessionOf(user.refreshToken ?? '')).toBeUndefined()
})

/** A collection with another function in place of its own. The driver's other functions need its own object as `this`. */
function withMember<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get(_target, name) {
      if (name in replaced) return Reflect.get(replaced, name) as unknown
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
