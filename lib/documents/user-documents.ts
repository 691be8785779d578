import { callAtOnce } from '../util/call-at-once.js'
import { createConcurrencyLimit } from '../util/concurrency-limit.js'
import { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { readFromPrimary } from '../mongo/primary-check.js'
import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'
import type { ObjectIdClass } from '../mongo/collection-like.js'
import type { OpenCollection, TeamDatabase } from '../mongo/team-database.js'
import { findDocument } from './find-document.js'
import type { PreparedRead } from './find-document.js'
import type { FoundDocument } from './sized-row.js'
import type { UserIdIndex } from './user-id-index.js'
import { copyIdValue, faultOf } from './user-id-value.js'

/** The forms that a user's id may have in the user id field, the preferred one first. */
type FieldValues = readonly unknown[]

/**
 * Maps a user's id to the values that it may have in the user id field. An empty list means that this user has no document.
 * A value is a text, a number, a bigint of 64 bits, a date, bytes, a BSON value, or a plain object of these. The function must
 * not be async.
 *
 * @example
 * id => (/^(0|[1-9]\d{0,14})$/.test(id) ? [Number(id)] : [])
 */
export type ToFieldValues = (userId: string) => FieldValues

/** How users and documents belong together. */
export interface UserDocumentsConfig {
  readonly userIdField: string
  readonly toFieldValues?: ToFieldValues | undefined
  /** Milliseconds that a query may take at the server. */
  readonly loadTimeoutMs: number
  readonly maxConcurrentLoads?: number | undefined
}

/** What was looked for, and what there was. */
export interface Reading {
  readonly userIdValues: FieldValues
  readonly found: FoundDocument | undefined
}

/** Finds the one document that is a user's. */
export interface UserDocuments {
  /** At once, unless the driver's ObjectId class has to be found first. */
  values: (userId: string, signal: AbortSignal) => FieldValues | Promise<FieldValues>
  find: (userId: string, read: PreparedRead, signal: AbortSignal) => Promise<FoundDocument | undefined>
  /** Finds the document like `find()`, and also gives the values of the user id field that were searched for. */
  read: (userId: string, read: PreparedRead, signal: AbortSignal) => Promise<Reading>
}

/** The most loads in flight where the pool would allow more. */
const MAX_CONCURRENT_LOADS = 50
const OBJECT_ID_HEX = /^[0-9a-f]{24}$/
/** The server's answer to a hint at an index that is gone, or still being built. */
const HINT_REFUSED = [SERVER_ERRORS.badValue, SERVER_ERRORS.indexNotFound]

/** Creates the view of the team's collection by user. */
export function createUserDocuments(
  config: UserDocumentsConfig,
  database: TeamDatabase,
  index: UserIdIndex,
  events: Events,
): UserDocuments {
  const limit = createConcurrencyLimit(concurrency(config.maxConcurrentLoads, database.maxPoolSize()))
  const { userIdField, loadTimeoutMs: timeoutMs } = config

  function valuesOf(userId: string, signal: AbortSignal): FieldValues | Promise<FieldValues> {
    if (config.toFieldValues) return callToFieldValues(config.toFieldValues, userId)
    // As a string, or as the ObjectId of the same 24 lower-case hex digits.
    return OBJECT_ID_HEX.test(userId) ? toBothForms(userId, database.objectIdClass(signal)) : [userId]
  }

  async function find(
    open: OpenCollection,
    values: FieldValues,
    what: PreparedRead,
    signal: AbortSignal,
  ): Promise<FoundDocument | undefined> {
    const name = await index.name(open.collection)
    const limits = { timeoutMs, signal }
    try {
      return await findDocument(open, { userIdField, values, read: what, index: name }, limits)
    } catch (error) {
      if (name === undefined || !hasCode(error, ...HINT_REFUSED)) throw error
      index.forget()
      return findDocument(open, { userIdField, values, read: what, index: undefined }, limits)
    }
  }

  async function read(userId: string, what: PreparedRead, signal: AbortSignal): Promise<Reading> {
    const open = await database.open()
    const turn = limit.enter(signal)
    if (turn) await turn
    try {
      const values = await valuesOf(userId, signal)
      if (values.length === 0) return { userIdValues: values, found: undefined }
      const found = await readFromPrimary(open.collection, { signal, events }, () =>
        find(open, values, what, signal),
      )
      return { userIdValues: values, found }
    } finally {
      // Drivers before 6.13 ignore the signal, so an operation that passed its deadline keeps its place until it settles.
      limit.leave()
    }
  }

  return {
    values: valuesOf,
    read,
    find: async (userId, what, signal) => (await read(userId, what, signal)).found,
  }
}

/** Under half of the pool: the app needs its connections too. */
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

/** The values are copied and the copies are checked: a callback may use one list for all its calls. */
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
