import type { Collection, CreateIndexesOptions, IndexDescriptionInfo } from 'mongodb'
import { withDeadline } from '../util/deadline.js'
import type { Events } from '../events.js'
import { createIndexCommand, ensureIndex, listIndexes } from '../mongo/indexes.js'

/**
 * The index that gives "string before ObjectId, then the one inserted first": a scan of a single-field,
 * ascending, simple-collation index is in that order, whatever the `_id`s, and whether or not arrays are
 * among the values. `undefined`: there is none, and the collection is read in its natural order.
 */
export type UserIdIndexName = string | undefined

/** Thrown by `ready()` where the unique index that the team asked for cannot be made. */
class UserIdIndexConflictError extends Error {
  override readonly name = 'UserIdIndexConflictError'
  readonly code = 'user_id_index_conflict'
}

/** What the team decided about the index on the user id field. */
export interface UserIdIndexConfig {
  readonly userIdField: string
  /** Whether it is unique (and partial, so that documents without the field do not collide). */
  readonly uniqueUserId: boolean
  /** Milliseconds that a look at the indexes may take. */
  readonly loadTimeoutMs: number
}

const INDEX_NAME = 'express_custom_user_data'
const PRIMARY_KEY_INDEX = '_id_'
const WHY_NOT = {
  unauthorized: 'this database user may not create one',
  conflict: 'one that is hidden, or has the same name, stands in its place: drop it',
}

/** The index on the user id field, as it stands. */
export interface UserIdIndex {
  /** Its name: from the server's list until one is found, and at once from then on. */
  name: (collection: Collection) => UserIdIndexName | Promise<UserIdIndexName>
  /**
   * Makes the index if it is missing, and tells whether it is unique. Warns if the database user may not make it. Throws if
   * duplicates prevent a unique index.
   */
  ensure(collection: Collection): Promise<{ readonly isUnique: boolean }>
  /** To be called when the server says that the index is gone. */
  forget(): void
}

/** Creates the view of the index that loads go by. */
export function createUserIdIndex(config: UserIdIndexConfig, events: Events): UserIdIndex {
  const { userIdField, uniqueUserId, loadTimeoutMs } = config
  let known: UserIdIndexName
  async function usable(collection: Collection): Promise<IndexDescriptionInfo[]> {
    const all = await withDeadline(loadTimeoutMs, () => listIndexes(collection))
    return all.filter(index => givesInsertionOrder(index, userIdField))
  }
  async function lookUp(collection: Collection): Promise<UserIdIndexName> {
    return (known ??= (await usable(collection))[0]?.name)
  }
  return {
    // Only a find is remembered: who reads the whole collection can also afford to look again.
    name: collection => known ?? lookUp(collection),
    async ensure(collection) {
      const there = await usable(collection)
      const isUnique = there.some(index => index.unique === true || index.name === PRIMARY_KEY_INDEX)
      if (isUnique || (there.length > 0 && !uniqueUserId)) return { isUnique }
      await createOrExplain(collection, config, events)
      return { isUnique: uniqueUserId }
    },
    forget() {
      known = undefined
    },
  }
}

async function createOrExplain(
  collection: Collection,
  config: UserIdIndexConfig,
  events: Events,
): Promise<void> {
  const { userIdField, uniqueUserId } = config
  const options = indexOptions(config)
  const outcome = await ensureIndex(collection, userIdField, options)
  if (outcome === 'there') return
  const command = createIndexCommand(collection.collectionName, userIdField, options)
  if (outcome === 'conflict' && uniqueUserId) throw conflict(collection, userIdField, command)
  events.warn({
    code: 'user_id_index_missing',
    message:
      `There is no usable index on "${userIdField}" of ${collection.namespace}, and ${WHY_NOT[outcome]}. ` +
      `Until somebody runs the following, each load reads the whole collection: ${command}`,
  })
}

function indexOptions({ userIdField, uniqueUserId }: UserIdIndexConfig): CreateIndexesOptions {
  return {
    name: uniqueUserId ? `${INDEX_NAME}_unique` : INDEX_NAME,
    collation: { locale: 'simple' },
    ...(uniqueUserId && { unique: true, partialFilterExpression: { [userIdField]: { $exists: true } } }),
  }
}

function givesInsertionOrder(index: IndexDescriptionInfo, userIdField: string): boolean {
  const fields = Object.entries(index.key as Record<string, unknown>)
  const [field, direction] = fields[0] ?? []
  if (fields.length !== 1 || field !== userIdField || direction !== 1) return false
  if (index.hidden === true || (index.collation && index.collation.locale !== 'simple')) return false
  return (
    index.partialFilterExpression === undefined || isExistsFilter(index.partialFilterExpression, userIdField)
  )
}

/** The one partial filter that every user's document passes. */
function isExistsFilter(filter: Record<string, unknown>, userIdField: string): boolean {
  return JSON.stringify(filter) === JSON.stringify({ [userIdField]: { $exists: true } })
}

function conflict(collection: Collection, userIdField: string, command: string): UserIdIndexConflictError {
  return new UserIdIndexConflictError(
    `The unique index on "${userIdField}" of ${collection.namespace} cannot be made: two documents hold the same ` +
      `id, or another index stands in its place. Find the duplicates with aggregate([{ $group: { _id: "$${userIdField}", ` +
      `n: { $sum: 1 } } }, { $match: { n: { $gt: 1 } } }]), remove them, and run: ${command}`,
  )
}
