/** A place that holds custom data: the cache of snapshots, or the data inside access tokens. */
export interface InvalidationTarget {
  /** Drops what was read of a user before now. */
  invalidate: (userId: string) => void
  /** Drops what a changed document may concern: data read from it, and data of the user whose id it has now. */
  changed: (documentId: unknown, userIdValue: unknown) => void
  /** Drops everything that was read before now. */
  invalidateAll: () => void
}

/**
 * Creates the registry of places that hold custom data. Writes, revocations and change streams invalidate through it, so
 * that they need not know which places there are.
 */
export function createInvalidations() {
  const targets: InvalidationTarget[] = []
  return {
    add: (target: InvalidationTarget): void => void targets.push(target),
    invalidate: (userId: string): void => {
      for (const target of targets) target.invalidate(userId)
    },
    changed: (documentId: unknown, userIdValue: unknown): void => {
      for (const target of targets) target.changed(documentId, userIdValue)
    },
    invalidateAll: (): void => {
      for (const target of targets) target.invalidateAll()
    },
  }
}
