import type { Document } from 'mongodb'
import { toDatabaseError, isRefusal } from '../mongo/database-errors.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { withDeadline } from '../util/deadline.js'
import { loadRow } from './load-rows.js'
import type { Writer, WriterConfig } from './writer.js'

/** A query for the document of one user. */
interface DocumentQuery {
  readonly filter: Document
  /** A stage that is applied to the document as handlers get it. */
  readonly projection: Document | undefined
}

/** The options that a query depends on. */
export interface QueryConfig extends WriterConfig {
  readonly loadTimeoutMs: number
}

/**
 * Gives the document that a load would find, or a part of it, if it matches the filter. The filter is only ever asked about
 * that one document.
 */
export async function queryDocument(
  userId: string,
  { filter, projection }: DocumentQuery,
  writer: Writer,
  config: QueryConfig,
): Promise<object | undefined> {
  const { loadTimeoutMs: timeoutMs, maxDocumentBytes } = config
  const isPart = projection !== undefined && Object.keys(projection).length > 0
  const form = isPart ? { maxDocumentBytes, projection: undefined } : config
  // The team's projection comes first, so that a query shows nothing that it hides.
  const stages = isPart ? [...toStages(config.projection), { $project: projection }] : []
  try {
    return await withDeadline(timeoutMs, async signal => {
      const task = await writer.taskFor(userId, timeoutMs, signal)
      for (;;) {
        signal.throwIfAborted()
        const found = await writer.find(task)
        if (!found) return undefined
        const owned = writer.ownedBy(task, found.documentId)
        const match = { $match: { $and: [owned, filter] } }
        const loaded = await loadRow(task.collection, [match, ...stages], form, { timeoutMs, signal })
        if (loaded) return loaded.data
        // If the document was removed or changed after it was found, the search is repeated.
        if (await writer.isMismatch(task, owned, filter)) return undefined
      }
    })
  } catch (cause) {
    throw toQueryError(cause)
  }
}

function toStages(projection: Document = {}): Document[] {
  return Object.keys(projection).length > 0 ? [{ $project: projection }] : []
}

function toQueryError(cause: unknown): CustomUserDataError {
  if (!asCustomUserDataError(cause) && isRefusal(cause)) {
    const message = 'MongoDB or its driver refuses the filter or the projection. The cause says why.'
    return new CustomUserDataError('query_refused', message, { cause })
  }
  const message = 'Custom data could not be read in time.'
  return toDatabaseError(cause, { code: 'custom_data_unavailable', message })
}
