import { PLAIN_BSON } from './team-database.js'

/** Options for the operations of one deadline; see {@link toExactOperations}. */
export type ExactOperations = ReturnType<typeof toExactOperations>

/**
 * Options for reading and writing what is ours, within `timeoutMs`. Ids are compared exactly, whatever the collection's
 * collation: with strength 2, `bob` would end Bob's sessions. Without the `signal` the driver would go on trying after
 * the deadline, and do what was answered as not done.
 */
export function toExactOperations(timeoutMs: number, signal: AbortSignal) {
  const common = { ...PLAIN_BSON, signal } as const
  const exact = { ...common, collation: { locale: 'simple' } } as const
  // Majority: what was answered must not be rolled back by a failover.
  const writeConcern = { w: 'majority', wtimeoutMS: timeoutMs } as const
  return {
    read: { ...exact, readPreference: 'primary', maxTimeMS: timeoutMs },
    write: { ...exact, writeConcern },
    /** Nothing is compared. */
    insert: { ...common, writeConcern },
  } as const
}
