import type { Document } from 'mongodb'
import { PLAIN_BSON } from '../mongo/team-database.js'
import type { CheckLimits, CheckTarget } from './check.js'

/** One document, seen without its values. */
export interface StoredId {
  /** The names of the document's fields. */
  readonly fields: readonly string[]
  /** The type of the user id field, by MongoDB's name: `string`, `int`, `missing`. */
  readonly type: string
}

/** The types that the user id field may have without the option `toFieldValues`. */
export const USABLE_TYPES = ['string', 'objectId']

/** Looks at one document of the collection; `undefined` if there is none. */
export function lookAtAny(target: CheckTarget, limits: CheckLimits): Promise<StoredId | undefined> {
  return lookAt(target, limits, {})
}

/** Looks at one document that has the user id field; `undefined` if there is none. */
export function lookAtHolder(target: CheckTarget, limits: CheckLimits): Promise<StoredId | undefined> {
  // The index on the field finds such a document at once, also among millions without the field.
  return lookAt(target, limits, { [target.userIdField]: { $ne: null, $exists: true } })
}

/** Whether any document has an id of one of the types, by MongoDB's names. The index on the field finds it at once. */
export async function hasIdOf(
  types: readonly string[],
  target: CheckTarget,
  limits: CheckLimits,
): Promise<boolean> {
  // An array that contains a text matches its type too.
  const ofTypes = { $type: types, $not: { $type: 'array' } }
  return (await lookAt(target, limits, { [target.userIdField]: ofTypes })) !== undefined
}

/** The server computes names and type, so that no value is sent and no value has to be decoded. */
async function lookAt(
  { collection, userIdField }: CheckTarget,
  { timeoutMs, signal }: CheckLimits,
  filter: Document,
): Promise<StoredId | undefined> {
  const pipeline = [
    { $match: filter },
    { $limit: 1 },
    {
      $project: {
        _id: 0,
        fields: { $map: { input: { $objectToArray: '$$ROOT' }, in: '$$this.k' } },
        type: { $type: `$${userIdField}` },
      },
    },
  ]
  const options = {
    ...PLAIN_BSON,
    // The collation of the index, whatever the collation of the collection.
    collation: { locale: 'simple' },
    readPreference: 'primary',
    maxTimeMS: timeoutMs,
    signal,
  } as const
  const [found] = await collection.aggregate<StoredId>(pipeline, options).toArray()
  return found
}
