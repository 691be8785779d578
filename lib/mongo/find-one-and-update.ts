import type { Collection, Document, Filter, FindOneAndUpdateOptions, UpdateFilter, WithId } from 'mongodb'

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
