import type { ObjectId } from 'mongodb'

/**
 * What is asked of the team's collection: the `Collection` of mongodb 5.9 to 7, or mongoose's.
 * Structural, because a mongoose app's driver may be another major than the one beside this package.
 */
export interface CollectionLike {
  readonly collectionName: string
  find(filter: never, options?: never): unknown
  aggregate(pipeline: never, options?: never): unknown
}

/** The class of the team's own driver: a value of another BSON major would be refused. */
export type ObjectIdClass = typeof ObjectId

/** Whether a collection is mongoose's own, which has the way to the mongoose that it belongs to. */
export function isMongoose(given: CollectionLike): boolean {
  return 'conn' in given
}

/** What leads from a collection of the driver or of mongoose to the name of its database. */
interface NamedOrigins {
  readonly db?: { readonly databaseName: string }
  readonly dbName?: string
  readonly conn?: { readonly db?: { readonly databaseName: string } }
}

/**
 * A collection as `database.collection`; `undefined` while a connection of mongoose has not been open. To be asked each time:
 * a connection may be opened again with another database.
 */
export function namespaceOf(given: CollectionLike): string | undefined {
  const { db, dbName, conn } = given as NamedOrigins
  const name = conn ? conn.db?.databaseName : (dbName ?? db?.databaseName)
  return name === undefined ? undefined : `${name}.${given.collectionName}`
}

/** Whether two collections are one, as far as their names tell. */
export function isSameCollection(one: CollectionLike, other: CollectionLike): boolean {
  return one === other || (namespaceOf(one) !== undefined && namespaceOf(one) === namespaceOf(other))
}
