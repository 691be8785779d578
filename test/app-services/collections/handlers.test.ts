import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { AppServicesError, createAppServices } from 'express-custom-user-data/app-services'
import type { AppServicesOptions } from 'express-custom-user-data/app-services'
import { useDatabase } from '../../support/database.js'
import { createTestUserData } from '../../support/user-data.js'
import { collectionOf } from '../support/own-collection.js'
import { startRealmService } from '../support/realm-service.js'

const database = useDatabase()

async function startWith(collections: AppServicesOptions['collections']) {
  const service = await startRealmService(database, { service: { collections } })
  const user = await service.newClient().logIn(Credentials.anonymous())
  return { service, user, orders: collectionOf(user, { database: 'app', collection: 'orders' }) }
}

test('a handler gets the user and the arguments, and answers for its collection', async () => {
  const seen: unknown[] = []
  const { user, orders } = await startWith({
    'app.orders': {
      find: (context, args) => {
        seen.push(context.user.id, args)
        return Promise.resolve([{ n: 1, at: new Date(5), none: undefined, tags: new Set(['a']) }])
      },
    },
  })
  expect(await orders.find({ n: 1 }, { limit: 3 })).toEqual([
    { n: 1, at: new Date(5), none: null, tags: ['a'] },
  ])
  expect(seen).toMatchObject([user.id, { query: { n: expect.anything() }, limit: 3 }])
})

test('operations and collections without a handler are refused', async () => {
  const { user, orders } = await startWith({ 'app.orders': { find: () => [] } })
  await expect(orders.deleteMany({})).rejects.toThrow(/deleteMany is not offered/)
  const others = collectionOf(user, { database: 'app', collection: 'users' })
  await expect(others.find()).rejects.toThrow(/no rule exists for namespace 'app.users'/)
  const odd = collectionOf(user, { database: 'constructor', collection: 'name' })
  await expect(odd.find()).rejects.toThrow(/no rule exists for namespace/)
})

test('the client gets the texts of the errors that a handler throws for it, and no others', async () => {
  const { service, orders } = await startWith({
    'app.orders': {
      insertOne: () => {
        throw new AppServicesError('NoMatchingRuleFound', 'orders are closed')
      },
      find: () => {
        throw new TypeError('secret of the server')
      },
    },
  })
  await expect(orders.insertOne({})).rejects.toThrow(/orders are closed/)
  await expect(orders.find()).rejects.toThrow(/failed/)
  await expect(orders.find()).rejects.not.toThrow(/secret/)
  expect(service.reports.join()).toContain('secret of the server')
})

test('a handler for watch returns the events of a stream', async () => {
  const { orders } = await startWith({
    'app.orders': {
      watch: async function* (context) {
        yield await Promise.resolve({ operationType: 'insert', fullDocument: { owner: context.user.id } })
      },
    },
  })
  const events: unknown[] = []
  for await (const event of orders.watch()) events.push(event)
  expect(events).toEqual([{ operationType: 'insert', fullDocument: { owner: expect.any(String) } }])
})

test.each<[string, unknown, RegExp]>([
  ['an unknown operation', { 'app.orders': { fnd: () => [] } }, /name of an operation/],
  ['a name without a database', { orders: { find: () => [] } }, /database\.collection/],
  ['a handler that is no function', { 'app.orders': { find: [] } }, /write a function/],
])('handlers with %s are refused at creation', (_what, collections, message) => {
  const create = () =>
    createAppServices({
      userData: createTestUserData(database, { userDataInToken: 'canonical' }),
      database: database.db,
      appId: 'application-0-abcde',
      hostname: 'https://api.example.com/realm',
      providers: { anonymous: true },
      collections: collections as NonNullable<AppServicesOptions['collections']>,
    })
  expect(create).toThrow(message)
})
