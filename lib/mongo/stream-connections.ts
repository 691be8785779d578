import type { TeamDatabase } from './team-database.js'

/** Rejection of a stream that would leave too few connections of its client for the app. */
export class PoolOccupiedError extends Error {
  override readonly name = 'PoolOccupiedError'
}

/** The database of a stream. */
type StreamDatabase = Pick<TeamDatabase, 'open' | 'client' | 'maxPoolSize'>

/** With this pool the two streams of one instance leave as many connections for the app. */
const MIN_POOL_SIZE = 4
const STREAMS_PER_INSTANCE = 2
/** The streams of several instances together occupy at most one connection in three. */
const POOL_DIVISOR = 3

/** How many connections of each client the streams of all instances occupy. */
const occupied = new WeakMap<object, number>()

/**
 * The connections that the streams of one instance occupy. A stream waits for changes all the time, so it occupies a
 * connection as long as it is open. Without a limit several instances on one client would leave no connection for the app.
 */
export class StreamConnections {
  /** The database of each stream of the instance. */
  readonly #databases: readonly StreamDatabase[]
  readonly #held = new Map<object, number>()
  #isClosed = false

  constructor(databases: readonly StreamDatabase[]) {
    this.#databases = databases
  }

  /**
   * Occupies the connections for all streams of this instance on the client of a database, unless it has them already.
   * It takes them together: otherwise many instances would have one stream each, and none would have both.
   *
   * @throws {PoolOccupiedError} if too few connections would be left. It can be tried again, because instances are closed.
   */
  async take(database: StreamDatabase): Promise<void> {
    await database.open()
    const client = database.client()
    if (client === undefined || this.#held.has(client) || this.#isClosed) return
    const wanted = this.#databases.filter(other => other.client() === client).length
    const before = occupied.get(client) ?? 0
    requireRoom(before, wanted, database.maxPoolSize())
    occupied.set(client, before + wanted)
    this.#held.set(client, wanted)
  }

  /** Gives the connections back, for good. */
  close(): void {
    this.#isClosed = true
    for (const [client, held] of this.#held) occupied.set(client, (occupied.get(client) ?? 0) - held)
    this.#held.clear()
  }
}

function requireRoom(before: number, wanted: number, poolSize: number): void {
  // The driver takes 0 for "no limit".
  if (poolSize === 0 || before + wanted <= mostStreams(poolSize)) return
  const needed = before === 0 ? MIN_POOL_SIZE : (before + wanted) * POOL_DIVISOR
  const found =
    before === 0
      ? `the maxPoolSize of the MongoClient is ${poolSize}`
      : `the change streams of other instances occupy ${before} of the ${poolSize} connections of the MongoClient`
  throw new PoolOccupiedError(
    `a change stream occupies a connection, this instance needs ${wanted}, and ${found}: write maxPoolSize: ${needed} or ` +
      'more in the options of the client, or create fewer instances',
  )
}

function mostStreams(poolSize: number): number {
  if (poolSize < MIN_POOL_SIZE) return 0
  return Math.max(STREAMS_PER_INSTANCE, Math.floor(poolSize / POOL_DIVISOR))
}
