import type { Collection, Document } from 'mongodb'
import type { OpenCollection } from '../mongo/team-database.js'
import type { LoadedDocument, LoadedForm } from '../documents/loader.js'
import { loadRow } from './load-rows.js'
import type { Limits } from './load-rows.js'

/** Fields of a document to set, and fields to remove. */
export interface FieldChange {
  readonly set: Readonly<Record<string, unknown>>
  readonly unset: readonly string[]
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
  const stages = [
    { $match: filter },
    ...(unset.length > 0 ? [{ $unset: unset }] : []),
    { $replaceWith: { $mergeObjects: ['$$ROOT', { $literal: set }] } },
  ]
  return loadRow(collection, stages, form, limits)
}

/**
 * Returns a document that is not stored, or not any more, as a load would return it. `undefined` if the server gives no
 * answer for it: the router of a sharded cluster does so for a database that does not exist yet.
 */
export async function dryRunInsert(
  { collection }: Pick<OpenCollection, 'collection'>,
  document: Document,
  form: LoadedForm,
  limits: Limits,
): Promise<LoadedDocument | undefined> {
  return loadRow(collection, [...ONE_ROW, { $replaceWith: { $literal: document } }], form, limits)
}

/**
 * Gives one row, even if the collection is empty or does not exist. The stage `$documents` would need the right to read the
 * whole database, and MongoDB 5.1.
 */
const ONE_ROW: readonly Document[] = [{ $limit: 1 }, { $facet: { nothing: [{ $limit: 1 }] } }]
