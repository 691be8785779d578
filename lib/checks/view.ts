import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import type { Check } from './check.js'

/** Checks whether the collection is a view. Loads can read it, but slowly, and nothing can be written to it. */
export const checkView: Check = async ({ collection }) => {
  try {
    await collection.indexes({ ...PLAIN_BSON, readPreference: 'primary' })
    return []
  } catch (error) {
    if (hasCode(error, SERVER_ERRORS.namespaceNotFound)) return []
    if (!hasCode(error, SERVER_ERRORS.commandNotSupportedOnView)) throw error
    const message =
      `${collection.namespace} is a view. It has no indexes, so each load reads the whole view, and forUser(), ownData() ` +
      'and changeStreams cannot work with it. Give the collection that the view reads, and the option "projection" for ' +
      'the fields that handlers may see.'
    return [{ code: 'collection_is_view', message }]
  }
}
