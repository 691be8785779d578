import * as v from 'valibot'
import { aFunction, aText, membersOf } from '../check-options.js'
import { collectionRules } from '../rules/rules-schema.js'
import { isOperation, OPERATION_NAMES } from './operation-arguments.js'
import type { OperationName } from './operation-arguments.js'
import type { CollectionHandler } from './collections-options.js'

const RULES =
  'write "read", "read-write", or an object of rules, such as { database, collection, roles: [ … ] }'

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
