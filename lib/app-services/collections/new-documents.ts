import { notPermitted } from './collection-errors.js'
import type { OwnAccess } from './own-access.js'
import { topOf } from '../wire/values.js'
import type { PlainObject } from '../wire/values.js'

/**
 * Checks that the user may create a document.
 * @throws AppServicesError `NoMatchingRuleFound`
 */
export function requireCreatable(access: OwnAccess, document: PlainObject): void {
  const { mayInsert, mayWrite } = access.permissionsForNew(document)
  if (!mayInsert) throw notPermitted('the document may not be created')
  // The core makes the `_id` from the user's id, so that of two parallel inserts one fails.
  if (Object.hasOwn(document, '_id'))
    throw notPermitted('the service sets the _id of the document, so leave it out')
  const { userIdField } = access.options
  const refused = Object.keys(document).find(name => name !== topOf(userIdField) && !mayWrite(name))
  if (refused !== undefined) throw notPermitted(`the field ${JSON.stringify(refused)} may not be written`)
}

/** The document that an upsert would create, for rules that look at it. */
export function toNewDocument(
  { inspectsNewDocuments }: OwnAccess,
  operators: Readonly<Record<string, PlainObject>>,
): PlainObject {
  const { $set = {}, $setOnInsert = {}, ...others } = operators
  const document = { ...$setOnInsert, ...$set }
  const isKnown = Object.keys(others).length === 0 && !Object.keys(document).some(path => path.includes('.'))
  if (inspectsNewDocuments && !isKnown)
    throw notPermitted(
      'the rules look at the new document, so create it by insertOne, or by $set of whole fields',
    )
  return Object.fromEntries(Object.entries(document).filter(([path]) => !path.includes('.')))
}

/**
 * Takes the `_id` of the document out of a change. Clients write it because the document that they have read has it.
 * @throws AppServicesError `NoMatchingRuleFound` for another `_id`
 */
export async function withoutPrimaryKey(
  { document, stored }: OwnAccess,
  fields: PlainObject,
): Promise<PlainObject> {
  if (!Object.hasOwn(fields, '_id')) return fields
  const { _id, ...others } = fields
  const isSame = stored !== undefined && (await document.find({ _id: { $eq: _id } })) !== undefined
  if (!isSame) throw notPermitted('the _id of the document cannot be changed')
  return others
}
