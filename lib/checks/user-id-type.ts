import type { Check } from './check.js'
import { hasIdOf, lookAtHolder, USABLE_TYPES } from './stored-ids.js'

const NUMBER = 'toFieldValues: id => (/^(0|[1-9]\\d{0,14})$/.test(id) ? [Number(id)] : [])'
/** What to write for each type, by MongoDB's names. */
const INSTEAD: Readonly<Record<string, string>> = {
  int: `Write ${NUMBER}`,
  long: `Write ${NUMBER}`,
  double: `Write ${NUMBER}`,
  decimal: 'Write toFieldValues: id => [Decimal128.fromString(id)]',
  binData: 'For UUIDs write toFieldValues: id => (UUID.isValid(id) ? [new UUID(id)] : [])',
  array: 'An array belongs to nobody. Store one id in each document',
}

/** Checks whether the stored user ids can be found. User ids are texts, so they find only texts and ObjectIds. */
export const checkUserIdType: Check = async (target, limits) => {
  if (target.hasToFieldValues) return []
  const holder = await lookAtHolder(target, limits)
  if (!holder || USABLE_TYPES.includes(holder.type) || (await hasIdOf(USABLE_TYPES, target, limits)))
    return []
  const { collection, userIdField } = target
  const instead = INSTEAD[holder.type] ?? 'Give the stored values of an id by the option toFieldValues'
  const message =
    `The field "${userIdField}" of ${collection.namespace} holds values of the type ${holder.type}. User ids are texts, and ` +
    `find only texts and ObjectIds, so no user has custom data. ${instead}.`
  return [{ code: 'user_id_type_unusable', message }]
}

/** Checks whether some user ids are stored as texts and others as ObjectIds. New documents then get texts. */
export const checkMixedUserIds: Check = async (target, limits) => {
  if (target.hasToFieldValues) return []
  for (const type of USABLE_TYPES) if (!(await hasIdOf([type], target, limits))) return []
  const { collection, userIdField } = target
  const message =
    `The field "${userIdField}" of ${collection.namespace} holds texts in some documents and ObjectIds in others. A new ` +
    'document gets a text, and code that searches for ObjectIds does not find it, such as a reference of mongoose. Convert the ' +
    'ids to one type. Or write the type of new ids first: ' +
    'toFieldValues: id => (/^[0-9a-f]{24}$/.test(id) ? [new ObjectId(id), id] : [id]).'
  return [{ code: 'user_id_types_mixed', message }]
}
