/** What depends on the data of a load: the generation of its user, or a watch. */
export interface Dependent {
  /** False after it has ended. Then no change concerns it any more. */
  readonly current: boolean
}

/**
 * Finds the dependents that a change concerns. A load depends on the document that it read and on the values that it
 * searched for. A key names each of them. A change event names the document and the value that it has now.
 */
export interface ChangeIndex<Of extends Dependent> {
  /** Call it before a load: a change from now on may be newer than the document that the load reads. */
  begin: () => LoadMark
  /**
   * Whether anything that a load depends on has changed since its mark. If not, changes find the dependent by these keys
   * from now on. `toKeys` is called only if changes are followed.
   */
  hasChanged: (mark: LoadMark, dependent: Of, toKeys: () => readonly string[]) => boolean
  /** Call it after each load, also after one that failed. */
  end: () => void
  /** Notes a change and returns the dependents that it concerns. A dependent may be there twice. */
  changed: (keys: readonly string[]) => Of[]
  /** Removes a dependent that has ended, or whose keys are about to be replaced. */
  forget: (dependent: Of) => void
}

/** The number of changes before a load began. */
export type LoadMark = number

/** Changes remembered for running loads. If there are more, these loads count as changed. */
const MAX_REMEMBERED = 1_000

/** Creates an empty index. */
export function createChangeIndex<Of extends Dependent>(): ChangeIndex<Of> {
  const byKey = new Map<string, Of[]>()
  const keysOf = new Map<Of, Set<string>>()
  const recent = new Map<string, number>()
  let changes = 0
  let forgottenUntil = 0
  let inFlight = 0

  function note(dependent: Of, key: string): void {
    let keys = keysOf.get(dependent)
    if (!keys) keysOf.set(dependent, (keys = new Set()))
    if (keys.has(key)) return
    keys.add(key)
    const dependents = byKey.get(key)
    if (dependents) dependents.push(dependent)
    else byKey.set(key, [dependent])
  }

  function remember(key: string): void {
    if (recent.size >= MAX_REMEMBERED) {
      recent.clear()
      forgottenUntil = changes
    }
    recent.set(key, changes)
  }

  function dropKey(key: string, dependent: Of): void {
    const dependents = byKey.get(key)
    // One user may have thousands of watches, so the list is not copied for each of them.
    dependents?.splice(dependents.indexOf(dependent), 1)
    if (dependents?.length === 0) byKey.delete(key)
  }

  return {
    begin() {
      inFlight++
      return changes
    },
    hasChanged(mark, dependent, toKeys) {
      const keys = toKeys()
      if (mark < forgottenUntil || keys.some(key => (recent.get(key) ?? 0) > mark)) return true
      // A dependent that has ended is never forgotten again, so it would stay here.
      if (dependent.current) for (const key of keys) note(dependent, key)
      return false
    },
    end() {
      inFlight--
      if (inFlight === 0) recent.clear()
    },
    changed(keys) {
      changes++
      if (inFlight > 0) keys.forEach(remember)
      return keys.flatMap(key => byKey.get(key) ?? [])
    },
    forget(dependent) {
      for (const key of keysOf.get(dependent) ?? []) dropKey(key, dependent)
      keysOf.delete(dependent)
    },
  }
}

/** The index of an instance that does not follow changes. */
export const NO_CHANGE_INDEX = {
  begin: () => 0,
  hasChanged: () => false,
  end: () => undefined,
  changed: () => [],
  forget: () => undefined,
} satisfies ChangeIndex<never>
