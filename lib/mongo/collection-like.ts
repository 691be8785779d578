import type { ObjectId } from 'mongodb'

/**
 * A collection that the team gives: the `Collection` of mongodb 5.9 to 7, or of mongoose. The type is structural, because the
 * driver of a mongoose app may be another major than the driver that this package was compiled with.
 *
 * @typeParam Document the documents, as `db.collection<Profile>('…')` says
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the documents of any collection
export interface CollectionLike<Document = any> {
  /** The name of the collection, without its database. */
  readonly collectionName: string
  /** Every driver has this method. It tells a collection from other values. */
  find(filter: never, options?: never): unknown
  /** Every driver has this method. It tells a collection from other values. */
  aggregate(pipeline: never, options?: never): unknown
  /** Its parameter tells the compiler the type of the documents. It is the only method of a collection that names it plainly. */
  insertOne(document: Document, options?: never): unknown
}

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
