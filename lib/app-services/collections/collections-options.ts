import * as v from 'valibot'
import { aFunction, aText, membersOf } from '../check-options.js'
import type { FunctionContext } from '../functions/functions-options.js'
import { collectionRules } from '../rules/rules-options.js'
import type { CollectionRules } from '../rules/rules-options.js'
import { isOperation, OPERATION_NAMES } from './operation-arguments.js'
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

const RULES =
  'write "read", "read-write", or an object of rules, such as { database, collection, roles: [ … ] }'

/** Options of the collections that clients reach. */
export interface CollectionsOptions {
  /**
   * Lets clients reach their own document by operations on a collection. It is one document at most: filters can only
   * tell whether it matches, and an upsert cannot create a second one.
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

const customDataOptions = membersOf({
  service: v.optional(aText, 'mongodb-atlas'),
  database: aText,
  collection: aText,
  rules: v.optional(
    v.lazy(given =>
      typeof given === 'object' ? collectionRules : v.picklist(['read', 'read-write'] as const, RULES),
    ),
    'read',
  ),
})

const handlers = v.record(
  v.custom<OperationName>(
    name => typeof name === 'string' && isOperation(name),
    `write the name of an operation: ${OPERATION_NAMES.join(', ')}`,
  ),
  aFunction<CollectionHandler>(),
  'write an object of functions, such as { find: async (context, args) => [ … ] }',
)

const collectionHandlers = v.record(
  v.pipe(v.string(), v.regex(/^[^.]+\..+$/, 'write "database.collection"')),
  handlers,
  'write an object of collections, such as { "app.orders": { find } }',
)

/** The schema of {@link CollectionsOptions}, as members of the options of the service. */
export const collectionsEntries = {
  customData: v.optional(customDataOptions),
  collections: v.optional(collectionHandlers, {}),
}

/** Parsed options of custom data. */
export type ParsedCustomData = v.InferOutput<typeof customDataOptions>
