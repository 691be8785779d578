import { PLAIN_BSON } from './team-database.js'

/** Options for the operations of one deadline; see {@link toExactOperations}. */
export type ExactOperations = ReturnType<typeof toExactOperations>

// Each has a place for what an operation puts there: V8 takes 1 us to add a member to a copy, and nothing to replace one.
const COMMON = { ...PLAIN_BSON, signal: undefined }
const EXACT = { ...COMMON, collation: { locale: 'simple' } } as const
const READ = { ...EXACT, readPreference: 'primary', maxTimeMS: undefined } as const
const WRITE = { ...EXACT, writeConcern: undefined }
const INSERT = { ...COMMON, writeConcern: undefined }

/**
 * Options for reading and writing what is ours, within `timeoutMs`. Ids are compared exactly, whatever the collection's
 * collation: with strength 2, `bob` would end Bob's sessions. Without the `signal` the driver would go on trying after
 * the deadline, and do what was answered as not done.
 */
export function toExactOperations(timeoutMs: number, signal: AbortSignal) {
  // Majority: what was answered must not be rolled back by a failover.
  const writeConcern = { w: 'majority', wtimeoutMS: timeoutMs } as const
  return {
    read: { ...READ, signal, maxTimeMS: timeoutMs },
    write: { ...WRITE, signal, writeConcern },
    /** Nothing is compared. */
    insert: { ...INSERT, signal, writeConcern },
  }
}
