import { createConcurrencyLimit } from '../concurrency-limit.js'
import { CustomUserDataError } from '../errors.js'
import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'
import type { ObjectIdClass, TeamDatabase } from '../mongo/team-database.js'
import { findDocument } from './query.js'
import type { PreparedRead } from './query.js'
import type { FoundDocument, FoundRow } from './sized-row.js'
import type { UserIdIndex } from './user-id-index.js'

/** The forms that a user's id may have in the user id field, the preferred one first. */
type FieldValues = readonly unknown[]

/** Maps a user's id to these. */
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
  readonly found: FoundRow | undefined
}

/** Finds the one document that is a user's. */
export interface UserDocuments {
  /** At once, unless the driver's ObjectId class has to be found first. */
  values: (userId: string, signal: AbortSignal) => FieldValues | Promise<FieldValues>
  find: (userId: string, read: PreparedRead, signal: AbortSignal) => Promise<FoundDocument | undefined>
  /** The same before it is decoded, with the values that were looked for. */
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
): UserDocuments {
  const limit = createConcurrencyLimit(concurrency(config.maxConcurrentLoads, database.maxPoolSize()))
  const { userIdField, loadTimeoutMs: timeoutMs } = config

  function valuesOf(userId: string, signal: AbortSignal): FieldValues | Promise<FieldValues> {
    if (config.toFieldValues) return callToFieldValues(config.toFieldValues, userId)
    // As a string, or as the ObjectId of the same 24 lower-case hex digits (App Services page, 1.2).
    return OBJECT_ID_HEX.test(userId) ? toBothForms(userId, database.objectIdClass(signal)) : [userId]
  }

  /** One function, for a miss passes through it: each further async function costs it 1 us. */
  async function read(userId: string, what: PreparedRead, signal: AbortSignal): Promise<Reading> {
    const opening = database.open()
    const open = opening instanceof Promise ? await opening : opening
    const turn = limit.enter(signal)
    if (turn) await turn
    try {
      const mapped = valuesOf(userId, signal)
      const values = mapped instanceof Promise ? await mapped : mapped
      const named = index.name(open.collection)
      const name = named instanceof Promise ? await named : named
      const limits = { timeoutMs, signal }
      let found
      try {
        found = await findDocument(open, { userIdField, values, read: what, index: name }, limits)
      } catch (error) {
        if (name === undefined || !hasCode(error, ...HINT_REFUSED)) throw error
        index.forget()
        found = await findDocument(open, { userIdField, values, read: what, index: undefined }, limits)
      }
      return { userIdValues: values, found }
    } finally {
      limit.leave()
    }
  }

  return {
    values: valuesOf,
    read,
    find: async (userId, what, signal) => (await read(userId, what, signal)).found?.decode(),
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

function callToFieldValues(toFieldValues: ToFieldValues, userId: string): FieldValues {
  try {
    const values: unknown = toFieldValues(userId)
    if (Array.isArray(values)) return values
  } catch (cause) {
    throw new CustomUserDataError('callback_failed', 'toFieldValues failed.', { cause })
  }
  throw new CustomUserDataError('callback_failed', 'toFieldValues did not return an array of values.')
}
