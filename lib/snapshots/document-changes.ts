import { isFrozenCopyOf, toFrozenCopy } from '../documents/frozen-copy.js'

/**
 * A change of a user's own document, as `forUser().watch()` tells it. `documentId` is the `_id` of the document. It is there
 * also if the option `projection` hides `_id`, so think before you send it to a client.
 *
 * - `insert`: the user has a document now. It may be new, or another user had it before.
 * - `update`: the document has changed, by an update or by a replacement. `updatedFields` has each field of the top level
 *   that is new or has a new value. `removedFields` has the names of the fields that were removed.
 * - `delete`: the user has this document no more. It was removed, or another document counts now.
 */
export type DocumentChange<CustomData> =
  | {
      readonly operationType: 'insert'
      readonly documentId: unknown
      readonly document: CustomData
    }
  | {
      readonly operationType: 'update'
      readonly documentId: unknown
      readonly document: CustomData
      readonly updatedFields: Partial<CustomData>
      readonly removedFields: readonly string[]
    }
  | {
      readonly operationType: 'delete'
      readonly documentId: unknown
      readonly document?: undefined
    }

/** The changes of one user's document. It can be iterated once. */
export interface DocumentChanges<CustomData> extends AsyncIterableIterator<DocumentChange<CustomData>> {
  /** Ends the watch. A call of `next()` that waits for a change resolves at once, and says that there are no more. */
  return(): Promise<IteratorResult<DocumentChange<CustomData>, undefined>>
}

type Update = Extract<DocumentChange<object>, { readonly operationType: 'update' }>

/** The fields of the top level that differ between two frozen documents; `undefined` if only their order differs. */
export function findChangedFields(
  before: object,
  after: object,
): Pick<Update, 'updatedFields' | 'removedFields'> | undefined {
  const removedFields = Object.keys(before).filter(name => !Object.hasOwn(after, name))
  const updated = Object.entries(after).filter(([name, value]) => !hasValue(before, name, value))
  if (updated.length === 0 && removedFields.length === 0) return undefined
  return { updatedFields: toFrozenCopy(Object.fromEntries(updated)), removedFields }
}

/** Only the members of an object can be compared with those of a frozen copy. */
function hasValue(document: object, name: string, value: unknown): boolean {
  if (!Object.hasOwn(document, name)) return false
  const before: unknown = Reflect.get(document, name)
  return isFrozenCopyOf(toFrozenCopy([before]), [value])
}
