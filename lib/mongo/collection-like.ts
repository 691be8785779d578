import type { ObjectId } from 'mongodb'

/**
 * A collection that the team gives: the `Collection` of mongodb 5.9 to 7, or of mongoose. The type is structural, because the
 * driver of a mongoose app may be another major than the driver that this package was compiled with.
 */
export interface CollectionLike {
  /** The name of the collection, without its database. */
  readonly collectionName: string
  /** Every driver has this method. It tells a collection from other values. */
  find(filter: never, options?: never): unknown
  /** Every driver has this method. It tells a collection from other values. */
  aggregate(pipeline: never, options?: never): unknown
}

/**
 * A collection that tells the compiler the type of its documents, as `db.collection<Profile>('…')` does. `insertOne` is the only
 * method that names it plainly.
 */
export interface TypedCollection<Document> extends CollectionLike {
  insertOne(document: Document & LowPriority, options?: never): unknown
}

/** Makes the compiler take the type from here only if no other option, such as a schema, says it. */
interface LowPriority {
  readonly [LOW_PRIORITY]?: never
}
declare const LOW_PRIORITY: unique symbol

/** The ObjectId class of the team's own driver, which refuses values of another BSON major. */
export type ObjectIdClass = typeof ObjectId

/** Whether a collection is one of mongoose. It leads to the mongoose that it belongs to. */
export function isMongoose(given: CollectionLike): boolean {
  return 'conn' in given
}

/** The members that lead from a collection to the name of its database. */
interface NamedOrigins {
  readonly db?: { readonly databaseName: string }
  readonly dbName?: string
  readonly conn?: { readonly db?: { readonly databaseName: string } }
}

/**
 * The name `database.collection`; `undefined` until a connection of mongoose has been open. Call it each time, because a
 * connection may be opened again with another database.
 */
export function namespaceOf(given: CollectionLike): string | undefined {
  const { db, dbName, conn } = given as NamedOrigins
  const name = conn ? conn.db?.databaseName : (dbName ?? db?.databaseName)
  return name === undefined ? undefined : `${name}.${given.collectionName}`
}

/** Whether two collections have the same name and database. The server is not compared. */
export function isSameCollection(one: CollectionLike, other: CollectionLike): boolean {
  return one === other || (namespaceOf(one) !== undefined && namespaceOf(one) === namespaceOf(other))
}
