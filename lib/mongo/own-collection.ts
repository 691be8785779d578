import type { Collection, CreateIndexesOptions, Document } from 'mongodb'
import { createContextKeeper } from '../util/async-context.js'
import { withDeadline } from '../util/deadline.js'
import { CustomUserDataError } from '../errors.js'
import type { Events, WarningEvent } from '../events.js'
import { isUnauthorized } from './database-errors.js'
import { createIndexCommand, ensureIndex, findIndex, listIndexes, unhideIndexCommand } from './indexes.js'
import type { EnsureLimits, IndexState, ListedIndex } from './indexes.js'
import { PLAIN_BSON } from './team-database.js'

/**
 * The field that marks every document that this package stores in a collection of its own. Our filters name it, and our
 * indexes cover only documents with it. So we cannot read, change or expire a document of the app.
 */
export const MARK = 'expressCustomUserData'

/** The values that the mark may have. */
const MARKS = ['session', 'user', 'login_attempt']

/** Matches documents that have the mark. Our indexes use it as their partial filter. */
export const MARKED = { [MARK]: { $exists: true } } as const

/** An index of an own collection. */
export interface OwnIndex {
  readonly fields: readonly string[]
  /** The default of `partialFilterExpression` is {@link MARKED}; another filter must name the mark too. */
  readonly options: CreateIndexesOptions & { readonly name: string }
}

/** How one collection of this package is set up. */
export interface OwnCollectionConfig {
  /** The option by which the team can choose another collection. Error messages name it. */
  readonly optionName: string
  readonly indexes: readonly OwnIndex[]
  /** The code of the warning about an index that cannot be made. */
  readonly missingIndexCode: WarningEvent['code']
  /** Milliseconds that the check for documents of the app may take. */
  readonly timeoutMs: number
}

/**
 * Creates the access to a collection that only this package writes to. `find` gives the driver's collection. It is called
 * each time, because mongoose makes a new collection when a connection is opened again.
 */
export function createOwnCollection<T extends Document>(
  config: OwnCollectionConfig,
  find: () => Promise<Collection<T>>,
  events: Events,
) {
  // The promise stays, and would keep the context of the request that made it.
  const outsideRequests = createContextKeeper()
  let check: Promise<void> | undefined
  const warn = createWarnings(config.missingIndexCode, events)

  /**
   * The collection. The first call checks that it holds no document of the app. Rejects with `foreign_collection` if it
   * does, and with the driver's error if MongoDB does not answer.
   */
  async function open(timeoutMs = config.timeoutMs): Promise<Collection<T>> {
    const collection = await find()
    const limited = { ...config, timeoutMs }
    check ??= outsideRequests(() =>
      refuseForeignDocuments(collection as unknown as Collection, limited).catch((error: unknown) => {
        // The next call checks again, because MongoDB may be back or the documents may be gone.
        check = undefined
        throw error
      }),
    )
    await check
    return collection
  }

  return {
    open,
    /** The collection, without the check. */
    find,
    /**
     * Makes the indexes that are missing. Warns once about each that cannot be made, with the command that makes it.
     *
     * Its `timeoutMs` also limits the check for documents of the app.
     */
    ensureIndexes: async ({
      timeoutMs = config.timeoutMs,
      createsCollection = true,
    }: EnsureLimits = {}): Promise<IndexState> => {
      const collection = (await open(timeoutMs)) as unknown as Collection
      return ensureIndexes(collection, { ...config, timeoutMs, createsCollection }, warn)
    },
  }
}

/**
 * Rejects with `foreign_collection` if a collection holds documents of the app. If our index exists, the collection was checked before. So a
 * large collection is not searched again at each start.
 */
export async function refuseForeignDocuments(
  collection: Collection,
  config: Omit<OwnCollectionConfig, 'missingIndexCode'>,
): Promise<void> {
  const { optionName, timeoutMs } = config
  if (await hasOwnIndex(collection, config)) return
  const foreign = await withDeadline(timeoutMs, signal =>
    collection.findOne(
      { [MARK]: { $nin: MARKS } },
      {
        ...PLAIN_BSON,
        readPreference: 'primary',
        projection: { _id: 1 },
        maxTimeMS: timeoutMs,
        signal,
      },
    ),
  )
  if (!foreign) return
  throw new CustomUserDataError(
    'foreign_collection',
    `The collection ${collection.namespace} holds documents of your app, and this package writes only to collections of ` +
      `its own. Give an empty collection by the option "${optionName}".`,
  )
}

async function hasOwnIndex(
  collection: Collection,
  { indexes, timeoutMs }: Pick<OwnCollectionConfig, 'indexes' | 'timeoutMs'>,
): Promise<boolean> {
  const existing = (await listIfAllowed(collection, timeoutMs)) ?? []
  const names = indexes.map(({ options }) => options.name)
  return existing.some(
    ({ name, partialFilterExpression }) =>
      names.includes(name ?? '') && Object.hasOwn(Object(partialFilterExpression) as object, MARK),
  )
}

/** The indexes; `undefined` if the database user may not list them. */
async function listIfAllowed(collection: Collection, timeoutMs: number): Promise<ListedIndex[] | undefined> {
  try {
    return await withDeadline(timeoutMs, () => listIndexes(collection))
  } catch (error) {
    if (isUnauthorized(error)) return undefined
    throw error
  }
}

/** Never rejects because of a missing right: without an index logins still work, but slower or without clean-up. */
async function ensureIndexes(
  collection: Collection,
  config: OwnCollectionConfig & { readonly createsCollection: boolean },
  warn: Warnings,
): Promise<IndexState> {
  const existing = await listIfAllowed(collection, config.timeoutMs)
  // Every collection that exists has an index.
  if (existing?.length === 0 && !config.createsCollection) return 'missing'
  const states: IndexState[] = []
  for (const index of config.indexes) {
    const problem = await makeIfMissing(collection, config, index, existing)
    if (problem === undefined) warn.over(index.options.name)
    else warn.once(index.options.name, problem)
    const isUnknown = existing === undefined && problem !== undefined
    states.push(problem === undefined ? 'there' : isUnknown ? 'unknown' : 'missing')
  }
  return states.find(state => state === 'missing') ?? states.find(state => state === 'unknown') ?? 'there'
}

/** Resolves to the text of the warning if the index is not there afterwards. */
async function makeIfMissing(
  collection: Collection,
  { optionName }: OwnCollectionConfig,
  { fields, options }: OwnIndex,
  existing: readonly ListedIndex[] | undefined,
): Promise<string | undefined> {
  const { collectionName, namespace } = collection
  const name = `The index on "${fields.join(', ')}" of ${namespace}`
  const wanted = { partialFilterExpression: MARKED, ...options }
  const same = findIndex(existing ?? [], fields, wanted)
  // MongoDB answers a command that makes a hidden index again with success, and changes nothing.
  if (same?.hidden === true) {
    return `${name} is hidden, so MongoDB does not use it. Run: ${unhideIndexCommand(collectionName, same.name ?? '')}`
  }
  if (same) return undefined
  const outcome = await ensureIndex(collection, fields, wanted)
  if (outcome === 'there') return undefined
  if (outcome === 'view') throw isView(collection, optionName)
  const command = createIndexCommand(collectionName, fields, wanted)
  if (existing === undefined && outcome === 'unauthorized') {
    return (
      `${name} may be missing: the database user has neither the right listIndexes, to look, nor createIndex. Grant ` +
      `listIndexes on ${namespace}. If the index is missing, run: ${command}`
    )
  }
  return `${name} could not be made (${outcome}). Run: ${command}`
}

/** Warnings about indexes, each given once until it is over. */
type Warnings = ReturnType<typeof createWarnings>

function createWarnings(code: WarningEvent['code'], events: Events) {
  const given = new Map<string, string>()
  return {
    once(index: string, message: string): void {
      if (given.get(index) === message) return
      given.set(index, message)
      events.warn({ code, message })
    },
    over(index: string): void {
      given.delete(index)
    },
  }
}

function isView(collection: Collection, optionName: string): CustomUserDataError {
  return new CustomUserDataError(
    'collection_is_view',
    `${collection.namespace} is a view, and MongoDB writes to no view. Give an empty collection by the option "${optionName}".`,
  )
}
