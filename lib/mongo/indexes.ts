import type { Collection, CreateIndexesOptions, IndexDescriptionInfo } from 'mongodb'
import { hasCode, SERVER_ERRORS } from './server-errors.js'
import { PLAIN_BSON } from './team-database.js'

/** The result of an attempt to make an index. */
export type IndexOutcome = 'there' | 'unauthorized' | 'conflict'

/** Lists the indexes of a collection. A collection that does not exist yet has none. */
export async function listIndexes(collection: Collection): Promise<IndexDescriptionInfo[]> {
  try {
    return await collection.indexes({ ...PLAIN_BSON, readPreference: 'primary', full: true })
  } catch (error) {
    if (hasCode(error, SERVER_ERRORS.namespaceNotFound)) return []
    throw error
  }
}

/** Makes an index if it is missing, unless the database user has no right to, or an existing index prevents it. */
export async function ensureIndex(
  collection: Pick<Collection, 'createIndex'>,
  fields: string | readonly string[],
  options: CreateIndexesOptions,
): Promise<IndexOutcome> {
  try {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
    await collection.createIndex(toKey(fields), options)
    return 'there'
  } catch (error) {
    if (hasCode(error, SERVER_ERRORS.unauthorized)) return 'unauthorized'
    const { duplicateKey, optionsConflict, keySpecsConflict } = SERVER_ERRORS
    if (hasCode(error, duplicateKey, optionsConflict, keySpecsConflict)) return 'conflict'
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

function toKey(fields: string | readonly string[]): Record<string, 1> {
  return Object.fromEntries([fields].flat().map(field => [field, 1]))
}
