import type { UserGeneration } from './user-generations.js'

/**
 * Which generations a change concerns. A load depends on the document that it has read and on the values that it has
 * looked for, each named by a key; a change event names the document and the value that it has now.
 */
export interface ChangeIndex {
  /** A load begins. What changes from now on may be newer than what it reads. */
  begin: () => LoadMark
  /**
   * A load has read. Whether what it depends on has changed meanwhile; if not, the generation is found by these keys
   * from now on. They are asked for only where changes are told.
   */
  hasChanged: (mark: LoadMark, generation: UserGeneration, toKeys: () => readonly string[]) => boolean
  /** A load is done, or has failed. */
  end: () => void
  /** Notes a change; the users concerned, as far as they are known yet. */
  changed: (keys: readonly string[]) => string[]
  /** The generation is over, or nobody holds it any more. */
  forget: (generation: UserGeneration) => void
}

/** When a load began, counted in changes. */
export type LoadMark = number

/** Changes remembered for the sake of loads in flight; beyond it those are taken for overtaken. */
const MAX_REMEMBERED = 1_000

/** Creates an empty book. */
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
      // One that is void already is found by nobody, and would never be forgotten.
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

/** Where nobody tells of changes, nothing is noted. */
export const NO_CHANGE_INDEX: ChangeIndex = {
  begin: () => 0,
  hasChanged: () => false,
  end: () => undefined,
  changed: () => [],
  forget: () => undefined,
}
