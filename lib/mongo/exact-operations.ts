import { PLAIN_BSON } from './team-database.js'

/** Options for the operations of one deadline; see {@link toExactOperations}. */
export type ExactOperations = ReturnType<typeof toExactOperations>

// Each option that an operation sets has a place here: V8 takes 1 us to add a member to a copy, and nothing to replace one.
const COMMON = { ...PLAIN_BSON, bsonRegExp: false as boolean, signal: undefined }
const EXACT = { ...COMMON, collation: { locale: 'simple' } } as const
const READ = { ...EXACT, readPreference: 'primary', maxTimeMS: undefined } as const
const WRITE = { ...EXACT, writeConcern: undefined }
const INSERT = { ...COMMON, writeConcern: undefined }

/**
 * Options for exact operations within `timeoutMs`. Ids are compared exactly, whatever the collation of
 * the collection: with strength 2, `bob` would end Bob's sessions. Without the `signal` the driver would go on trying after
 * the deadline, so an operation could still happen after the answer that it did not.
 */
export function toExactOperations(timeoutMs: number, signal: AbortSignal, bsonRegExp = false) {
  // A failover must not roll back a write that was confirmed to the client.
  const writeConcern = { w: 'majority', wtimeoutMS: timeoutMs } as const
  return {
    read: { ...READ, bsonRegExp, signal, maxTimeMS: timeoutMs },
    write: { ...WRITE, bsonRegExp, signal, writeConcern },
    /** Without a collation, because an insert compares nothing. */
    insert: { ...INSERT, signal, writeConcern },
  }
}
