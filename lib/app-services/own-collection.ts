import type { Collection, CreateIndexesOptions, Document } from 'mongodb'
import { isPassingDatabaseError } from '../index.js'
import { inTime } from './in-time.js'
import { AppServicesError } from './wire/errors.js'

/** The field that marks every document of this package in a collection of its own. */
export const MARK = 'expressCustomUserData'

/** The error code of MongoDB for a value that a unique index refuses. */
const DUPLICATE_KEY = 11000
/** The error code of MongoDB for a command that the database user has no right to. */
const UNAUTHORIZED = 13

/** One index of an own collection. */
export interface OwnIndex {
  readonly fields: Readonly<Record<string, 1>>
  readonly options: CreateIndexesOptions
}

/** What a store needs to reach its collection: of users, of email accounts or of API keys. */
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
   * @throws AppServicesError `MaintenanceInProgress` if MongoDB is away for the moment; the driver's error otherwise
   */
  async run<Result>(operate: (collection: Collection<Stored>) => Promise<Result>): Promise<Result> {
    const { timeoutMs } = this.#config
    const inOrder = async () => {
      await this.ready()
      return operate(this.#collection())
    }
    return inTime(timeoutMs, inOrder, () => new LateError()).catch((error: unknown) => {
      throw error instanceof LateError || isPassingDatabaseError(error) ? unavailable(error) : error
    })
  }

  #collection(): Collection<Stored> {
    return this.#config.find() as Collection<Stored>
  }

  async #makeIndexes(): Promise<void> {
    const { indexes, mark } = this.#config
    for (const { fields, options } of indexes) {
      const wanted = { partialFilterExpression: { [MARK]: mark }, ...options }
      try {
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
        await this.#collection().createIndex({ ...fields }, wanted)
      } catch (error) {
        if (!hasCode(error, UNAUTHORIZED)) throw error
        await this.#requireIndex(fields, wanted, error)
      }
    }
  }

  /** An administrator may have made the indexes, for a database user without the right to make them. */
  async #requireIndex(fields: object, options: CreateIndexesOptions, cause: unknown): Promise<void> {
    const collection = this.#collection()
    // Without the right to list indexes, the index counts as missing, and the error below names what to grant.
    const existing = await collection.indexes().catch(() => [])
    const isThere = existing.some(
      ({ key, unique = false }) =>
        JSON.stringify(key) === JSON.stringify(fields) && unique === (options.unique ?? false),
    )
    if (isThere) return
    const { collectionName, namespace } = collection
    const command = `db.getCollection(${JSON.stringify(collectionName)}).createIndex(${JSON.stringify(fields)}, ${JSON.stringify(options)})`
    throw new Error(
      `The database user may not make an index of ${namespace}, which decides races. Grant createIndex (readWrite has it), or ` +
        `run: ${command}`,
      { cause },
    )
  }
}

class LateError extends Error {
  constructor() {
    super('MongoDB did not answer in time.')
  }
}

/** Whether a unique index refused a write. */
export function isDuplicateKey(error: unknown): boolean {
  return hasCode(error, DUPLICATE_KEY)
}

function hasCode(error: unknown, code: number): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code
}

function unavailable(cause: unknown): AppServicesError {
  return new AppServicesError('MaintenanceInProgress', 'the service is not available for the moment', {
    cause,
    headers: { 'Retry-After': '1' },
  })
}
