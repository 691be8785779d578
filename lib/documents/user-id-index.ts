import type { Collection, CreateIndexesOptions, IndexDescriptionInfo } from 'mongodb'
import { withDeadline } from '../util/deadline.js'
import { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { createIndexCommand, ensureIndex, listIndexes } from '../mongo/indexes.js'

/** The options about the index on the user id field. */
export interface UserIdIndexConfig {
  readonly userIdField: string
  /** Whether the index is unique. A unique index is partial too, so that documents without the field do not collide. */
  readonly uniqueUserId: boolean
  /** Milliseconds that the list of the indexes may take. */
  readonly loadTimeoutMs: number
}

const INDEX_NAME = 'express_custom_user_data'
const PRIMARY_KEY_INDEX = '_id_'
const WHY_NOT = {
  unauthorized: 'this database user may not create one',
  conflict: 'an index that is hidden or has the same name prevents it, so drop that index first',
}

/** The index on the user id field. */
export interface UserIdIndex {
  /**
   * The name of an index that gives the user's document first, or `undefined` if there is none. Not a promise once such an
   * index was found.
   */
  name: (collection: Collection) => string | undefined | Promise<string | undefined>
  /**
   * Makes the index if it is missing, and tells whether it is unique. Warns if the database user may not make it. A view has
   * no indexes, so nothing is made for it.
   *
   * @param timeoutMs milliseconds that the list of the indexes may take. Building an index has no limit.
   * @throws `user_id_index_conflict` if duplicates or another index prevent the unique index that the team asked for
   */
  ensure(collection: Collection, timeoutMs?: number): Promise<{ readonly isUnique: boolean }>
  /** Call this when the server says that the index is gone. */
  forget(): void
}

/** Creates the access to the index that loads use. */
export function createUserIdIndex(config: UserIdIndexConfig, events: Events): UserIdIndex {
  const { userIdField, uniqueUserId, loadTimeoutMs } = config
  let known: string | undefined
  async function usable(collection: Collection, timeoutMs = loadTimeoutMs): Promise<IndexDescriptionInfo[]> {
    const all = await withDeadline(timeoutMs, () => listIndexes(collection))
    return all.filter(index => givesInsertionOrder(index, userIdField))
  }
  async function lookUp(collection: Collection): Promise<string | undefined> {
    return (known ??= (await usable(collection))[0]?.name)
  }
  return {
    // A missing index is not remembered: a load that reads the whole collection can also afford to ask again.
    name: collection => known ?? lookUp(collection),
    async ensure(collection, timeoutMs) {
      const there = await usable(collection, timeoutMs)
      const isUnique = there.some(index => index.unique === true || index.name === PRIMARY_KEY_INDEX)
      known ??= there[0]?.name
      if (isUnique || (there.length > 0 && !uniqueUserId)) return { isUnique }
      const isMade = await createOrExplain(collection, config, events)
      if (isMade) known ??= indexOptions(config).name
      return { isUnique: isMade && uniqueUserId }
    },
    forget() {
      known = undefined
    },
  }
}

/** Resolves to whether the index is there. */
async function createOrExplain(
  collection: Collection,
  config: UserIdIndexConfig,
  events: Events,
): Promise<boolean> {
  const { userIdField, uniqueUserId } = config
  const options = indexOptions(config)
  const outcome = await ensureIndex(collection, userIdField, options)
  if (outcome === 'there') return true
  if (outcome === 'view') return false
  const command = createIndexCommand(collection.collectionName, userIdField, options)
  if (outcome === 'duplicates') throw duplicates(collection, userIdField, command)
  if (outcome === 'conflict' && uniqueUserId) throw conflict(collection, userIdField, command)
  events.warn({
    code: 'user_id_index_missing',
    message:
      `There is no usable index on "${userIdField}" of ${collection.namespace}, and ${WHY_NOT[outcome]}. ` +
      `Until somebody runs the following, each load reads the whole collection: ${command}`,
  })
  return false
}

function indexOptions({ userIdField, uniqueUserId }: UserIdIndexConfig): CreateIndexesOptions {
  return {
    // With the field, since an instance with another user id field may use the same collection.
    name: `${INDEX_NAME}${uniqueUserId ? '_unique' : ''}:${userIdField}`,
    collation: { locale: 'simple' },
    ...(uniqueUserId && { unique: true, partialFilterExpression: { [userIdField]: { $exists: true } } }),
  }
}

/**
 * Whether a scan of the index gives strings before ObjectIds, and of equal values the first inserted. A single-field,
 * ascending index with the simple collation does, whatever the `_id`s are, and even if some values are arrays.
 */
function givesInsertionOrder(index: IndexDescriptionInfo, userIdField: string): boolean {
  const fields = Object.entries(index.key as Record<string, unknown>)
  const [field, direction] = fields[0] ?? []
  if (fields.length !== 1 || field !== userIdField || direction !== 1) return false
  if (index.hidden === true || (index.collation && index.collation.locale !== 'simple')) return false
  return (
    index.partialFilterExpression === undefined || isExistsFilter(index.partialFilterExpression, userIdField)
  )
}

/** The only partial filter that includes the document of every user. */
function isExistsFilter(filter: Record<string, unknown>, userIdField: string): boolean {
  return JSON.stringify(filter) === JSON.stringify({ [userIdField]: { $exists: true } })
}

function duplicates(collection: Collection, userIdField: string, command: string): CustomUserDataError {
  const search =
    `db.getCollection(${JSON.stringify(collection.collectionName)}).aggregate([{ $group: { _id: "$${userIdField}", ` +
    'n: { $sum: 1 } } }, { $match: { n: { $gt: 1 } } }])'
  return new CustomUserDataError(
    'user_id_index_conflict',
    `The unique index on "${userIdField}" of ${collection.namespace} cannot be made, because several documents hold the same ` +
      `id. Find these ids with ${search}, keep one document of each, and run: ${command}`,
  )
}

function conflict(collection: Collection, userIdField: string, command: string): CustomUserDataError {
  return new CustomUserDataError(
    'user_id_index_conflict',
    `The unique index on "${userIdField}" of ${collection.namespace} cannot be made, because an index that is hidden or has ` +
      `the same name prevents it. Drop that index, and run: ${command}`,
  )
}
