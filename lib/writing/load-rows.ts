import type { Collection, Document } from 'mongodb'
import { toFound, toSizedRow, toTeamsProjection } from '../documents/find-document.js'
import type { SizedRow } from '../documents/find-document.js'
import { toLoaded } from '../documents/loader.js'
import type { LoadedDocument, LoadedForm } from '../documents/loader.js'
import { keepsRegExp, PLAIN_BSON, writtenFormOf } from '../mongo/team-database.js'

/** The time limit of an operation, for the server and for this process. */
export interface Limits {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Runs stages that give one document, and returns it as a load would. `undefined` if they give none.
 *
 * @throws `custom_data_too_large` or `custom_data_invalid` if a load would refuse the document
 */
export async function loadRow(
  collection: Collection,
  stages: readonly Document[],
  form: LoadedForm,
  { timeoutMs, signal }: Limits,
): Promise<LoadedDocument | undefined> {
  const { projection, maxDocumentBytes } = form
  const pipeline = [...stages, ...toTeamsProjection(projection), { $project: toSizedRow(maxDocumentBytes) }]
  const options = {
    ...PLAIN_BSON,
    ...writtenFormOf(collection),
    bsonRegExp: keepsRegExp(collection),
    collation: { locale: 'simple' },
    readPreference: 'primary',
    maxTimeMS: timeoutMs,
    signal,
  } as const
  const [row] = await collection.aggregate<SizedRow>(pipeline, options).toArray()
  return row && toLoaded(toFound(row), form)
}
