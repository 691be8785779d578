import { prepareRead } from '../documents/find-document.js'
import { toLoadError } from '../documents/loader.js'
import type { LoadedForm } from '../documents/loader.js'
import { findByIndex } from '../documents/user-documents.js'
import type { UserIdIndex } from '../documents/user-id-index.js'
import { isRefusal } from '../mongo/database-errors.js'
import type { OpenCollection } from '../mongo/team-database.js'

/** An id that no user has. It is a text, and longer than the ids that this package accepts. */
const NOBODY = 'ready() of express-custom-user-data '.repeat(10)

/**
 * Runs the query of a load for nobody, so that a query that MongoDB refuses is noticed before the first user waits for it.
 *
 * @throws `projection_refused` for a wrong option `projection`
 */
export async function tryQuery(
  { collection }: OpenCollection,
  index: UserIdIndex,
  config: LoadedForm & { readonly userIdField: string },
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const { userIdField, projection, maxDocumentBytes } = config
  const read = prepareRead({ projection, maxDocumentBytes })
  try {
    await findByIndex(collection, index, { userIdField, values: [NOBODY], read }, limits)
  } catch (error) {
    throw isRefusal(error) ? toLoadError(error, projection !== undefined) : error
  }
}
