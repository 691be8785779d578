import type { Collection, Db, Document } from 'mongodb'
import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import { toLoaded } from '../documents/loader.js'
import type { LoadedDocument, LoadedForm } from '../documents/loader.js'
import { toFound, toSizedRow, toTeamsProjection } from '../documents/find-document.js'
import type { SizedRow } from '../documents/find-document.js'

/** Fields of a document that are to be set, and others that are to be removed. */
export interface FieldChange {
  readonly set: Readonly<Record<string, unknown>>
  readonly unset: readonly string[]
}

/** Within which time a rehearsal must be done. */
export interface RehearsalLimits {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * A document as loads would give it after a change, computed by the server and not stored: what loads would refuse,
 * by its size or by the team's schema, must not be written, or its user could not log in any more.
 * `undefined`: no document passes the filter.
 */
export async function rehearseChange(
  collection: Collection,
  { filter, change }: { readonly filter: Document; readonly change: FieldChange },
  form: LoadedForm,
  limits: RehearsalLimits,
): Promise<LoadedDocument | undefined> {
  const { set, unset } = change
  const pipeline = [
    { $match: filter },
    ...(unset.length > 0 ? [{ $unset: unset }] : []),
    { $replaceWith: { $mergeObjects: ['$$ROOT', { $literal: set }] } },
    ...toStages(form),
  ]
  const rows = await collection.aggregate<SizedRow>(pipeline, toOptions(limits)).toArray()
  return toLoadedRow(rows, form)
}

/** The same for a document that is to be inserted. `undefined`: this server cannot tell. */
export async function rehearseInsert(
  database: Db,
  document: Document,
  form: LoadedForm,
  limits: RehearsalLimits,
): Promise<LoadedDocument | undefined> {
  const pipeline = [{ $documents: { $literal: [document] } }, ...toStages(form)]
  try {
    const rows = await database.aggregate<SizedRow>(pipeline, toOptions(limits)).toArray()
    return await toLoadedRow(rows, form)
  } catch (error) {
    if (hasCode(error, SERVER_ERRORS.unrecognizedStage)) return undefined
    throw error
  }
}

function toLoadedRow([row]: readonly SizedRow[], form: LoadedForm) {
  return row && toLoaded(toFound(row), form)
}

function toStages({ projection, maxDocumentBytes }: LoadedForm): Document[] {
  return [...toTeamsProjection(projection), { $project: toSizedRow(maxDocumentBytes) }]
}

function toOptions({ timeoutMs, signal }: RehearsalLimits) {
  return {
    ...PLAIN_BSON,
    collation: { locale: 'simple' },
    readPreference: 'primary',
    maxTimeMS: timeoutMs,
    signal,
  } as const
}
