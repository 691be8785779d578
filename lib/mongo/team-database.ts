import type { Collection, Db, Document, ObjectId } from 'mongodb'
import { isMongoose, namespaceOf } from './collection-like.js'
import type { CollectionLike, ObjectIdClass } from './collection-like.js'
import { refuseOldDriver } from './driver-version.js'
import { probeFindOneAndUpdate } from './find-one-and-update.js'
import { findTeamBson } from './team-bson.js'
import type { BsonLibrary, TeamBson } from './team-bson.js'

/** The driver's collection class before and after it made `db` public, and mongoose's with its connection. */
interface Origins {
  readonly db?: Db
  readonly dbName?: string
  readonly client?: { db(name?: string): Db; connect(): Promise<unknown> }
  readonly conn?: MongooseConnection
}

/** A connection of mongoose. It has its database once it has been open. */
interface MongooseConnection {
  readonly db?: Db
  asPromise(): Promise<unknown>
  once(event: 'open', listener: () => void): unknown
}

/** The custom data collection and its database, as the driver has them. */
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

/** The team's MongoDB, reached only through the collection that they handed over. */
export interface TeamDatabase {
  /** At once, unless somebody has to connect first. */
  open: () => OpenCollection | Promise<OpenCollection>
  /** The custom data collection alone. */
  collection<T extends Document = Document>(): Promise<Collection<T>>
  /** Another collection of the same database. */
  sibling<T extends Document = Document>(name: string): Promise<Collection<T>>
  /** The BSON library of the driver; `undefined` if the collection does not lead to it. */
  readonly bson: TeamBson | undefined
  /** The driver's ObjectId class: at once if the BSON library is known, otherwise at once from the second call on. */
  objectIdClass: (signal: AbortSignal) => ObjectIdClass | Promise<ObjectIdClass>
  /** The size of the connection pool. */
  maxPoolSize(): number
  /** The name `database.collection`; `undefined` until a connection of mongoose has been open. */
  namespace: () => string | undefined
}

/** What is asked of a client's options. */
interface ClientOptions {
  readonly maxPoolSize?: number
}

/** The driver's own default, where the client does not say. */
const DEFAULT_POOL_SIZE = 100

/**
 * Lets the driver decode every list. The driver looks up names of fields in this object. It has no prototype, because with
 * one a list named `toString` would stay bytes.
 */
const ALL_DECODED = Object.freeze(Object.create(null) as Record<string, never>)

/** What handlers get does not depend on how the team opened its collection. */
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
 * Wraps the team's collection. Nothing is asked of the server before it is needed.
 *
 * @throws {OptionError} if the driver is too old
 */
export function openTeamDatabase(
  given: CollectionLike,
  { optionName = 'collection', timeoutMs = 5_000, bson: givenBson }: TeamDatabaseConfig = {},
): TeamDatabase {
  const findDatabase = createConnector(given)
  const bson = findTeamBson(given, givenBson)
  const support = refuseOldDriver(given, optionName)
  let opened: OpenCollection | undefined
  let opening: { readonly db: Db; readonly promise: Promise<OpenCollection> } | undefined
  let objectId = bson?.ObjectId

  function open(): OpenCollection | Promise<OpenCollection> {
    const db = findDatabase()
    // Mongoose has another after it was closed and opened anew.
    return opened?.db === db ? opened : openIn(db)
  }
  /** Another caller that waits for the same promise may have seen it fail, and may have started again. */
  const isOpening = (promise: Promise<OpenCollection>): boolean => opening?.promise === promise

  /** Once for all that wait. */
  async function openIn(found: Db | Promise<Db>): Promise<OpenCollection> {
    const db = await found
    if (opening?.db !== db) opening = { db, promise: openWith(db) }
    const { promise } = opening
    try {
      const open = await promise
      if (isOpening(promise)) opened = open
      return open
    } catch (error) {
      if (isOpening(promise)) opening = undefined
      throw error
    }
  }
  async function openWith(db: Db): Promise<OpenCollection> {
    const collection = isMongoose(given)
      ? db.collection(given.collectionName)
      : (given as unknown as Collection)
    if (support === 'unknown') await probeFindOneAndUpdate(collection, timeoutMs)
    return { db, collection }
  }
  async function askForObjectIdClass(signal: AbortSignal): Promise<ObjectIdClass> {
    return (objectId ??= await readObjectIdClass(await findDatabase(), signal))
  }
  return {
    open,
    bson,
    collection: async <T extends Document>() => (await open()).collection as unknown as Collection<T>,
    sibling: async <T extends Document>(name: string) => (await open()).db.collection<T>(name),
    // Not shared while it is asked for: one load's deadline would be another's.
    objectIdClass: signal => objectId ?? askForObjectIdClass(signal),
    maxPoolSize: () => poolSizeOf(given),
    namespace: () => namespaceOf(given),
  }
}

/**
 * A client that gave up on its first attempt to connect is closed for good, unless it is told to connect again. One
 * that was connected once finds its servers by itself, and may have been closed by the team since: it is left alone.
 */
function createConnector(given: CollectionLike): () => Db | Promise<Db> {
  const { db, dbName, client = db?.client, conn } = given as Origins
  let wasConnected = false
  let own = db
  async function connect(): Promise<Db> {
    if (!wasConnected) await client?.connect()
    wasConnected = true
    if (conn && !conn.db) await openingOf(conn)
    if (!conn) own ??= client?.db(dbName)
    const found = own ?? conn?.db
    if (found) return found
    throw new TypeError(
      'The collection does not lead to its database: hand over a Collection of mongodb or mongoose.',
    )
  }
  return () => (wasConnected ? (own ?? conn?.db) : undefined) ?? connect()
}

/** One listener a connection, however many loads wait for it to open. */
const openings = new WeakMap<MongooseConnection, Promise<void>>()

async function openingOf(conn: MongooseConnection): Promise<void> {
  // Rejects where connecting has failed, but resolves at once where nobody has called connect() yet.
  await conn.asPromise()
  if (conn.db) return
  const opening = openings.get(conn) ?? new Promise<void>(resolve => conn.once('open', resolve))
  openings.set(conn, opening)
  await opening
}

/**
 * The server's `hello` holds an ObjectId on every server since 4.4, decoded by the team's own driver:
 * the one way to its class whatever driver that is, without looking into it.
 */
async function readObjectIdClass(db: Db, signal: AbortSignal): Promise<ObjectIdClass> {
  const hello: Document = await db.command({ hello: 1 }, { ...PLAIN_BSON, signal })
  const { processId } = hello['topologyVersion'] as { processId: ObjectId }
  return processId.constructor as ObjectIdClass
}

function poolSizeOf(given: CollectionLike): number {
  return clientOptionsOf(given as Origins).maxPoolSize ?? DEFAULT_POOL_SIZE
}

/** Read rarely: the driver copies them for each who asks. */
function clientOptionsOf({ db, client, conn }: Origins): ClientOptions {
  const owner = (db ?? conn?.db)?.client ?? client
  return (owner as { readonly options?: ClientOptions } | undefined)?.options ?? {}
}
