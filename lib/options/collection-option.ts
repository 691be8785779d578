import * as v from 'valibot'
import type { CollectionLike } from '../mongo/collection-like.js'
import { isObject } from '../util/plain-object.js'

/** Members by which other objects of a driver or of mongoose are recognised. They may be of another copy. */
interface Lookalike {
  readonly aggregate?: unknown
  readonly collection?: unknown
  readonly collectionName?: unknown
  readonly databaseName?: unknown
  readonly modelName?: unknown
  readonly models?: unknown
  readonly db?: unknown
  readonly client?: unknown
  readonly conn?: unknown
  readonly connect?: unknown
  readonly s?: { readonly db?: unknown }
}

/** The option of a collection of any driver, or of mongoose. It is recognised by its members. */
export function collectionNamed(example: string): v.GenericSchema<CollectionLike> {
  return v.custom<CollectionLike>(
    value => isCollection(value) && leadsToDatabase(value),
    issue => adviceFor(issue.input, example),
  )
}

function isCollection(value: unknown): value is CollectionLike {
  return isObject(value) && 'collectionName' in value && 'aggregate' in value
}

/** Without its database every load would fail, as if MongoDB were away. Old drivers keep the database in `s`. */
function leadsToDatabase(collection: Lookalike): boolean {
  const { db, client, conn, s } = collection
  return [db, client, conn, s?.db].some(isObject)
}

/** The advice for the things that people give most often in place of a collection. */
function adviceFor(value: unknown, example: string): string {
  const collection = `collection("${example}")`
  if (isCollection(value)) {
    return `this collection does not lead to its database, so nothing could be read: give the Collection itself, e.g. client.db().${collection}`
  }
  const { modelName, databaseName, models, connect, db }: Lookalike = Object(value) as object
  if (typeof modelName === 'string')
    return `this is a mongoose model: give its collection, ${nameOf(modelName)}.collection`
  if (typeof databaseName === 'string')
    return `this is a database: give one of its collections, e.g. db.${collection}`
  if (isObject(models))
    return `this is mongoose or its connection: give a collection, e.g. mongoose.connection.${collection}`
  if (typeof connect === 'function' && typeof db === 'function')
    return `this is a client: give a collection, e.g. client.db().${collection}`
  return `give a Collection, e.g. client.db().${collection}`
}

/** The name of a model can be any text. */
function nameOf(modelName: string): string {
  return /^[A-Za-z_$][\w$]{0,40}$/.test(modelName) ? modelName : 'Model'
}
