import type { Collection, CreateIndexesOptions } from 'mongodb'
import { withDeadline } from '../util/deadline.js'
import { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import {
  createIndexCommand,
  ensureIndex,
  findIndex,
  listIndexes,
  unhideIndexCommand,
} from '../mongo/indexes.js'
import type { EnsureLimits, IndexState, ListedIndex } from '../mongo/indexes.js'

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
  conflict: 'an index with the same name or the same key prevents it, so drop that index first',
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
   * no indexes, so nothing is made for it. Also warns if the index was there before and is gone.
   *
   * @throws `user_id_index_conflict` if duplicates or another index prevent the unique index that the team asked for
   */
  ensure(collection: Collection, limits?: EnsureLimits): Promise<{ readonly isUnique: boolean }>
  /**
   * Looks for the index again, because the server has refused its name. Warns if it is gone. A read with the read concern
   * `majority` also refuses an index that was just made.
   */
  refused(collection: Collection): Promise<void>
  /** Whether there is such an index, as far as it is known. */
  state(): Exclude<IndexState, 'unknown'>
}

/** Creates the access to the index that loads use. */
export function createUserIdIndex(config: UserIdIndexConfig, events: Pick<Events, 'warn'>): UserIdIndex {
  const { userIdField, uniqueUserId, loadTimeoutMs } = config
  let known: string | undefined
  /** The warnings since the index was there last. */
  const warned = new Set<string>()
  function warnOnce(message: string): void {
    if (warned.has(message)) return
    warned.add(message)
    events.warn({ code: 'user_id_index_missing', message })
  }
  function found(name: string | undefined): string | undefined {
    known = name
    if (name !== undefined) warned.clear()
    return name
  }
  function warnOfLoss({ collectionName, namespace }: Collection): void {
    const command = createIndexCommand(collectionName, userIdField, indexOptions(config))
    warnOnce(
      `The index on "${userIdField}" of ${namespace} was dropped or hidden. Until it is there again, each load ` +
        'reads the whole collection, and is a 503 if that takes longer than loadTimeoutMs. The next load or ready() makes ' +
        `the index again, if the database user may. Otherwise run: ${command}`,
    )
  }
  const list = (collection: Collection, timeoutMs = loadTimeoutMs) =>
    withDeadline(timeoutMs, () => listIndexes(collection))
  const usableOf = (all: readonly ListedIndex[]) =>
    all.filter(index => givesInsertionOrder(index, userIdField))
  async function lookUp(collection: Collection): Promise<string | undefined> {
    return found(usableOf(await list(collection))[0]?.name)
  }
  return {
    // A missing index is not remembered: a load that reads the whole collection can also afford to ask again.
    name: collection => known ?? lookUp(collection),
    async ensure(collection, { timeoutMs, createsCollection = true } = {}) {
      const all = await list(collection, timeoutMs)
      const wasThere = known !== undefined
      const there = usableOf(all)
      const isUnique = there.some(index => index.unique === true || index.name === PRIMARY_KEY_INDEX)
      if (there.every(({ name }) => name !== known)) found(there[0]?.name)
      if (wasThere && known === undefined) warnOfLoss(collection)
      // Every collection that exists has an index.
      if (all.length === 0 && !createsCollection) return { isUnique }
      if (isUnique || (there.length > 0 && !uniqueUserId)) return { isUnique }
      const isMade = await createOrExplain(collection, config, all, warnOnce)
      if (isMade) found(known ?? indexOptions(config).name)
      return { isUnique: isMade && uniqueUserId }
    },
    async refused(collection) {
      const refusedName = known
      const there = usableOf(await list(collection))
      if (refusedName !== undefined && there.some(({ name }) => name === refusedName)) return
      if (found(there[0]?.name) === undefined) warnOfLoss(collection)
    },
    state: () => (known === undefined ? 'missing' : 'there'),
  }
}

/** What the indexes of a collection are worth for loads. */
export interface ListedUserIdIndex {
  /** The name of a usable index; `undefined` if there is none. */
  readonly name: string | undefined
  readonly isUnique: boolean
  /** The command of the MongoDB shell after which an index is usable. */
  readonly command: string
}

/** Looks for the index in a list of all indexes, and makes nothing. */
export function findUserIdIndex(
  { collectionName }: Collection,
  config: Pick<UserIdIndexConfig, 'userIdField' | 'uniqueUserId'>,
  all: readonly ListedIndex[],
): ListedUserIdIndex {
  const { userIdField } = config
  const usable = all.filter(index => givesInsertionOrder(index, userIdField))
  const unique = usable.find(({ unique, name }) => unique === true || name === PRIMARY_KEY_INDEX)
  const options = indexOptions(config)
  const same = findIndex(all, userIdField, options)
  return {
    name: (unique ?? usable[0])?.name,
    isUnique: unique !== undefined,
    command:
      same?.hidden === true
        ? unhideIndexCommand(collectionName, same.name ?? '')
        : createIndexCommand(collectionName, userIdField, options),
  }
}

/** Resolves to whether the index is there. */
async function createOrExplain(
  collection: Collection,
  config: UserIdIndexConfig,
  existing: readonly ListedIndex[],
  warn: (message: string) => void,
): Promise<boolean> {
  const { userIdField, uniqueUserId } = config
  const { collectionName, namespace } = collection
  const options = indexOptions(config)
  const same = findIndex(existing, userIdField, options)
  // MongoDB answers a command that makes a hidden index again with success, and changes nothing.
  const outcome = same?.hidden === true ? 'hidden' : await ensureIndex(collection, userIdField, options)
  if (outcome === 'there') return true
  if (outcome === 'view') return false
  const isHidden = outcome === 'hidden'
  const command = isHidden
    ? unhideIndexCommand(collectionName, same?.name ?? '')
    : createIndexCommand(collectionName, userIdField, options)
  if (outcome === 'duplicates') throw duplicates(collection, userIdField, command)
  const why = isHidden ? `the index "${same?.name ?? ''}" is hidden` : WHY_NOT[outcome]
  if (outcome !== 'unauthorized' && uniqueUserId) throw conflict(collection, userIdField, why, command)
  warn(
    `There is no usable index on "${userIdField}" of ${namespace}, and ${why}. ` +
      `Until somebody runs the following, each load reads the whole collection: ${command}`,
  )
  return false
}

function indexOptions({
  userIdField,
  uniqueUserId,
}: Pick<UserIdIndexConfig, 'userIdField' | 'uniqueUserId'>): CreateIndexesOptions {
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
function givesInsertionOrder(index: ListedIndex, userIdField: string): boolean {
  const fields = Object.entries(index.key)
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

function conflict(
  collection: Collection,
  userIdField: string,
  why: string,
  command: string,
): CustomUserDataError {
  return new CustomUserDataError(
    'user_id_index_conflict',
    `The unique index on "${userIdField}" of ${collection.namespace} cannot be made: ${why}. Then run: ${command}`,
  )
}
