// Replaces a global, then serves the guarded app: every module below is loaded after the replacement, as in an app whose
// first import replaces it.
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'

const require = createRequire(import.meta.url)
const replacements: Readonly<Record<string, () => unknown>> = {
  'zone.js': () => void require('zone.js/node'),
  // The driver extends Promise, which bluebird's cannot be: the app has loaded the driver before.
  bluebird: async () => {
    await import('mongodb')
    globalThis.Promise = require('bluebird') as PromiseConstructor
  },
  'a subclass': () => (globalThis.Promise = class Subclass<T> extends Promise<T> {}),
}

const [, , name = ''] = process.argv
await replacements[name]!()
console.log(`Promise is ${name}`)

const { default: express } = await import('express')
const { MongoClient } = await import('mongodb')
const { default: passport } = await import('passport')
const { default: passportJwt } = await import('passport-jwt')
const { createCustomUserData } = await import('../../lib/index.js')
const { createApp } = await import('./guarded-app.js')

const { MONGODB_URI = '', SECRET = '', ISSUER = '', AUDIENCE = '' } = process.env
const client = await MongoClient.connect(MONGODB_URI)
const app = createApp(
  { express, Passport: passport.Passport, passportJwt, createCustomUserData: createCustomUserData },
  {
    collection: client.db().collection('custom_user_data'),
    secret: SECRET,
    issuer: ISSUER,
    audience: AUDIENCE,
  },
)
const server = app.listen(0, '127.0.0.1', () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
