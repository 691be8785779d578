import { createRequire } from 'node:module'
import { Credentials } from 'realm-web'
import { expect, onTestFinished, test } from 'vitest'
import type { BSON } from 'mongodb'
import type { CollectionLike } from 'express-custom-user-data'
import type { DatabaseLike } from 'express-custom-user-data/app-services'
import { useDatabase } from '../support/database.js'
import { logIn, newEmail, startEmailService } from './support/email-service.js'
import { collectionOf, NAMES } from './support/own-collection.js'

interface Mongoose {
  readonly mongo: { readonly BSON: typeof BSON }
  createConnection(): Connection
}

interface Connection {
  readonly db: DatabaseLike | undefined
  openUri(uri: string, options: { readonly dbName: string }): Promise<Connection>
  collection(name: string): CollectionLike
  close(): Promise<void>
}

const database = useDatabase()
const PASSWORD = 'a long password'

test.each(['mongoose7', 'mongoose9'])('the main calls work with the connection of %s', async name => {
  const mongoose = createRequire(import.meta.url)(name) as Mongoose
  const connection = mongoose.createConnection()
  onTestFinished(() => connection.close())
  await connection.openUri(database.uri, { dbName: database.db.databaseName })
  const { newClient, reports, post } = await startEmailService(database, 'by mail', {
    instance: { collection: connection.collection('custom_user_data'), bson: mongoose.mongo.BSON },
    service: {
      database: () => connection.db!,
      customData: { ...NAMES, rules: 'read-write' },
      functions: { add: (_context, one, other) => Number(one) + Number(other) },
      providers: { anonymous: true, apiKey: true, emailPassword: { autoConfirm: true } },
    },
  })
  const client = newClient()
  const email = newEmail()
  await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
  expect((await post('login', { username: email, password: 'wrong password' })).status).toBe(401)
  const user = await logIn(client, email, PASSWORD)
  const own = collectionOf(user)
  await own.insertOne({ theme: 'dark', count: 1 })
  expect(await own.findOneAndUpdate({}, { $inc: { count: 1 } }, { returnNewDocument: true })).toMatchObject({
    theme: 'dark',
    count: 2,
  })
  await user.refreshCustomData()
  expect(user.customData).toMatchObject({ theme: 'dark', count: { $numberInt: '2' } })
  expect(await user.callFunction('add', 1, 2)).toBe(3)
  const { key } = await user.apiKeys.create('laptop')
  expect((await newClient().logIn(Credentials.apiKey(key))).id).toBe(user.id)
  const guest = await newClient().logIn(Credentials.anonymous())
  await expect(guest.linkCredentials(Credentials.emailPassword(email, PASSWORD))).rejects.toThrow('409')
  await client.deleteUser(user)
  await expect(logIn(newClient(), email, PASSWORD)).rejects.toMatchObject({ statusCode: 401 })
  expect(reports).toEqual([])
})
