import { createRequire } from 'node:module'
import type { Db, MongoClient } from 'mongodb'
import type { CollectionLike } from 'express-custom-user-data'
import { chosenDriver } from '../drivers/drivers.js'

interface Mongoose {
  createConnection(): MongooseConnection
}

interface MongooseConnection {
  setClient(client: MongoClient): MongooseConnection
  useDb(name: string, options: { useCache: boolean }): { collection(name: string): CollectionLike }
}

const connections = new WeakMap<MongoClient, MongooseConnection>()

/**
 * Makes a collection like a team's. In a run for mongoose it is a collection of mongoose. Because mongoose accepts
 * only a
 * connected client, before that the collection comes from the driver inside mongoose.
 */
export function toTeamCollection(db: Db, name: string): CollectionLike {
  const driver = chosenDriver()
  const { client } = db
  if (driver?.startsWith('mongoose') !== true || !isConnected(client)) return db.collection(name)
  const connection = connections.get(client) ?? connect(driver, client)
  connections.set(client, connection)
  // Without the cache each call makes a connection object, which the connection keeps for ever.
  return connection.useDb(db.databaseName, { useCache: true }).collection(name)
}

function connect(driver: string, client: MongoClient): MongooseConnection {
  const mongoose = createRequire(import.meta.url)(driver) as Mongoose
  return mongoose.createConnection().setClient(client)
}

function isConnected(client: MongoClient): boolean {
  const { topology } = client as { readonly topology?: { isConnected(): boolean } }
  return topology?.isConnected() === true
}
