import { nearestName } from '../util/nearest-name.js'
import type { Check } from './check.js'
import { lookAtAny, lookAtHolder } from './stored-ids.js'

/** The most fields that the warning names. */
const MAX_NAMED = 10

/** The types of a document without the user id field. A path through a list of objects gives a list, even if it is empty. */
const NO_ID: readonly string[] = ['missing', 'null', 'undefined', 'array']

/** Checks whether any document has the user id field. Without it no user has a document. An empty collection is new. */
export const checkUserIdField: Check = async (target, limits) => {
  const { collection, userIdField } = target
  const any = await lookAtAny(target, limits)
  // The tests of an app may empty the collection between two queries, so the first document counts as well.
  if (!any || !NO_ID.includes(any.type) || (await lookAtHolder(target, limits))) return []
  // Every document has an `_id`, so it is no sign of a mistyped name. Names are compared with names, not with paths.
  const candidates = userIdField.includes('.')
    ? []
    : any.fields.filter(field => field !== '_id' && field !== userIdField)
  const nearest = nearestName(toPlain(userIdField), candidates.map(toPlain))
  const meant = candidates.find(field => toPlain(field) === nearest)
  const named = any.fields.slice(0, MAX_NAMED).map(field => `"${field}"`)
  const instead =
    meant === undefined
      ? `Give the field that holds the user's id by the option userIdField. A document has the fields ${named.join(', ')}.`
      : `Write userIdField: ${JSON.stringify(meant)}, if this field of a document holds the user's id.`
  const message = `No document of ${collection.namespace} has the field "${userIdField}", so no user has custom data. ${instead}`
  return [{ code: 'user_id_field_missing', message }]
}

/** `user_id`, `user-id` and `userId` are the same name in three spellings. */
function toPlain(name: string): string {
  return name.replaceAll(/[_-]/g, '').toLowerCase()
}
