import type { LoadedForm } from '../documents/loader.js'
import type { UserIdIndex } from '../documents/user-id-index.js'
import { asCustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import type { ChangeFeeds } from '../mongo/change-feeds.js'
import { readFromPrimary } from '../mongo/primary-check.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import { createContextKeeper } from '../util/async-context.js'
import { BackOff } from '../util/back-off.js'
import type { Clock } from '../util/clock.js'
import { withDeadline } from '../util/deadline.js'
import { IndexWatch } from './index-watch.js'
import { inStep, SetUp } from './set-up.js'
import type { IndexStates, OwnCollection, Step } from './set-up.js'
import { LONG_CHECKS, NAME_CHECKS, QUICK_CHECKS, READY_CHECKS, SetUpChecks } from './set-up-checks.js'
import type { SetUpWarnings } from './set-up-warnings.js'
import { tryQuery } from './trial-query.js'

/** Pauses between two attempts in the background, if the app never calls `ready()`. */
const START_PAUSES = { firstMs: 1_000, longestMs: 300_000 }

export interface ReadinessParts {
  readonly database: TeamDatabase
  /** Warns about missing rights of the database user. Never rejects. */
  readonly checkRights: (timeoutMs: number) => Promise<void>
  /** Warns about stored names of users that a login does not find. Never rejects. */
  readonly checkUsernames: (timeoutMs: number) => Promise<void>
  readonly index: UserIdIndex
  /** The collections of this package that are in use and need indexes. */
  readonly ownCollections: () => readonly OwnCollection[]
  /** The names of all collections of this package in the database of custom data. */
  readonly ownCollectionNames: readonly string[]
  readonly hosts: () => string
  readonly changeFeeds: Pick<ChangeFeeds, 'start' | 'settled'>
  readonly events: Events
  readonly warnings: SetUpWarnings
  readonly clock: Clock
}

export interface ReadinessConfig extends LoadedForm {
  readonly userIdField: string
  readonly toFieldValues?: unknown
  /** By how many milliseconds clocks may differ. */
  readonly clockToleranceMs: number
  /** Limits a ping, and the search for duplicates at the server, in milliseconds. */
  readonly loadTimeoutMs: number
  /** Limits each step of the first `ready()`, in milliseconds. */
  readonly readyTimeoutMs: number
}

export class Readiness {
  readonly #parts: ReadinessParts
  readonly #config: ReadinessConfig
  readonly #setUp: SetUp
  readonly #indexWatch: IndexWatch
  readonly #startPause: BackOff
  /** Of the quick checks that loads cause. */
  readonly #checkPause: BackOff
  readonly #warnings: SetUpWarnings
  readonly #checks: SetUpChecks
  #hasStarted = false
  #quickChecks: Promise<void> | undefined
  #longChecks: Promise<void> | undefined
  readonly #outsideRequests = createContextKeeper()

  constructor(parts: ReadinessParts, config: ReadinessConfig) {
    this.#parts = parts
    this.#config = config
    const { database, index, ownCollections, hosts, warnings, clock } = parts
    this.#warnings = warnings
    this.#checks = new SetUpChecks(parts, config)
    this.#startPause = new BackOff(clock, START_PAUSES)
    this.#checkPause = new BackOff(clock, START_PAUSES)
    this.#setUp = new SetUp(
      {
        ping: timeoutMs => this.#ping(timeoutMs),
        open: async () => database.open(),
        index,
        checkName: () => this.#checks.run(NAME_CHECKS, config.readyTimeoutMs),
        ownCollections,
        hosts,
        clock,
      },
      config.readyTimeoutMs,
    )
    this.#indexWatch = new IndexWatch(this.#setUp, clock)
  }

  /**
   * The first call makes the indexes, looks at the set-up and opens the change streams. Later calls ping, and look at the
   * indexes from time to time. Rejects if MongoDB is away, if an index cannot be made, or if the query of loads fails.
   */
  async ready(): Promise<{ readonly indexes: IndexStates }> {
    const { changeFeeds } = this.#parts
    changeFeeds.start()
    // A call during the first set-up waits for it, and does not make the indexes a second time.
    if (this.#setUp.isDone) await this.#lookWhetherLoadsWork()
    else await this.#runFirstSetUp()
    await this.#runQuickChecks()
    await this.#runLongChecks()
    // Each call looks at the users collections that were given since the last one.
    await this.#outsideRequests(() => this.#parts.checkUsernames(this.#config.readyTimeoutMs))
    await changeFeeds.settled()
    return { indexes: this.#setUp.indexStates() }
  }

  /** Makes the indexes and opens the change streams in the background, once, for apps that never call `ready()`. */
  start(): void {
    if (this.#indexWatch.isUserIdIndexMissing && this.#setUp.isDone) this.#watchIndexes()
    if (this.#hasStarted || this.#startPause.isWaiting) return
    this.#hasStarted = true
    this.#parts.changeFeeds.start()
    this.#outsideRequests(() => this.#runInBackground()).catch((error: unknown) =>
      this.#reportFailedStart(error),
    )
  }

  /** Does in the background what is left of the set-up, because a collection of this package has come into use. */
  startAgain(): void {
    if (this.#setUp.isDone) return
    this.#hasStarted = false
    this.start()
  }

  /**
   * Looks at the documents in the background, once, because a load has found none for its user. That is right for a new user,
   * and is all that an app sees of a set-up that cannot work.
   */
  foundNothing(): void {
    if (this.#quickChecks || this.#startPause.isWaiting || this.#checkPause.isWaiting) return
    // Each load reports a MongoDB that is away. `ready()` or a later load repeats the checks.
    this.#runQuickChecks().catch(() => undefined)
  }

  async #runInBackground(): Promise<void> {
    await this.#runSetUp()
    // The index is left to the next attempt if the collection does not exist yet.
    if (!this.#setUp.hasBegun) this.#startAgainLater()
  }

  #runSetUp(): Promise<void> {
    return this.#outsideRequests(() => this.#setUp.run())
  }

  async #runFirstSetUp(): Promise<void> {
    try {
      await this.#runSetUp()
    } catch (error) {
      if (asCustomUserDataError(error)?.code === 'database_unauthorized') await this.#checkRights()
      throw error
    }
    await this.#checkRights()
  }

  /** Only warns, so that a missing right for one feature does not stop the others. An outage is an error of other steps. */
  #checkRights(): Promise<void> {
    return this.#parts.checkRights(this.#config.readyTimeoutMs)
  }

  /** Without its index a large collection cannot be searched in time, although the server answers a ping. */
  async #lookWhetherLoadsWork(): Promise<void> {
    const { loadTimeoutMs } = this.#config
    const isIndexMissing = this.#indexWatch.isUserIdIndexMissing
    this.#watchIndexes()
    if (isIndexMissing) await this.#tryLoad(loadTimeoutMs)
    else await inStep(this.#stepOf('sending a ping'), () => this.#ping(loadTimeoutMs))
  }

  #watchIndexes(): void {
    const hasBegun = this.#indexWatch.lookIfDue(error => this.#warnings.ofFailedAttempt(error))
    // Routes may have been created after the first call.
    if (hasBegun) void this.#outsideRequests(() => this.#checkRights())
  }

  #tryLoad(timeoutMs: number): Promise<void> {
    return inStep(this.#stepOf('trying the query of a load'), async () => {
      const { database, index } = this.#parts
      const open = await database.open()
      await withDeadline(timeoutMs, signal => tryQuery(open, index, this.#config, { timeoutMs, signal }))
    })
  }

  #runQuickChecks(): Promise<void> {
    this.#quickChecks ??= this.#outsideRequests(() =>
      this.#look(QUICK_CHECKS).catch((error: unknown) => {
        this.#quickChecks = undefined
        this.#checkPause.failed()
        this.#warnings.ofRefusal(error)
      }),
    )
    return this.#quickChecks
  }

  #look(checks: Parameters<SetUpChecks['run']>[0], timeoutMs = this.#config.readyTimeoutMs): Promise<void> {
    return inStep(this.#stepOf('looking at the documents'), async () => {
      await this.#checks.run(checks, timeoutMs)
    })
  }

  /** Runs once, and only by `ready()`: it reads every user id, which no request should cause. */
  #runLongChecks(): Promise<void> {
    this.#longChecks ??= this.#outsideRequests(() => this.#tryEverything()).catch((error: unknown) => {
      this.#longChecks = undefined
      throw error
    })
    return this.#longChecks
  }

  async #tryEverything(): Promise<void> {
    await this.#tryLoad(this.#config.readyTimeoutMs)
    const checks = this.#setUp.isUnique ? READY_CHECKS : { ...READY_CHECKS, ...LONG_CHECKS }
    await this.#look(checks, this.#config.loadTimeoutMs).catch((error: unknown) => {
      this.#longChecks = undefined
      this.#warnings.ofRefusal(error)
    })
  }

  async #ping(timeoutMs: number): Promise<void> {
    const { database, events } = this.#parts
    await withDeadline(timeoutMs, async signal => {
      const collection = await database.collection()
      const options = { ...PLAIN_BSON, readPreference: 'primary', projection: { _id: 1 } } as const
      return readFromPrimary(collection, { signal, events }, () =>
        collection.findOne({}, { ...options, signal, maxTimeMS: timeoutMs }),
      )
    })
  }

  #reportFailedStart(error: unknown): void {
    const ours = asCustomUserDataError(error)
    // This lasts until the team acts, and operations on the collection reject with this message.
    if (ours?.code === 'foreign_collection') {
      this.#warnings.once({ code: 'foreign_collection', message: ours.message })
      return
    }
    this.#startAgainLater()
    this.#warnings.ofFailedAttempt(error)
  }

  #startAgainLater(): void {
    this.#startPause.failed()
    this.#hasStarted = false
  }

  #stepOf(what: string): Step {
    return { what, hosts: this.#parts.hosts(), outage: 'custom_data_unavailable' }
  }
}
