import type { UserGeneration } from './user-generations.js'

/**
 * Finds the generations that a change concerns. A load depends on the document that it read and on the values that it
 * searched for. A key names each of them. A change event names the document and the value that it has now.
 */
export interface ChangeIndex {
  /** Call it before a load: a change from now on may be newer than the document that the load reads. */
  begin: () => LoadMark
  /**
   * Whether anything that a load depends on has changed since its mark. If not, changes find the generation by these keys
   * from now on. `toKeys` is called only if changes are followed.
   */
  hasChanged: (mark: LoadMark, generation: UserGeneration, toKeys: () => readonly string[]) => boolean
  /** Call it after each load, also after one that failed. */
  end: () => void
  /** Notes a change and returns the ids of the users that it concerns. */
  changed: (keys: readonly string[]) => string[]
  /** Removes a generation that has ended or has no holder. */
  forget: (generation: UserGeneration) => void
}

/** The number of changes before a load began. */
export type LoadMark = number

/** Changes remembered for running loads. If there are more, these loads count as changed. */
const MAX_REMEMBERED = 1_000

/** Creates an empty index. */
export function createChangeIndex(): ChangeIndex {
  const byKey = new Map<string, UserGeneration[]>()
  const keysOf = new Map<UserGeneration, Set<string>>()
  const recent = new Map<string, number>()
  let changes = 0
  let forgottenUntil = 0
  let inFlight = 0

  function note(generation: UserGeneration, key: string): void {
    let keys = keysOf.get(generation)
    if (!keys) keysOf.set(generation, (keys = new Set()))
    if (keys.has(key)) return
    keys.add(key)
    const generations = byKey.get(key)
    if (generations) generations.push(generation)
    else byKey.set(key, [generation])
  }

  function remember(key: string): void {
    if (recent.size >= MAX_REMEMBERED) {
      recent.clear()
      forgottenUntil = changes
    }
    recent.set(key, changes)
  }

  function dropKey(key: string, generation: UserGeneration): void {
    const others = byKey.get(key)?.filter(other => other !== generation) ?? []
    if (others.length === 0) byKey.delete(key)
    else byKey.set(key, others)
  }

  return {
    begin() {
      inFlight++
      return changes
    },
    hasChanged(mark, generation, toKeys) {
      const keys = toKeys()
      if (mark < forgottenUntil || keys.some(key => (recent.get(key) ?? 0) > mark)) return true
      // A generation that has ended is never forgotten again, so it would stay here.
      if (generation.current) for (const key of keys) note(generation, key)
      return false
    },
    end() {
      inFlight--
      if (inFlight === 0) recent.clear()
    },
    changed(keys) {
      changes++
      if (inFlight > 0) keys.forEach(remember)
      return keys.flatMap(key => byKey.get(key)?.map(({ userId }) => userId) ?? [])
    },
    forget(generation) {
      for (const key of keysOf.get(generation) ?? []) dropKey(key, generation)
      keysOf.delete(generation)
    },
  }
}

/** The index of an instance that does not follow changes. */
export const NO_CHANGE_INDEX: ChangeIndex = {
  begin: () => 0,
  hasChanged: () => false,
  end: () => undefined,
  changed: () => [],
  forget: () => undefined,
}
