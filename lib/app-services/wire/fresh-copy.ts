import type { BSON } from 'mongodb'

/**
 * A copy of a document as the driver would read it: plain objects and values that nobody else holds. Frozen snapshots
 * become objects that a function of the team may change.
 */
export function freshCopy<Value extends object>(value: Value, bson: typeof BSON): Value {
  return bson.deserialize(bson.serialize(value)) as Value
}
