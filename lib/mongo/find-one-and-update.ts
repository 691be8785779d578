import type { Collection, Document, Filter, FindOneAndUpdateOptions, UpdateFilter, WithId } from 'mongodb'
import { CustomUserDataError } from '../errors.js'
import { isServerRefusal } from './server-errors.js'

/** Options of the driver's `findOneAndUpdate`, without `includeResultMetadata`, which this file sets. */
export type FindOneAndUpdateSettings = Omit<FindOneAndUpdateOptions, 'includeResultMetadata'>

/**
 * Updates at most one document and resolves to that document, or to `undefined` when no document matches.
 *
 * Every call of the driver's method goes through this function. Without `includeResultMetadata: false` driver 5 answers
 * `{ value }`, which is truthy even if no document matched. A call without the option would accept any refresh token.
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
 * Tests whether `findOneAndUpdate` gives the document alone, for a driver whose version cannot be read. The filter matches
 * nothing, so nothing is written.
 *
 * Also resolves if the server refuses the command, because a refusal says nothing about the driver.
 *
 * @throws `driver_unsupported` for a driver that is too old; the driver's own error if no server answers
 */
export async function probeFindOneAndUpdate(collection: Collection, timeoutMs: number): Promise<void> {
  let answer: unknown
  try {
    answer = await findOneAndUpdate(
      collection,
      { _id: { $in: [] } },
      { $set: { probe: true } },
      { maxTimeMS: timeoutMs, writeConcern: { w: 1 } },
    )
  } catch (error) {
    if (isServerRefusal(error)) return
    throw error
  }
  if (answer === undefined) return
  throw new CustomUserDataError(
    'driver_unsupported',
    "The driver's findOneAndUpdate() answered with an object although no document matched, so an invented refresh token " +
      'would be accepted. Run npm install mongodb@^5.9.0 or mongoose@^7.8.0, or a later version.',
  )
}
