import { App, Credentials, User } from 'realm-web'
import { expect, test, vi } from 'vitest'
import type { MockInstance } from 'vitest'
import { useDatabase } from '../support/database.js'
import { apiKeyRows, emailPasswordRows } from './every-method/account-rows.js'
import { appRows, staticAppRows } from './every-method/app-rows.js'
import { collectionRows } from './every-method/collection-rows.js'
import { credentialRows } from './every-method/credential-rows.js'
import { functionRows } from './every-method/function-rows.js'
import type { Rows } from './every-method/rows.js'
import { userRows } from './every-method/user-rows.js'
import { startRealmService } from './support/realm-service.js'

const database = useDatabase()

/** For the classes of the client that it does not export. This user sends no request. */
const client = new App('an-app')
const user = new User({
  app: client,
  id: 'a',
  accessToken: 'b',
  refreshToken: 'c',
  providerType: 'anon-user',
})
const collection = user.mongoClient('mongodb-atlas').db('app').collection('any')

/** Members that the public ones call. The types of the client call them private. */
const INTERNAL = ['createOrUpdateUser', 'hydrate', 'decodeAccessToken', 'watchImpl', 'derivePayload']

const CLASSES: readonly (readonly [name: string, members: object, rows: Rows])[] = [
  ['App', App.prototype, appRows],
  ['App (static)', App, staticAppRows],
  ['User', User.prototype, userRows],
  ['EmailPasswordAuth', prototypeOf(client.emailPasswordAuth), emailPasswordRows],
  ['ApiKeyAuth', prototypeOf(user.apiKeys), apiKeyRows],
  ['Functions', prototypeOf(user.functions), functionRows],
  ['Collection', prototypeOf(collection), collectionRows],
  ['Credentials (static)', Credentials, credentialRows],
]

test.for(CLASSES)('every method of %s has a row here', ([, members, rows]) => {
  expect(Object.keys(rows).sort()).toEqual(namesOf(members))
})

const ROWS = CLASSES.flatMap(([className, members, rows]) =>
  Object.entries(rows).map(([name, row]) => [`${className}.${name}`, { members, name, row }] as const),
)

test.for(ROWS)('%s is served as its row says', async ([, { members, name, row }]) => {
  const spy = spyOn(members, name)
  await row((service = {}, instance = {}) => startRealmService(database, { service, instance }))
  expect(spy).toHaveBeenCalled()
  spy.mockRestore()
})

function prototypeOf(object: object): object {
  return Object.getPrototypeOf(object) as object
}

/** The methods and accessors of a prototype, or the static methods of a class. */
function namesOf(members: object): string[] {
  const all = Object.entries(Object.getOwnPropertyDescriptors(members))
  const callable = all.filter(([, found]) => Object.hasOwn(found, 'get') || isMethod(found.value))
  return callable
    .map(([name]) => name)
    .filter(name => name !== 'constructor' && !INTERNAL.includes(name))
    .sort()
}

/** A static member may be a class. */
function isMethod(value: unknown): boolean {
  return typeof value === 'function' && !String(value).startsWith('class')
}

/** Watches whether a member is called. It still does its work. */
function spyOn(members: object, name: string): MockInstance {
  const key = name as never
  const isAccessor = Object.hasOwn(Object.getOwnPropertyDescriptor(members, name) ?? {}, 'get')
  return isAccessor ? vi.spyOn(members, key, 'get') : vi.spyOn(members, key)
}
