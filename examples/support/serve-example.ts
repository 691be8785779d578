import type { RequestListener } from 'node:http'
import { MongoClient } from 'mongodb'
import type { Db } from 'mongodb'
import { seed } from '../server/seed.js'
import { databaseNameIn } from './database-name.js'
import { closeServer, listen, urlOf } from './http-server.js'
import { runUntilSignal } from './run-until-signal.js'
import { resolveMongoUri } from './start-mongod.js'

/**
 * Runs a small example: with a MongoDB (`MONGODB_URI`, or one started here) that has the users of the server example, on a
 * port (`PORT`, 3000 by default), until Ctrl-C.
 */
export function serveExample(databaseName: string, createApp: (db: Db) => Promise<RequestListener>): void {
  runUntilSignal(async ({ onStop }) => {
    const mongo = await resolveMongoUri()
    onStop(mongo.stop)
    const client = new MongoClient(mongo.uri, { serverSelectionTimeoutMS: 5_000 })
    onStop(() => client.close())
    const db = client.db(databaseNameIn(mongo.uri) ?? databaseName)
    await seed(db)
    const server = await listen(await createApp(db), Number(process.env['PORT'] ?? 3000))
    onStop(() => closeServer(server))
    console.log(`Listening on ${urlOf(server)}`)
  })
}
