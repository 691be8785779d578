import { parseChange, parseDocument, pathsOf, requireWritable, withoutOwnId } from './client-changes.js'
import type { ClientChange } from './client-changes.js'
import { duplicateKey, notPermitted, wrongArgument } from './collection-errors.js'
import { ONE_DOCUMENT, writeGuarded } from './guarded-write.js'
import type { Written } from './guarded-write.js'
import { requireCreatable, toNewDocument, withoutPrimaryKey } from './new-documents.js'
import { checkSort, isOwnId, requireReadable, toFilter, toView } from './own-access.js'
import type { OwnAccess } from './own-access.js'
import { isPlainObject } from '../wire/values.js'
import type { PlainObject } from '../wire/values.js'

/** Creates the document. */
export async function insertOne(access: OwnAccess, { document }: PlainObject): Promise<PlainObject> {
  return { insertedId: await insert(access, document) }
}

/** Creates the document, from a list of one. */
export async function insertMany(access: OwnAccess, { documents }: PlainObject): Promise<PlainObject> {
  if (!Array.isArray(documents) || documents.length === 0)
    throw wrongArgument('"documents" must be a list of documents')
  if (documents.length > 1) throw duplicateKey('a user can have only the one document')
  return { insertedIds: [await insert(access, documents[0])] }
}

async function insert(access: OwnAccess, given: unknown): Promise<unknown> {
  const document = parseDocument(given)
  requireCreatable(access, document)
  const change = { kind: 'replace', document } as const
  const { after } = await writeGuarded(access, { filter: {}, creates: true, returnsBefore: false, change })
  return idOf(after)
}

/** Changes the document by operators, or sets the fields of a document without operators. */
export async function updateOne(access: OwnAccess, args: PlainObject): Promise<PlainObject> {
  const { query, update: change, upsert, arrayFilters } = args
  const target = { filter: query, upsert, returnsBefore: false }
  const { matchedCount, modifiedCount, upserted, after } = await update(
    access,
    parseChange(change),
    target,
    arrayFilters,
  )
  return { matchedCount, modifiedCount, ...(upserted ? { upsertedId: idOf(after) } : {}) }
}

/** Does what {@link updateOne} does, and answers the document. */
export async function findOneAndUpdate(access: OwnAccess, args: PlainObject): Promise<PlainObject | null> {
  const answer = toAnswer(access, args)
  const change = parseChange(args['update'])
  return answer(await update(access, change, { ...args, returnsBefore: args['returnNewDocument'] !== true }))
}

/**
 * Replaces the document, and answers it. The client's `findOneAndDelete` arrives here too, without `update`: an empty
 * replacement must not be written for it.
 */
export async function findOneAndReplace(access: OwnAccess, args: PlainObject): Promise<PlainObject | null> {
  if (args['update'] === undefined) return findOneAndDelete(access, args)
  const answer = toAnswer(access, args)
  const given = parseDocument(args['update'])
  const { filter, creates, permitted } = toTarget(access, args, given)
  if (creates) requireCreatable(access, given)
  else if (!permitted.writesAll)
    throw notPermitted(
      'some fields may not be written, so the document cannot be replaced; update the others',
    )
  const document = creates ? given : await withoutPrimaryKey(access, given)
  const returnsBefore = args['returnNewDocument'] !== true
  const written = await writeGuarded(access, {
    filter,
    creates,
    returnsBefore,
    change: { kind: 'replace', document },
  })
  refuseSecond(access, args, written)
  return answer(written)
}

/** Removes the document, and answers it. */
export async function findOneAndDelete(
  access: OwnAccess,
  { filter: given, projection, sort }: PlainObject,
): Promise<PlainObject | null> {
  requireReadable(access)
  const filter = toDeletion(access, given)
  const view = toView(access, projection)
  checkSort(access, sort)
  const found = await access.document.find(filter)
  return found && (await access.document.delete({ where: filter })) ? view(found) : null
}

/** Removes the document. */
export async function deleteOne(access: OwnAccess, { query }: PlainObject): Promise<PlainObject> {
  return { deletedCount: (await access.document.delete({ where: toDeletion(access, query) })) ? 1 : 0 }
}

function toDeletion(access: OwnAccess, filter: unknown): PlainObject {
  if (!access.permissions.mayDelete) throw notPermitted('the document may not be deleted')
  return toFilter(access, filter)
}

/** Makes the function that answers the document before or after a write. */
function toAnswer(
  access: OwnAccess,
  { projection, sort, returnNewDocument }: PlainObject,
): (written: Written) => PlainObject | null {
  requireReadable(access)
  const view = toView(access, projection)
  checkSort(access, sort)
  return ({ before, after }) => {
    const document = returnNewDocument === true ? after : before
    return document ? view(document) : null
  }
}

interface TargetArguments {
  readonly filter?: unknown
  readonly upsert?: unknown
}

async function update(
  access: OwnAccess,
  change: ClientChange,
  target: TargetArguments & { readonly returnsBefore: boolean },
  arrayFilters?: unknown,
): Promise<Written> {
  const { userIdField } = access.options
  const $set = change.kind === 'fields' ? change.fields : change.operators['$set']
  const given = change.kind === 'fields' ? {} : change.operators
  const changed = $set ? { ...given, $set: await withoutPrimaryKey(access, $set) } : given
  const operators = withoutOwnId(changed, value => isOwnId(access, value), userIdField)
  const paths = pathsOf(operators)
  const isUpsert = target.upsert === true && !access.stored
  const created = isUpsert ? toNewDocument(access, operators) : {}
  const { filter, creates, permitted } = toTarget(access, target, created)
  requireWritable(paths, permitted, userIdField)
  if (creates) requireCreatable(access, created)
  const written = await writeGuarded(access, {
    filter,
    creates,
    returnsBefore: target.returnsBefore,
    change: { kind: 'update', operators, paths, arrayFilters },
  })
  refuseSecond(access, target, written)
  return written
}

/** What a write is applied to: the document as it was read, or a new one. */
function toTarget(access: OwnAccess, { filter: given, upsert }: TargetArguments, created: PlainObject) {
  const creates = upsert === true && !access.stored
  const permitted = creates ? access.permissionsForNew(created) : access.permissions
  const filter = toFilter({ ...access, permissions: permitted }, given)
  if (upsert === true && namesAnotherUser(access, filter)) throw notPermitted('the filter names another user')
  return { filter, creates, permitted }
}

/** An upsert stores the values of its filter in MongoDB, so a filter with another id asks for a document of another user. */
function namesAnotherUser(access: OwnAccess, filter: PlainObject): boolean {
  return Object.entries(filter).some(([key, value]) => {
    if (key === '$and') return (value as PlainObject[]).some(part => namesAnotherUser(access, part))
    if (key !== access.options.userIdField) return false
    return !isOwnId(access, isPlainObject(value) && '$eq' in value ? value['$eq'] : value)
  })
}

/** In MongoDB an upsert creates a second document if the first does not match. A unique index refuses that. */
function refuseSecond(
  { stored }: OwnAccess,
  { upsert }: TargetArguments,
  { matchedCount, upserted }: Written,
): void {
  if (upsert === true && stored && matchedCount === 0 && !upserted) throw duplicateKey(ONE_DOCUMENT)
}

/** `null` if the instance hides the `_id`. */
function idOf(document: object | undefined): unknown {
  return (document as PlainObject | undefined)?.['_id'] ?? null
}
