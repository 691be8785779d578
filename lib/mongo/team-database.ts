import type { BSONSerializeOptions, Collection, Db, Document, ObjectId } from 'mongodb'
import { createContextKeeper } from '../util/async-context.js'
import { isMongoose, namespaceOf } from './collection-like.js'
import type { CollectionLike, ObjectIdClass } from './collection-like.js'
import { refuseOldDriver } from './driver-version.js'
import type { DriverSupport } from './driver-version.js'
import { probeFindOneAndUpdate } from './find-one-and-update.js'
import { toPrimaryState } from './primary-state.js'
import type { PrimaryState } from './primary-state.js'
import { findTeamBson } from './team-bson.js'
import type { BsonLibrary, TeamBson } from './team-bson.js'

/** The members that lead from a collection to its database. Each major of the driver, and mongoose, has some of them. */
interface Origins {
  readonly db?: Db
  readonly dbName?: string
  readonly client?: { db(name?: string): Db; connect(): Promise<unknown> }
  readonly conn?: MongooseConnection
}

/** A connection of mongoose. It has no `db` before it has been open. */
interface MongooseConnection {
  readonly db?: Db
  readonly client?: unknown
  asPromise(): Promise<unknown>
  once(event: 'open', listener: () => void): unknown
}

/** A collection of the driver, and its database. */
export interface OpenCollection {
  readonly db: Db
  readonly collection: Collection
}

/** Settings for opening a collection that the team gave. */
export interface TeamDatabaseConfig {
  /** The option by which the team gave the collection. Default `collection`. */
  readonly optionName?: string
  /** Milliseconds that the server may take to answer whether the driver can be used. Default 5,000. */
  readonly timeoutMs?: number
  /** The option `bson`. */
  readonly bson?: BsonLibrary | undefined
}

/** The part of a client's options that is read. */
interface ClientOptions {
  readonly maxPoolSize?: number
  readonly hosts?: readonly { toString(): string }[]
  readonly srvHost?: string
}

/** The driver's own default of `maxPoolSize`. */
const DEFAULT_POOL_SIZE = 100

/**
 * Lets the driver decode every list. The driver looks up names of fields in this object. It has no prototype, because with
 * one a list named `toString` would stay bytes.
 */
const ALL_DECODED = Object.freeze(Object.create(null) as Record<string, never>)

/**
 * The BSON options of every read, so that custom data does not depend on how the team opened its collection. Reads of users'
 * documents also take {@link keepsRegExp}.
 */
export const PLAIN_BSON = {
  raw: false,
  promoteLongs: true,
  promoteValues: true,
  promoteBuffers: false,
  useBigInt64: false,
  bsonRegExp: false,
  fieldsAsRaw: ALL_DECODED,
} as const

/**
 * Whether the team opened its collection with `bsonRegExp: true`. JavaScript cannot parse every regular expression of
 * MongoDB, such as `(?i)a`, so a team with such documents needs the class of BSON for them.
 */
export function keepsRegExp(collection: object): boolean {
  const { bsonOptions } = collection as { readonly bsonOptions?: { readonly bsonRegExp?: boolean } }
  return bsonOptions?.bsonRegExp === true
}

/**
 * The options by which the team's collection writes values. Operations on the database do not have the collection's own
 * options, so a dry run passes these.
 */
export function writtenFormOf(
  collection: object,
): Pick<BSONSerializeOptions, 'ignoreUndefined' | 'serializeFunctions'> {
  const { bsonOptions = {} } = collection as { readonly bsonOptions?: BSONSerializeOptions }
  const { ignoreUndefined = false, serializeFunctions = false } = bsonOptions
  return { ignoreUndefined, serializeFunctions }
}

/**
 * Wraps the team's collection. Sends nothing to the server before the first use.
 *
 * @throws {OptionError} if the driver is too old
 */
export function openTeamDatabase(given: CollectionLike, config: TeamDatabaseConfig = {}): TeamDatabase {
  return new TeamDatabase(given, config)
}

/** The team's MongoDB, which is reached only through the collection that the team gave. */
export class TeamDatabase {
  /** The BSON library of the driver; `undefined` if the collection does not lead to it. */
  readonly bson: TeamBson | undefined
  /** The name `database.collection`; `undefined` until a connection of mongoose has been open. */
  readonly namespace = (): string | undefined => namespaceOf(this.#given)
  readonly #given: CollectionLike
  readonly #findDatabase: () => Db | Promise<Db>
  readonly #driver: DriverSupport
  readonly #timeoutMs: number
  #opened: OpenCollection | undefined
  #opening: { readonly db: Db; readonly promise: Promise<OpenCollection> } | undefined
  #objectId: ObjectIdClass | undefined

  constructor(
    given: CollectionLike,
    { optionName = 'collection', timeoutMs = 5_000, bson }: TeamDatabaseConfig,
  ) {
    this.#given = given
    this.#findDatabase = createConnector(given)
    this.bson = findTeamBson(given, bson)
    this.#driver = refuseOldDriver(given, optionName)
    this.#timeoutMs = timeoutMs
    this.#objectId = this.bson?.ObjectId
  }

  /** The collection and its database. Not a promise, unless a client has to connect first. */
  open(): OpenCollection | Promise<OpenCollection> {
    const db = this.#findDatabase()
    // Mongoose has another database after it was closed and opened again.
    return this.#opened?.db === db ? this.#opened : this.#openIn(db)
  }

  /** The team's collection. */
  async collection<T extends Document = Document>(): Promise<Collection<T>> {
    return (await this.open()).collection as unknown as Collection<T>
  }

  /** Another collection of the same database. */
  async sibling<T extends Document = Document>(name: string): Promise<Collection<T>> {
    return (await this.open()).db.collection<T>(name)
  }

  /** The driver's ObjectId class. Not a promise if the BSON library is known, and from the second call on. */
  objectIdClass(signal: AbortSignal): ObjectIdClass | Promise<ObjectIdClass> {
    // Each caller asks by itself: a shared command would end with the deadline of the caller that sent it.
    return this.#objectId ?? this.#askForObjectIdClass(signal)
  }

  /** Asks the primary for its election and its time. */
  async primary(signal: AbortSignal): Promise<PrimaryState> {
    const { db } = await this.open()
    return toPrimaryState(
      await db.command({ hello: 1 }, { ...PLAIN_BSON, readPreference: 'primary', signal }),
    )
  }

  /** The size of the connection pool; 0 if it has no limit. */
  maxPoolSize(): number {
    return clientOptionsOf(this.#given).maxPoolSize ?? DEFAULT_POOL_SIZE
  }

  /** The client; `undefined` until a connection of mongoose has been opened. */
  client(): object | undefined {
    return clientOf(this.#given)
  }

  /** All callers that wait for the same database share one attempt. */
  async #openIn(found: Db | Promise<Db>): Promise<OpenCollection> {
    const db = await found
    if (this.#opening?.db !== db) this.#opening = { db, promise: this.#openWith(db) }
    const { promise } = this.#opening
    try {
      const open = await promise
      if (this.#isOpening(promise)) this.#opened = open
      return open
    } finally {
      // A promise that is kept also keeps the context of the request that made it.
      if (this.#isOpening(promise)) this.#opening = undefined
    }
  }

  /** Another caller that waits for the same promise may have seen it fail, and may have started again. */
  #isOpening(promise: Promise<OpenCollection>): boolean {
    return this.#opening?.promise === promise
  }

  async #openWith(db: Db): Promise<OpenCollection> {
    const collection = isMongoose(this.#given)
      ? db.collection(this.#given.collectionName)
      : (this.#given as unknown as Collection)
    if (this.#driver === 'unknown') await probeFindOneAndUpdate(collection, this.#timeoutMs)
    return { db, collection }
  }

  async #askForObjectIdClass(signal: AbortSignal): Promise<ObjectIdClass> {
    return (this.#objectId ??= await readObjectIdClass(await this.#findDatabase(), signal))
  }
}

/**
 * Creates the function that finds the database. It connects the client first, because a client that gave up on its first
 * attempt to connect stays closed. A client that was connected once finds its servers by itself. It is left alone, because
 * the team may have closed it.
 */
function createConnector(given: CollectionLike): () => Db | Promise<Db> {
  const { db, dbName, client = db?.client, conn } = given as Origins
  // The driver's monitors live as long as the client, so they must not begin in the context of a request.
  const outsideRequests = createContextKeeper()
  let wasConnected = false
  let own = db
  async function connect(): Promise<Db> {
    if (!wasConnected) await outsideRequests(() => client?.connect())
    wasConnected = true
    if (conn && !conn.db) await outsideRequests(() => openingOf(conn))
    if (!conn) own ??= client?.db(dbName)
    const found = own ?? conn?.db
    if (found) return found
    throw new TypeError(
      'The collection does not lead to its database. Give a Collection of mongodb or mongoose.',
    )
  }
  return () => (wasConnected ? (own ?? conn?.db) : undefined) ?? connect()
}

/** Each connection gets one listener, even if many loads wait for it to open. */
const openings = new WeakMap<MongooseConnection, Promise<void>>()

async function openingOf(conn: MongooseConnection): Promise<void> {
  // Rejects if connecting has failed, but resolves at once if nobody has called connect() yet.
  await conn.asPromise()
  if (conn.db) return
  const opening = openings.get(conn) ?? new Promise<void>(resolve => conn.once('open', resolve))
  openings.set(conn, opening)
  await opening
}

/**
 * Takes the ObjectId class from the server's `hello`. Every server since 4.4 answers it with an ObjectId, which the team's
 * own driver decodes. So this works with any driver.
 */
async function readObjectIdClass(db: Db, signal: AbortSignal): Promise<ObjectIdClass> {
  const hello: Document = await db.command({ hello: 1 }, { ...PLAIN_BSON, signal })
  const { processId } = hello['topologyVersion'] as { processId: ObjectId }
  return processId.constructor as ObjectIdClass
}

/** The hosts of a collection's client as `host:port`, without credentials. Error messages name them. */
export function hostsOf(given: CollectionLike): string {
  const { srvHost, hosts = [] } = clientOptionsOf(given)
  return srvHost ?? (hosts.map(String).join(', ') || 'an unknown host')
}

/** Call this rarely: the driver copies all options on each access. */
function clientOptionsOf(given: CollectionLike): ClientOptions {
  return (clientOf(given) as { readonly options?: ClientOptions } | undefined)?.options ?? {}
}

function clientOf(given: CollectionLike): object | undefined {
  const { db, client, conn } = given as Origins
  const found = (db ?? conn?.db)?.client ?? client ?? conn?.client
  return found ?? undefined
}
