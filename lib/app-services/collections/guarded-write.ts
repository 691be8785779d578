import { CustomUserDataError } from '../../index.js'
import type { DocumentFilter, UpdateOperators, WriteCounts } from '../../index.js'
import { duplicateKey, refused } from './collection-errors.js'
import type { OwnAccess } from './own-access.js'
import { topOf } from '../wire/values.js'
import type { PlainObject } from '../wire/values.js'

/** A filter that no document matches. An upsert with it creates a document, or does nothing. */
const NOTHING: DocumentFilter = { _id: { $exists: false } }
/** The error for a second document of a user. */
export const ONE_DOCUMENT = 'the user has a document already, and can have only the one'

/** A write whose rights are checked. */
export interface CheckedWrite {
  readonly filter: PlainObject
  /** Whether to create a document for a user who had none when the rights were checked. */
  readonly creates: boolean
  /** Whether the document before the write is needed, from the same command. */
  readonly returnsBefore: boolean
  readonly change: Change
}

type Change =
  | {
      readonly kind: 'update'
      readonly operators: UpdateOperators
      readonly paths: readonly string[]
      readonly arrayFilters: unknown
    }
  | { readonly kind: 'replace'; readonly document: PlainObject }

/** The result of a write. */
export interface Written {
  readonly matchedCount: number
  readonly modifiedCount: number
  readonly upserted: boolean
  /** The document before the write; `undefined` if there was none, or if nothing was written. */
  readonly before: object | undefined
  /** The document after the write; `undefined` if nothing was written. */
  readonly after: object | undefined
}

/**
 * Writes, and reads the document again. Loads refuse a document that is too large or that the schema does not accept, and a
 * user with such a document could not log in any more. So the write is undone then.
 *
 * @throws AppServicesError `MongoDBError` if the document could not be loaded any more
 */
export async function writeGuarded(access: OwnAccess, write: CheckedWrite): Promise<Written> {
  const { before, ...counts } = await run(access, write)
  if (counts.matchedCount === 0 && !counts.upserted) return { ...counts, before, after: undefined }
  try {
    return { ...counts, before, after: await access.document.read() }
  } catch (error) {
    if (!isUnloadable(error)) throw error
    await undo(access, write)
    throw refused('the document would be too large, or would not have the expected form', error)
  }
}

async function run(access: OwnAccess, write: CheckedWrite): Promise<Omit<Written, 'after'>> {
  const { filter, creates, returnsBefore } = write
  // The rights on an existing document may differ, so a document that was created meanwhile is not changed.
  const options = { where: creates ? NOTHING : filter, upsert: creates } as const
  if (returnsBefore && !creates) {
    const before = await send(access, write.change, { ...options, returns: 'before' })
    const count = before ? 1 : 0
    return { matchedCount: count, modifiedCount: count, upserted: false, before }
  }
  const counts = await send(access, write.change, { ...options, returns: 'counts' })
  if (creates && !counts.upserted) throw duplicateKey(ONE_DOCUMENT)
  return { ...counts, before: undefined }
}

interface SendOptions<Returns> {
  readonly where: DocumentFilter
  readonly upsert: boolean
  readonly returns: Returns
}

async function send(access: OwnAccess, change: Change, options: SendOptions<'counts'>): Promise<WriteCounts>
async function send(
  access: OwnAccess,
  change: Change,
  options: SendOptions<'before'>,
): Promise<object | undefined>
async function send(
  { document, bson, options: limits }: OwnAccess,
  change: Change,
  options: SendOptions<'before' | 'counts'>,
): Promise<object | undefined> {
  // The overloads of `forUser()` want one of the two values.
  const sent = options as SendOptions<'before'>
  if (change.kind === 'update') {
    const { operators, arrayFilters } = change
    const filters = arrayFilters === undefined ? {} : { arrayFilters: arrayFilters as DocumentFilter[] }
    return document.update(operators, { ...sent, ...filters })
  }
  if (bson().calculateObjectSize(change.document) > limits.maxDocumentBytes)
    throw refused(`the document would have more than ${limits.maxDocumentBytes} bytes`)
  return document.replace(change.document, sent)
}

/** Puts the fields back that were changed, and leaves the others alone, which may have been hidden or changed meanwhile. */
async function undo({ document, stored }: OwnAccess, { change }: CheckedWrite): Promise<void> {
  if (!stored) await document.delete()
  else if (change.kind === 'replace') await document.replace(stored)
  else await document.update(toUndo(stored as PlainObject, [...new Set(change.paths.map(topOf))]))
}

function toUndo(before: PlainObject, fields: readonly string[]): UpdateOperators {
  const isThere = (name: string) => Object.hasOwn(before, name)
  const $set = Object.fromEntries(fields.filter(isThere).map(name => [name, before[name]]))
  const $unset = Object.fromEntries(fields.filter(name => !isThere(name)).map(name => [name, 1]))
  return {
    ...(Object.keys($set).length > 0 ? { $set } : {}),
    ...(Object.keys($unset).length > 0 ? { $unset } : {}),
  }
}

function isUnloadable(error: unknown): boolean {
  return (
    error instanceof CustomUserDataError &&
    ['custom_data_too_large', 'custom_data_invalid'].includes(error.code)
  )
}
