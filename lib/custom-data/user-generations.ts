/**
 * What was loaded for one user between two invalidations. Loads and cached copies hold on to the generation
 * in which they began, so that one assignment voids any number of them.
 */
export interface UserGeneration {
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
}

/** Creates an empty book of generations. */
export function createUserGenerations(): UserGenerations {
  const generations = new Map<string, UserGeneration>()
  return {
    hold(userId) {
      let generation = generations.get(userId)
      if (!generation) generations.set(userId, (generation = { userId, current: true, holders: 0 }))
      generation.holders++
      return generation
    },
    retain(generation) {
      generation.holders++
    },
    release(generation) {
      generation.holders--
      if (generation.holders === 0 && generation.current) generations.delete(generation.userId)
    },
    invalidate(userId) {
      const generation = generations.get(userId)
      if (!generation) return
      generation.current = false
      generations.delete(userId)
    },
  }
}
