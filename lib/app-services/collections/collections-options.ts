import type { FunctionContext } from '../functions/functions-options.js'
import type { CollectionRules } from '../rules/rules-options.js'
import type { OperationName } from './operation-arguments.js'

/**
 * Which collection of the clients is the collection of custom data. `user.mongoClient(service).db(database).collection(collection)`
 * then reaches the user's own document, and no other.
 *
 * @example { database: 'app', collection: 'custom_user_data', rules: 'read-write' }
 */
export interface CustomDataOptions {
  /**
   * The name of the data source that clients use. Clients that name none use the same.
   * @default 'mongodb-atlas'
   */
  readonly service?: string | undefined
  /** The name of the database that clients use. */
  readonly database: string
  /** The name of the collection that clients use. */
  readonly collection: string
  /**
   * What users may do with their own document: read it, read and write it, or what the rules of an exported app say. A user can
   * never write `_id`, the user id, or a field that the option `projection` of the instance hides.
   * @default 'read'
   */
  readonly rules?: CollectionRules | 'read' | 'read-write' | undefined
}

/**
 * Answers one operation of clients on a collection. It alone decides what the user may see and do.
 *
 * @param args the arguments of the operation, such as `query`, `project` and `limit` of `find`. Values of documents have the classes of
 * BSON, so that no type is lost. They come from the client: never give them to MongoDB without checks of your own
 * @returns the result, which the client gets as Extended JSON. `watch` returns an async iterable of change events
 * @throws AppServicesError to tell the client why an operation is refused
 * @example find: async ({ user }) => orders.find({ owner: user.id }).limit(100).toArray()
 */
export type CollectionHandler = (context: FunctionContext, args: Readonly<Record<string, unknown>>) => unknown

/**
 * Your handlers of other collections, by `database.collection`, and then by the name of the operation. Operations without a handler are
 * refused.
 *
 * @example { 'app.orders': { find: async ({ user }) => orders.find({ owner: user.id }).limit(100).toArray() } }
 */
export type CollectionHandlers = Readonly<
  Record<string, Readonly<Partial<Record<OperationName, CollectionHandler>>>>
>

/** Options of the collections that clients reach. */
export interface CollectionsOptions {
  /**
   * Lets clients reach their own document by operations on a collection. A user has one document at most. So a filter only
   * decides whether the document matches, and an upsert never creates a second one.
   * @default no operations
   * @example customData: { database: 'app', collection: 'custom_user_data', rules: 'read-write' }
   */
  readonly customData?: CustomDataOptions | undefined
  /**
   * Your handlers of other collections.
   * @default none
   * @example collections: { 'app.orders': { find: ({ user }) => orders.find({ owner: user.id }).limit(100).toArray() } }
   */
  readonly collections?: CollectionHandlers | undefined
}
