import { CustomUserDataError, asCustomUserDataError } from '../errors.js'
import type { WarningEvent } from '../events.js'
import type { UserIdIndex } from '../documents/user-id-index.js'
import { toDatabaseError } from '../mongo/database-errors.js'
import type { Outage } from '../mongo/database-errors.js'
import type { EnsureLimits, IndexState } from '../mongo/indexes.js'
import type { OpenCollection } from '../mongo/team-database.js'
import { BackOff } from '../util/back-off.js'
import type { Clock } from '../util/clock.js'
import { describeForLog } from '../util/redaction.js'

/** Pauses between two attempts to build a unique index that duplicates prevent: each attempt reads the whole collection. */
const INDEX_PAUSES = { firstMs: 60_000, longestMs: 3_600_000 }

/** One part of the set-up. Error messages name it and the hosts of its MongoDB. */
export interface Step {
  /** What is done, after "while": `making the indexes of sessions`. */
  readonly what: string
  readonly hosts: string
  /** The code of the error if MongoDB is away. */
  readonly outage: Outage['code']
}

/** A collection of this package. */
export interface OwnCollection {
  readonly name: Exclude<keyof IndexStates, 'custom_data'>
  readonly ensureIndexes: (limits: EnsureLimits) => Promise<IndexState>
  readonly step: () => Step
}

/**
 * Whether the collections have their indexes, as `ready()` tells. `missing` also stands for a hidden index. `unknown`: the
 * database user may not list the indexes. `off`: nothing is stored in this collection. So are sessions of an instance that has
 * neither keys nor trusted issuers, until a route or a function needs them.
 */
export interface IndexStates {
  readonly custom_data: 'there' | 'missing'
  readonly sessions: IndexState | 'off'
  readonly login_attempts: IndexState | 'off'
}

/** The parts that the set-up depends on. */
export interface SetUpParts {
  /** Connects, and reads from the team's collection. */
  readonly ping: (timeoutMs: number) => Promise<void>
  readonly open: () => Promise<OpenCollection>
  readonly index: UserIdIndex
  /** Looks at the name of the collection before an index creates a collection with that name. */
  readonly checkName: () => Promise<readonly WarningEvent[]>
  /** The collections of this package that are in use. Others may follow. */
  readonly ownCollections: () => readonly OwnCollection[]
  readonly hosts: () => string
  readonly clock: Clock
}

/**
 * Connects and makes the indexes, once. The next call does only what is left: after an attempt that failed, or for a
 * collection that came into use later.
 */
export class SetUp {
  readonly #parts: SetUpParts
  readonly #timeoutMs: number
  readonly #indexPause: BackOff
  readonly #states = new Map<OwnCollection['name'], IndexState>()
  #conflict: CustomUserDataError | undefined
  #running: Promise<void> | undefined
  #isUnique: boolean | undefined

  constructor(parts: SetUpParts, readyTimeoutMs: number) {
    this.#parts = parts
    this.#timeoutMs = readyTimeoutMs
    this.#indexPause = new BackOff(parts.clock, INDEX_PAUSES)
  }

  /** Whether everything is made, or is being made. */
  get hasBegun(): boolean {
    return this.#running !== undefined || this.isDone
  }

  /** Whether the first attempt has succeeded. */
  get isDone(): boolean {
    return (
      this.#isUnique !== undefined && this.#parts.ownCollections().every(({ name }) => this.#states.has(name))
    )
  }

  /** Whether the index on the user id is unique. */
  get isUnique(): boolean {
    return this.#isUnique === true
  }

  /** Whether the collections have their indexes, as far as it is known. */
  indexStates(): IndexStates {
    const { index, ownCollections } = this.#parts
    const inUse = ownCollections().map(({ name }) => name)
    const stateOf = (name: OwnCollection['name']): IndexState | 'off' =>
      inUse.includes(name) ? (this.#states.get(name) ?? 'unknown') : 'off'
    return {
      custom_data: index.state(),
      sessions: stateOf('sessions'),
      login_attempts: stateOf('login_attempts'),
    }
  }

  /** Makes each index that was dropped since the set-up. A collection that was dropped is not created again. */
  async lookAgain(): Promise<void> {
    await this.#ensure(this.#parts.ownCollections(), { withUserIdIndex: true, createsCollection: false })
  }

  /** All callers share one attempt. */
  run(): Promise<void> {
    if (this.isDone) return Promise.resolve()
    // Without the collection there is no index yet, so the call after this attempt looks again.
    this.#running ??= this.#attempt().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #attempt(): Promise<void> {
    const { ping, ownCollections } = this.#parts
    await inStep(this.#stepOf('connecting'), () => ping(this.#timeoutMs))
    const unfinished = ownCollections().filter(({ name }) => !this.#states.has(name))
    await this.#ensure(unfinished, {
      withUserIdIndex: this.#isUnique === undefined,
      createsCollection: true,
    })
  }

  /** Each collection gets its indexes, also if another collection cannot have them. */
  async #ensure(
    ownCollections: readonly OwnCollection[],
    { withUserIdIndex, createsCollection }: { withUserIdIndex: boolean; createsCollection: boolean },
  ): Promise<void> {
    const limits = { timeoutMs: this.#timeoutMs, createsCollection }
    const failures: unknown[] = []
    const keep = (error: unknown): void => {
      failures.push(error)
    }
    if (withUserIdIndex) await this.#ensureUserIdIndex(limits).catch(keep)
    for (const collection of ownCollections) await this.#ensureOwn(collection, limits).catch(keep)
    if (failures.length > 0) throw failures[0]
  }

  async #ensureOwn(collection: OwnCollection, limits: EnsureLimits): Promise<void> {
    const state = await inStep(collection.step(), () => collection.ensureIndexes(limits))
    this.#states.set(collection.name, state)
  }

  async #ensureUserIdIndex(limits: EnsureLimits): Promise<void> {
    if (this.#conflict && this.#indexPause.isWaiting) throw this.#conflict
    const { open, index, checkName } = this.#parts
    await inStep(this.#stepOf('making the index on the user id'), async () => {
      if ((await checkName()).length > 0) return
      const { collection } = await open()
      const { isUnique } = await index.ensure(collection, limits).catch((error: unknown) => {
        const conflict = asCustomUserDataError(error)
        if (conflict?.code === 'user_id_index_conflict') this.#conflict = conflict
        if (conflict) this.#indexPause.failed()
        throw error
      })
      this.#isUnique = isUnique
    })
  }

  #stepOf(what: string): Step {
    return { what, hosts: this.#parts.hosts(), outage: 'custom_data_unavailable' }
  }
}

/** Runs a step of `ready()`. An error of MongoDB becomes an error of this package, which names the step and the hosts. */
export async function inStep<T>({ what, hosts, outage }: Step, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    if (asCustomUserDataError(cause)) throw cause
    const { code, message } = toDatabaseError(cause, { code: outage, message: toOutageMessage(cause) })
    throw new CustomUserDataError(code, `The set-up failed while ${what} (${hosts}): ${message}`, { cause })
  }
}

/** Says why MongoDB is away. Messages of the driver name hosts. */
function toOutageMessage(cause: unknown): string {
  const reason = describeForLog(cause)
  return `MongoDB is not available (${reason}). Check that it runs, and that this process can reach it.`
}
