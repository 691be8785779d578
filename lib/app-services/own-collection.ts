import type { Collection, CreateIndexesOptions, Document } from 'mongodb'
import { isPassing } from './passing-errors.js'
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

interface OwnCollectionConfig {
  readonly find: () => unknown
  readonly mark: string
  readonly indexes: readonly OwnIndex[]
  /** Milliseconds that one operation may take. */
  readonly timeoutMs: number
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
   * @throws AppServicesError `MaintenanceInProgress` if MongoDB is away for the moment; the driver's error otherwise
   */
  async run<Result>(operate: (collection: Collection<Stored>) => Promise<Result>): Promise<Result> {
    return this.#inTime(async () => {
      await this.ready()
      return operate(this.#collection())
    })
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

  async #inTime<Result>(operate: () => Promise<Result>): Promise<Result> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(unavailable(new Error('MongoDB did not answer in time.')))
      }, this.#config.timeoutMs)
    })
    try {
      return await Promise.race([operate(), late])
    } catch (error) {
      throw isPassing(error) ? unavailable(error) : error
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Whether a unique index refused a write. */
export function isDuplicateKey(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === DUPLICATE_KEY
}

function unavailable(cause: unknown): AppServicesError {
  return new AppServicesError('MaintenanceInProgress', 'the service is not available for the moment', {
    cause,
    headers: { 'Retry-After': '1' },
  })
}
