import type { Collection, CreateIndexesOptions, Document } from 'mongodb'
import { inTime } from './in-time.js'
import { AppServicesError } from './wire/errors.js'

/** The field that marks every document of this package in a collection of its own. */
export const MARK = 'expressCustomUserData'

/** The error code of MongoDB for a value that a unique index refuses. */
const DUPLICATE_KEY = 11000

/** One index of an own collection. */
export interface OwnIndex {
  readonly fields: Readonly<Record<string, 1>>
  readonly options: CreateIndexesOptions
}

/** What each store of an own collection works with. */
export interface StoreConfig {
  /** Finds the driver's collection. */
  readonly find: () => unknown
  /** Milliseconds that one operation may take. */
  readonly timeoutMs: number
  /** Wall-clock time in milliseconds since the epoch. */
  readonly now: () => number
}

interface OwnCollectionConfig extends Pick<StoreConfig, 'find' | 'timeoutMs'> {
  readonly mark: string
  readonly indexes: readonly OwnIndex[]
}

/**
 * A collection that only this package writes to. Its unique indexes decide races, so no operation begins before they are
 * there.
 */
export class OwnCollection<Stored extends Document> {
  readonly #config: OwnCollectionConfig
  #ready: Promise<void> | undefined

  constructor(config: OwnCollectionConfig) {
    this.#config = config
  }

  /** Makes the indexes, once. A failed attempt is repeated by the next call. */
  ready(): Promise<void> {
    this.#ready ??= this.#makeIndexes().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  /**
   * Runs one operation in time.
   * @throws AppServicesError `MaintenanceInProgress` if MongoDB does not answer in time; the driver's error otherwise
   */
  async run<Result>(operate: (collection: Collection<Stored>) => Promise<Result>): Promise<Result> {
    const { timeoutMs } = this.#config
    return inTime(
      timeoutMs,
      async () => {
        await this.ready()
        return operate(this.#collection())
      },
      tooLate,
    )
  }

  #collection(): Collection<Stored> {
    return this.#config.find() as Collection<Stored>
  }

  async #makeIndexes(): Promise<void> {
    const { indexes, mark } = this.#config
    for (const { fields, options } of indexes) {
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
      await this.#collection().createIndex(
        { ...fields },
        { partialFilterExpression: { [MARK]: mark }, ...options },
      )
    }
  }
}

/** Whether a unique index refused a write. */
export function isDuplicateKey(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === DUPLICATE_KEY
}

function tooLate(): AppServicesError {
  return new AppServicesError('MaintenanceInProgress', 'the service is not available for the moment', {
    cause: new Error('MongoDB did not answer in time.'),
    headers: { 'Retry-After': '1' },
  })
}
