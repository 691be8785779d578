import { expect, onTestFinished, test } from 'vitest'
import { OptionError } from 'express-custom-user-data'
import { createAppServices } from 'express-custom-user-data/app-services'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()

function create(options: object): unknown {
  const userData = createTestUserData(database, { userDataInToken: 'canonical' })
  onTestFinished(() => userData.close())
  const complete = {
    userData,
    database: database.db,
    appId: 'application-0-abcde',
    hostname: 'https://api.example.com/realm',
    providers: { anonymous: true },
  }
  return createAppServices({ ...complete, ...options })
}

test.each<[string, object, string]>([
  [
    'a misspelled option',
    { provider: {} },
    'option "provider": there is no such option; the options here are ',
  ],
  ['no user data', { userData: undefined }, 'option "userData": give what createCustomUserData() returned'],
  ['other user data', { userData: {} }, 'option "userData": give what createCustomUserData() returned'],
  ['null as user data', { userData: null }, 'option "userData": give what'],
  ['no database', { database: undefined }, 'option "database": give a database, e.g. client.db("app")'],
  ['a text as the database', { database: 'app' }, '(given: a value of type string)'],
  ['null as the database', { database: null }, '(given: null)'],
  ['no app id', { appId: undefined }, 'option "appId": '],
  ['an empty app id', { appId: '' }, 'option "appId": write a text that is not empty'],
  ['an app id with a space', { appId: 'my app' }, 'option "appId": write the app id of the clients'],
  ['a number as the app id', { appId: 5 }, 'option "appId": write a text (given: a value of type number)'],
  ['a host name without a protocol', { hostname: 'api.example.com' }, 'option "hostname": write the address'],
  ['a host name of another protocol', { hostname: 'ftp://example.com' }, 'option "hostname": '],
  ['a host name with a slash', { hostname: 'https://example.com/' }, 'without a slash at the end'],
  ['a host name with a query', { hostname: 'https://example.com/a?b' }, 'option "hostname": '],
  ['a host name with a fragment', { hostname: 'https://example.com/a#b' }, 'option "hostname": '],
  ['a host name with a user', { hostname: 'https://a:b@example.com' }, 'option "hostname": '],
  ['no providers', { providers: undefined }, 'option "providers": give an object of options'],
  [
    'a list of providers',
    { providers: ['anonymous'] },
    'there is no such option; the options here are anonymous',
  ],
  ['a provider as a text', { providers: { anonymous: 'yes' } }, 'write true or false'],
  ['a path as an origin', { allowedOrigins: ['https://a.example/'] }, 'option "allowedOrigins": '],
  ['a host as an origin', { allowedOrigins: ['a.example'] }, 'option "allowedOrigins": '],
  ['a number as an origin', { allowedOrigins: [1] }, '(given: a list)'],
  ['an origin that is no list', { allowedOrigins: 'https://a.example' }, 'option "allowedOrigins": '],
  ['too small a body', { maxBodyBytes: 10 }, 'write a whole number from 1024 to 16777216'],
  ['a fraction as a limit', { timeoutMs: 1_000.5 }, 'write a whole number from 100 to 60000'],
  ['a text as a function', { onUserCreation: 'f' }, 'option "onUserCreation": write a function'],
])('%s is a mistake that its message explains', (_what, options, text) => {
  expect(() => create(options)).toThrow(OptionError)
  expect(() => create(options)).toThrow(text)
})

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['null', null],
  ['a text', 'options'],
])('%s instead of options is a mistake that its message explains', (_what, options) => {
  expect(() => createAppServices(options as never)).toThrow(
    /^createAppServices\(\): .*give an object of options/,
  )
})

test('values are not shown, because they may be secrets', () => {
  expect(() => create({ appId: 'a secret', hostname: 'another secret' })).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('secret') as string }),
  )
})

test.each<[string, object]>([
  ['the origin of a packaged app', { allowedOrigins: ['capacitor://localhost'] }],
  ['all origins', { allowedOrigins: '*' }],
  ['a function that gives the database', { database: () => database.db }],
])('%s is accepted', (_what, options) => {
  expect(() => create(options)).not.toThrow()
})

test('an instance without custom data in its tokens is refused, because clients read it there', () => {
  const userData = createTestUserData(database)
  onTestFinished(() => userData.close())
  expect(() => create({ userData })).toThrow(/option "userData": .*Give it userDataInToken: "canonical"/)
})
