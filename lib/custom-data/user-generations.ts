/** What was loaded for a user last, for what is equal to share its memory. The loader keeps it up. */
export interface LatestDocument {
  data: object | undefined
  heapBytes: number
}

/**
 * What was loaded for one user between two invalidations. Loads and cached copies hold on to the generation
 * in which they began, so that one assignment voids any number of them. There is one for each user: so it is flat.
 */
export interface UserGeneration extends LatestDocument {
  readonly userId: string
  /** False once the user was invalidated: nothing that began before may be served any more. */
  current: boolean
  /** Loads and copies that hold it. */
  holders: number
}

/** The users of whom anything is loaded or loading. */
export interface UserGenerations {
  /** The user's current generation; to be released when the holder is done with it. */
  hold(userId: string): UserGeneration
  /** One more holder of a generation that somebody holds already. */
  retain(generation: UserGeneration): void
  release(generation: UserGeneration): void
  /** Ends the user's generation. A user of whom nothing is held costs nothing. */
  invalidate(userId: string): void
  /** Ends all generations. */
  invalidateAll(): void
}

function createGeneration(userId: string): UserGeneration {
  return { userId, current: true, holders: 0, data: undefined, heapBytes: 0 }
}

/** Creates an empty book of generations. `onEnd` is told of each that ends, or that nobody holds any more. */
export function createUserGenerations(onEnd?: (generation: UserGeneration) => void): UserGenerations {
  const generations = new Map<string, UserGeneration>()

  function forget(generation: UserGeneration): void {
    generations.delete(generation.userId)
    onEnd?.(generation)
  }

  function end(generation: UserGeneration): void {
    generation.current = false
    forget(generation)
  }

  return {
    hold(userId) {
      let generation = generations.get(userId)
      if (!generation) generations.set(userId, (generation = createGeneration(userId)))
      generation.holders++
      return generation
    },
    retain(generation) {
      generation.holders++
    },
    release(generation) {
      generation.holders--
      if (generation.holders === 0 && generation.current) forget(generation)
    },
    invalidate(userId) {
      const generation = generations.get(userId)
      if (generation) end(generation)
    },
    invalidateAll() {
      for (const generation of generations.values()) end(generation)
    },
  }
}
