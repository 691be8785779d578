import type { Collection } from 'mongodb'
import { callAtOnce } from '../util/call-at-once.js'
import { createConcurrencyLimit } from '../util/concurrency-limit.js'
import { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { readFromPrimary } from '../mongo/primary-check.js'
import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'
import type { ObjectIdClass } from '../mongo/collection-like.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import { findDocument, findFirstIdType } from './find-document.js'
import type { DocumentQuery, FoundDocument, PreparedRead, QueryLimits } from './find-document.js'
import type { UserIdIndex } from './user-id-index.js'
import { copyIdValue, faultOf } from './user-id-value.js'

/** The forms that a user's id may have in the user id field, the preferred one first. */
type FieldValues = readonly unknown[]

/**
 * Maps a user's id to the values that it may have in the user id field. An empty list means that this user has no document.
 * A new document gets the first value. A value is a text, a number, a bigint of 64 bits, a date, bytes, a BSON value, or a
 * plain object of these. The function must not be async.
 *
 * @example
 * id => (/^(0|[1-9]\d{0,14})$/.test(id) ? [Number(id)] : [])
 */
export type ToFieldValues = (userId: string) => FieldValues

/** The result of one read. */
export interface Reading {
  /** The values of the user id field that were searched for. */
  readonly userIdValues: FieldValues
  readonly found: FoundDocument | undefined
}

/** Finds the one document of a user. */
export type UserDocuments = ReturnType<typeof createUserDocuments>

/** The default of `maxConcurrentLoads`. */
const MAX_CONCURRENT_LOADS = 50
const OBJECT_ID_HEX = /^[0-9a-f]{24}$/

/** Creates the access to the team's documents by user id. */
export function createUserDocuments(
  config: {
    readonly userIdField: string
    readonly toFieldValues?: ToFieldValues | undefined
    /** Milliseconds that a query may take at the server. */
    readonly loadTimeoutMs: number
    readonly maxConcurrentLoads?: number | undefined
  },
  database: TeamDatabase,
  index: UserIdIndex,
  events: Events,
) {
  const limit = createConcurrencyLimit(concurrency(config.maxConcurrentLoads, database.maxPoolSize()))
  const { userIdField, loadTimeoutMs: timeoutMs } = config

  /** The values of a user's id in the user id field. Not a promise, unless the driver's ObjectId class has to be found. */
  function values(userId: string, signal: AbortSignal): FieldValues | Promise<FieldValues> {
    if (config.toFieldValues) return callToFieldValues(config.toFieldValues, userId)
    // As a string, or as the ObjectId of the same 24 lower-case hex digits.
    return OBJECT_ID_HEX.test(userId) ? toBothForms(userId, database.objectIdClass(signal)) : [userId]
  }

  /**
   * The value that a new document of the user gets in the user id field: the first of its values. Without `toFieldValues`
   * that is a text, unless the stored ids are ObjectIds and none is a text: a team that compares ids with ObjectIds, as
   * mongoose does for a reference, would not find the text.
   */
  async function valueToStore(userIdValues: FieldValues, signal: AbortSignal): Promise<unknown> {
    const [text, asObjectId] = userIdValues
    if (config.toFieldValues || asObjectId === undefined) return text
    const { collection } = await database.open()
    const type = await limit.run(signal, () =>
      readFromPrimary(collection, { signal, events }, () =>
        byIndex(collection, index, name =>
          findFirstIdType(collection, { userIdField, index: name }, { timeoutMs, signal }),
        ),
      ),
    )
    return type === 'objectId' ? asObjectId : text
  }

  /** Finds the document like `find()`, and also gives the values of the user id field that were searched for. */
  async function read(userId: string, what: PreparedRead, signal: AbortSignal): Promise<Reading> {
    const { collection } = await database.open()
    const turn = limit.enter(signal)
    if (turn) await turn
    try {
      const userIdValues = await values(userId, signal)
      if (userIdValues.length === 0) return { userIdValues, found: undefined }
      const found = await readFromPrimary(collection, { signal, events }, () =>
        findByIndex(
          collection,
          index,
          { userIdField, values: userIdValues, read: what },
          { timeoutMs, signal },
        ),
      )
      return { userIdValues, found }
    } finally {
      // Drivers before 6.13 ignore the signal, so an operation that passed its deadline keeps its place until it settles.
      limit.leave()
    }
  }

  return {
    values,
    valueToStore,
    read,
    find: async (userId: string, what: PreparedRead, signal: AbortSignal) =>
      (await read(userId, what, signal)).found,
  }
}

/** Finds a document by the index, or without it if the server refuses the hint. */
export function findByIndex(
  collection: Collection,
  index: UserIdIndex,
  query: Omit<DocumentQuery, 'index'>,
  limits: QueryLimits,
): Promise<FoundDocument | undefined> {
  return byIndex(collection, index, name => findDocument(collection, { ...query, index: name }, limits))
}

/**
 * Runs a query by the index, or without it if the server refuses the hint. A majority read also refuses the hint of an index
 * that was just made.
 */
async function byIndex<T>(
  collection: Collection,
  index: UserIdIndex,
  query: (name: string | undefined) => Promise<T>,
): Promise<T> {
  const name = await index.name(collection)
  try {
    return await query(name)
  } catch (error) {
    if (name === undefined || !isHintRefused(error)) throw error
    await index.refused(collection)
    return query(undefined)
  }
}

/**
 * Whether the server refuses a hint because its index is gone, or is still being built. The code of a bad value also stands
 * for other refusals, such as that of a projection, which would be refused without the hint too.
 */
function isHintRefused(error: unknown): boolean {
  if (hasCode(error, SERVER_ERRORS.indexNotFound)) return true
  return hasCode(error, SERVER_ERRORS.badValue) && /hint/i.test((error as Error).message)
}

/** Loads use less than half of the pool, because the app needs connections too. */
function concurrency(wanted = MAX_CONCURRENT_LOADS, maxPoolSize: number): number {
  // The driver takes 0 for "no limit".
  const underHalf = maxPoolSize === 0 ? Infinity : Math.ceil(maxPoolSize / 2) - 1
  return Math.max(1, Math.min(wanted, underHalf))
}

async function toBothForms(
  userId: string,
  objectIdClass: ObjectIdClass | Promise<ObjectIdClass>,
): Promise<FieldValues> {
  return [userId, (await objectIdClass).createFromHexString(userId)]
}

/** Copies the values before it checks them, because a callback may use one list for all its calls. */
function callToFieldValues(toFieldValues: ToFieldValues, userId: string): FieldValues {
  const returned: unknown = callAtOnce('toFieldValues', () => toFieldValues(userId))
  if (!Array.isArray(returned)) throw wrongValue('did not return an array of values')
  const values = Array.from<unknown, unknown>(returned, copyIdValue)
  for (const value of values) {
    const fault = faultOf(value)
    if (fault !== undefined) {
      throw wrongValue(
        `returned ${fault}, which could match the documents of other users. Return [] for a user without a document`,
      )
    }
  }
  return values
}

function wrongValue(what: string): CustomUserDataError {
  return new CustomUserDataError('callback_failed', `toFieldValues ${what}.`)
}
