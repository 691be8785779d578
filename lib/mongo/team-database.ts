import type { BSONSerializeOptions, Collection, Db, Document, ObjectId } from 'mongodb'
import { ALL_DECODED, findBsonDecoder } from './bson-decoder.js'
import type { BsonDecoder } from './bson-decoder.js'
import { createCommandSessions } from './command-sessions.js'
import type { CommandSessions } from './command-sessions.js'

/**
 * What is asked of the team's collection: the `Collection` of mongodb 6.13 to 7, or mongoose's.
 * Structural, because a mongoose app's driver may be another major than the one beside this package.
 */
export interface CollectionLike {
  readonly collectionName: string
  find(filter: never, options?: never): unknown
  aggregate(pipeline: never, options?: never): unknown
}

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

/** The class of the team's own driver: a value of another BSON major would be refused. */
export type ObjectIdClass = typeof ObjectId

/** What the team chose for reads of its collection. A command that is run by itself inherits nothing of it. */
export interface ReadChoices {
  readonly readConcern: { readonly level: string } | undefined
  readonly enableUtf8Validation: boolean
  readonly ignoreUndefined: boolean
  /** Whether the driver may repeat a read. */
  readonly retryReads: boolean
}

/** The custom data collection and its database, as the driver has them. */
export interface OpenCollection {
  readonly db: Db
  readonly collection: Collection
  readonly choices: ReadChoices
  /** For what is read as bytes; `undefined`: only the driver itself can decode. */
  readonly decode: BsonDecoder | undefined
  /** For commands that are each alone in theirs. */
  readonly sessions: CommandSessions
}

/** The team's MongoDB, reached only through the collection that they handed over. */
export interface TeamDatabase {
  /** At once, unless somebody has to connect first. */
  open: () => OpenCollection | Promise<OpenCollection>
  /** The custom data collection alone. */
  collection<T extends Document = Document>(): Promise<Collection<T>>
  /** Another collection of the same database. */
  sibling<T extends Document = Document>(name: string): Promise<Collection<T>>
  /** The driver's ObjectId class; found once, and at once from then on. */
  objectIdClass: (signal: AbortSignal) => ObjectIdClass | Promise<ObjectIdClass>
  /** The size of the connection pool. */
  maxPoolSize(): number
  /** As `database.collection`; `undefined` while a connection of mongoose has not been open. */
  namespace: () => string | undefined
}

/** What is asked of a client's options. */
interface ClientOptions {
  readonly maxPoolSize?: number
  readonly retryReads?: boolean
}

/** The driver's own default, where the client does not say. */
const DEFAULT_POOL_SIZE = 100

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

/** The same, with the types of numbers, and of whatever else JavaScript has only one of. */
export const EXACT_BSON = {
  ...PLAIN_BSON,
  promoteLongs: false,
  promoteValues: false,
  bsonRegExp: true,
} as const

/** Wraps the team's collection. Nothing is asked of the server before it is needed. */
export function openTeamDatabase(given: CollectionLike): TeamDatabase {
  const findDatabase = createConnector(given)
  let opened: OpenCollection | undefined
  let opening: { readonly db: Db; readonly promise: Promise<OpenCollection> } | undefined
  let objectId: ObjectIdClass | undefined

  function open(): OpenCollection | Promise<OpenCollection> {
    const db = findDatabase()
    // Mongoose has another after it was closed and opened anew.
    return opened?.db === db ? opened : openIn(db)
  }
  /** Once for all that wait. */
  async function openIn(found: Db | Promise<Db>): Promise<OpenCollection> {
    const db = await found
    if (opening?.db !== db) opening = { db, promise: toOpenCollection(db, given) }
    const { promise } = opening
    const open = await promise
    if (opening.promise === promise) opened = open
    return open
  }
  async function askForObjectIdClass(signal: AbortSignal): Promise<ObjectIdClass> {
    return (objectId ??= await readObjectIdClass(await findDatabase(), signal))
  }
  return {
    open,
    collection: async <T extends Document>() => (await open()).collection as unknown as Collection<T>,
    sibling: async <T extends Document>(name: string) => (await findDatabase()).collection<T>(name),
    // Not shared while it is asked for: one load's deadline would be another's.
    objectIdClass: signal => objectId ?? askForObjectIdClass(signal),
    maxPoolSize: () => poolSizeOf(given),
    namespace: () => namespaceOf(given),
  }
}

async function toOpenCollection(db: Db, given: CollectionLike): Promise<OpenCollection> {
  const ofMongoose = isMongoose(given)
  const collection = ofMongoose ? db.collection(given.collectionName) : (given as unknown as Collection)
  // Mongoose brings a driver of its own, for the most part: a second one would be loaded only to find that out.
  const decode = ofMongoose ? undefined : await findBsonDecoder(db)
  return { db, collection, choices: choicesOf(db, collection), decode, sessions: createCommandSessions(db) }
}

function choicesOf(db: Db, collection: Collection): ReadChoices {
  const { bsonOptions } = collection as { readonly bsonOptions?: BSONSerializeOptions }
  const level = collection.readConcern?.level
  return {
    readConcern: level === undefined ? undefined : { level },
    enableUtf8Validation: bsonOptions?.enableUtf8Validation ?? true,
    ignoreUndefined: bsonOptions?.ignoreUndefined ?? false,
    retryReads: clientOptionsOf({ db }).retryReads ?? true,
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

/** Read each time: a connection of mongoose may be opened anew, with another database. */
function namespaceOf(given: CollectionLike): string | undefined {
  const { db, dbName, conn } = given as Origins
  const name = conn ? conn.db?.databaseName : (dbName ?? db?.databaseName)
  return name === undefined ? undefined : `${name}.${given.collectionName}`
}

function isMongoose(given: CollectionLike): boolean {
  return 'conn' in given
}
