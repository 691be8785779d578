import type { Collection, Document, Filter, FindOneAndUpdateOptions, UpdateFilter, WithId } from 'mongodb'
import { CustomUserDataError } from '../errors.js'
import { isServerRefusal } from './server-errors.js'

/** Options of the driver's `findOneAndUpdate`, without the one that decides the shape of its answer. */
export type FindOneAndUpdateSettings = Omit<FindOneAndUpdateOptions, 'includeResultMetadata'>

/**
 * Updates at most one document and resolves to that document, or to `undefined` when no document matches.
 *
 * Every call of the driver's method goes through this function. Driver 5 answers `{ value }`, which is truthy even when nothing
 * matched, unless `includeResultMetadata: false` is given. A call that forgets the option lets everybody in.
 */
export async function findOneAndUpdate<T extends Document>(
  collection: Collection<T>,
  filter: Filter<T>,
  update: UpdateFilter<T> | Document[],
  options: FindOneAndUpdateSettings,
): Promise<WithId<T> | undefined> {
  const found = await collection.findOneAndUpdate(filter, update, {
    ...options,
    includeResultMetadata: false,
  })
  return found ?? undefined
}

/**
 * Asks a driver whose version nobody can read whether its `findOneAndUpdate` gives the document alone. The filter matches
 * nothing, so nothing is written.
 *
 * Resolves also where the server refuses the question, because that says nothing about the driver. Rejects with
 * `driver_unsupported` for a driver that is too old, and with the driver's error where no server could answer.
 */
export async function probeFindOneAndUpdate(collection: Collection, timeoutMs: number): Promise<void> {
  let answer: unknown
  try {
    answer = await findOneAndUpdate(
      collection,
      { _id: { $in: [] } },
      { $set: { probe: true } },
      { maxTimeMS: timeoutMs },
    )
  } catch (error) {
    if (isServerRefusal(error)) return
    throw error
  }
  if (answer === undefined) return
  throw new CustomUserDataError(
    'driver_unsupported',
    "The driver's findOneAndUpdate() answered with an object although no document matched, so a made-up refresh token would be " +
      'accepted. Install mongodb 5.9 or later, or mongoose 7.8 or later.',
  )
}
