import { nearestName } from '../util/nearest-name.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import type { Check } from './check.js'

/** With these options a database user needs no right to list collections. */
const NAMES = {
  ...PLAIN_BSON,
  nameOnly: true,
  authorizedCollections: true,
  readPreference: 'primary',
} as const

/** The names of this package's other collections begin so, for example those of the users of App Services. */
const OWN_PREFIX = 'custom_user_data_'

/**
 * Checks whether the name of the collection is mistyped: the collection does not exist, but one with a similar name does.
 * Every new app begins without the collection, so nothing is said otherwise.
 */
export const checkCollectionName: Check = async ({ db, collection, ownCollections }, limits) => {
  const { collectionName, namespace } = collection
  const list = async (filter: object): Promise<string[]> => {
    const options = { ...NAMES, maxTimeMS: limits.timeoutMs, signal: limits.signal }
    return (await db.listCollections(filter, options).toArray()).map(({ name }) => name)
  }
  if ((await list({ name: collectionName })).length > 0) return []
  const others = (await list({})).filter(
    name =>
      !name.startsWith('system.') &&
      !ownCollections.includes(name) &&
      !name.startsWith(OWN_PREFIX) &&
      withoutNumbers(name) !== withoutNumbers(collectionName),
  )
  const nearest = nearestName(collectionName, others)
  if (nearest === undefined) return []
  const message =
    `There is no collection ${namespace}, so no user has custom data. Did you mean "${nearest}"? Then write ` +
    `collection: db.collection(${JSON.stringify(nearest)}). Otherwise create the collection: ` +
    `db.createCollection(${JSON.stringify(collectionName)}). Its index is not made before it exists.`
  return [{ code: 'collection_missing', message }]
}

/** Names that differ only in numbers, such as `profiles` and `profiles_2026`, are no typing mistakes. */
function withoutNumbers(name: string): string {
  return name.replaceAll(/[_.-]?\d+/g, '')
}
