/**
 * Loads and writes one document while a global is another than Node's, as in a process of a team's: `load.ts <replacement> <uri>
 * <database>`. Prints what came of it.
 */
import { createRequire } from 'node:module'
import { runInNewContext } from 'node:vm'

const [replacement = '', uri = '', databaseName = ''] = process.argv.slice(2)
const require = createRequire(import.meta.url)

function replaceGlobals(): void {
  if (replacement === 'zone') require('zone.js/node')
  if (replacement === 'bluebird') globalThis.Promise = require('bluebird') as PromiseConstructor
  if (replacement === 'subclass') globalThis.Promise = class extends Promise<never> {} as PromiseConstructor
  if (replacement === 'uint8array') replaceByOtherRealm('Uint8Array')
  if (replacement === 'realm')
    for (const name of ['Date', 'RegExp', 'Error', 'Object']) replaceByOtherRealm(name)
}

function replaceByOtherRealm(name: string): void {
  Object.defineProperty(globalThis, name, {
    value: runInNewContext(name),
    configurable: true,
    writable: true,
  })
}

async function run(): Promise<void> {
  // The driver is there before: a test environment replaces the globals of what it runs, and not of Node's own modules.
  const { MongoClient, Binary } = await import('mongodb')
  replaceGlobals()
  const { createCustomUserData } = await import('../../../lib/index.js')
  const client = new MongoClient(uri)
  const db = client.db(databaseName)
  const document = { userId: 'bob', language: 'en', at: new Date(0), bytes: new Binary(Buffer.from('abc')) }
  await db.collection('custom_user_data').insertOne(document)
  const userData = createCustomUserData({
    collection: db.collection('custom_user_data'),
    secret: 'a secret of the tests, 32 bytes or more',
    issuer: 'https://issuer.example.com',
    audience: 'https://api.example.com',
    loadTimeoutMs: 10_000,
  })
  await userData.ready()
  const { customData } = (await userData.issueTokens('bob')).user
  const updated = await userData.forUser('bob').update({ logins: 1 })
  const result = {
    language: customData['language'],
    date: (customData['at'] as Date).toISOString(),
    bytes: (customData['bytes'] as InstanceType<typeof Binary>).toString('base64'),
    isFrozen: Object.isFrozen(customData),
    logins: updated?.['logins'],
  }
  await db.dropDatabase()
  await client.close()
  console.log(JSON.stringify(result))
}

void run()
