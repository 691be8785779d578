import type { Collection, CreateIndexesOptions, Document } from 'mongodb'
import { hasCode, SERVER_ERRORS } from './server-errors.js'
import { PLAIN_BSON } from './team-database.js'

const {
  commandNotSupportedOnView,
  duplicateKey,
  keySpecsConflict,
  namespaceNotFound,
  optionsConflict,
  unauthorized,
} = SERVER_ERRORS

/** The result of an attempt to make an index. */
export type IndexOutcome = 'there' | 'unauthorized' | 'duplicates' | 'conflict' | 'view'

/**
 * Whether a collection has its indexes. `unknown`: the database user may not look, or nothing was looked at yet. An index
 * that is hidden counts as missing, because MongoDB does not use it.
 */
export type IndexState = 'there' | 'missing' | 'unknown'

/** An index as MongoDB lists it. The driver before 6.13 has no type for it, and our declarations must compile beside it. */
export interface ListedIndex extends Pick<
  CreateIndexesOptions,
  'unique' | 'sparse' | 'hidden' | 'expireAfterSeconds' | 'partialFilterExpression' | 'collation'
> {
  readonly name?: string
  readonly key: Document
}

/** How indexes that are missing are made. */
export interface EnsureLimits {
  /** Milliseconds that the list of the indexes may take. Building an index has no limit. */
  readonly timeoutMs?: number
  /** Whether to make them if the collection does not exist, which creates it. Default true. */
  readonly createsCollection?: boolean
}

/** Behind a client with `w: 0` the server would not answer, and an index that cannot be made would look like one that is there. */
const ACKNOWLEDGED = { writeConcern: { w: 1 } } as const

/** Lists the indexes of a collection. A collection that does not exist yet has none, and a view never has any. */
export async function listIndexes(collection: Collection): Promise<ListedIndex[]> {
  try {
    return await collection.indexes({
      ...PLAIN_BSON,
      readPreference: 'primary',
      full: true,
    })
  } catch (error) {
    if (hasCode(error, namespaceNotFound, commandNotSupportedOnView)) return []
    throw error
  }
}

/** Finds an index with this key and these options, whatever its name is. It may be hidden. */
export function findIndex(
  existing: readonly ListedIndex[],
  fields: string | readonly string[],
  options: CreateIndexesOptions,
): ListedIndex | undefined {
  const wanted = toIdentity({ ...options, key: toKey(fields) })
  return existing.find(index => toIdentity(index) === wanted)
}

/** The members by which two indexes are the same index. An index with the simple collation is listed without one. */
function toIdentity(index: Partial<ListedIndex>): string {
  const {
    key,
    unique = false,
    sparse = false,
    expireAfterSeconds,
    partialFilterExpression,
    collation,
  } = index
  const locale = collation?.locale ?? 'simple'
  return JSON.stringify([
    Object.entries(Object(key) as object),
    { unique, sparse, expireAfterSeconds, partialFilterExpression, locale },
  ])
}

/** Makes an index if it is missing, unless a missing right, duplicates, another index or a view prevents it. */
export async function ensureIndex(
  collection: Pick<Collection, 'createIndex'>,
  fields: string | readonly string[],
  options: CreateIndexesOptions,
): Promise<IndexOutcome> {
  try {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
    await collection.createIndex(toKey(fields), { ...options, ...ACKNOWLEDGED })
    return 'there'
  } catch (error) {
    if (hasCode(error, unauthorized)) return 'unauthorized'
    if (hasCode(error, duplicateKey)) return 'duplicates'
    if (hasCode(error, optionsConflict, keySpecsConflict)) return 'conflict'
    if (hasCode(error, commandNotSupportedOnView)) return 'view'
    throw error
  }
}

/** The command for the MongoDB shell that makes an index. Warnings show it. */
export function createIndexCommand(
  collectionName: string,
  fields: string | readonly string[],
  options: CreateIndexesOptions,
): string {
  return `db.getCollection(${JSON.stringify(collectionName)}).createIndex(${JSON.stringify(toKey(fields))}, ${JSON.stringify(options)})`
}

/** The command for the MongoDB shell that makes MongoDB use a hidden index again. Warnings show it. */
export function unhideIndexCommand(collectionName: string, indexName: string): string {
  return `db.getCollection(${JSON.stringify(collectionName)}).unhideIndex(${JSON.stringify(indexName)})`
}

function toKey(fields: string | readonly string[]): Record<string, 1> {
  return Object.fromEntries([fields].flat().map(field => [field, 1]))
}
