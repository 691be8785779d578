import type { Collection, Document } from 'mongodb'
import { keepsRegExp, PLAIN_BSON, writtenFormOf } from '../mongo/team-database.js'
import type { OpenCollection } from '../mongo/team-database.js'
import { toLoaded } from '../documents/loader.js'
import type { LoadedDocument, LoadedForm } from '../documents/loader.js'
import { toFound, toSizedRow, toTeamsProjection } from '../documents/find-document.js'
import type { SizedRow } from '../documents/find-document.js'

/** Fields of a document to set, and fields to remove. */
export interface FieldChange {
  readonly set: Readonly<Record<string, unknown>>
  readonly unset: readonly string[]
}

interface Limits {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Has the server compute a change without storing it, and returns the document as a load would. A document that a load
 * refuses, for its size or by the team's schema, must not be written: its user could not log in any more.
 * `undefined` if no document matches the filter.
 */
export async function dryRunChange(
  collection: Collection,
  { filter, change }: { readonly filter: Document; readonly change: FieldChange },
  form: LoadedForm,
  limits: Limits,
): Promise<LoadedDocument | undefined> {
  const { set, unset } = change
  const pipeline = [
    { $match: filter },
    ...(unset.length > 0 ? [{ $unset: unset }] : []),
    { $replaceWith: { $mergeObjects: ['$$ROOT', { $literal: set }] } },
    ...toStages(form),
  ]
  const rows = await collection.aggregate<SizedRow>(pipeline, toOptions(limits, collection)).toArray()
  return toLoadedRow(rows, form)
}

/**
 * Returns a document that is to be inserted as a load would return it. `undefined` if the server gives no answer for it: the
 * router of a sharded cluster does so for a database that does not exist yet.
 */
export async function dryRunInsert(
  { collection }: OpenCollection,
  document: Document,
  form: LoadedForm,
  limits: Limits,
): Promise<LoadedDocument | undefined> {
  const pipeline = [...ONE_ROW, { $replaceWith: { $literal: document } }, ...toStages(form)]
  const rows = await collection.aggregate<SizedRow>(pipeline, toOptions(limits, collection)).toArray()
  return toLoadedRow(rows, form)
}

/**
 * Gives one row, even if the collection is empty or does not exist. The stage `$documents` would need the right to read the
 * whole database, and MongoDB 5.1.
 */
const ONE_ROW: readonly Document[] = [{ $limit: 1 }, { $facet: { nothing: [{ $limit: 1 }] } }]

function toLoadedRow([row]: readonly SizedRow[], form: LoadedForm) {
  return row && toLoaded(toFound(row), form)
}

function toStages({ projection, maxDocumentBytes }: LoadedForm): Document[] {
  return [...toTeamsProjection(projection), { $project: toSizedRow(maxDocumentBytes) }]
}

function toOptions({ timeoutMs, signal }: Limits, collection: Collection) {
  return {
    ...PLAIN_BSON,
    ...writtenFormOf(collection),
    bsonRegExp: keepsRegExp(collection),
    collation: { locale: 'simple' },
    readPreference: 'primary',
    maxTimeMS: timeoutMs,
    signal,
  } as const
}
