import { OptionError } from '../errors.js'
import type { CollectionLike } from './collection-like.js'

/** Whether the driver is new enough, as far as its version tells. `unknown`: only a call to the driver can tell. */
export type DriverSupport = 'supported' | 'unknown'

/** The first driver that is accepted, as major and minor. */
const OLDEST = [5, 9] as const
const OLDEST_MONGOOSE = [7, 8] as const

/** The smallest step that helps. A later version is as good. */
const INSTALL_MONGODB = 'Run npm install mongodb@^5.9.0, or a later version.'
const INSTALL_MONGOOSE = 'Run npm install mongoose@^7.8.0, or a later version.'

/** `metadata` is a promise from driver 7 on. */
interface Client {
  readonly options?: { readonly metadata?: Metadata | PromiseLike<unknown> }
  readonly s?: { readonly options?: { readonly metadata?: Metadata } }
}

interface Metadata {
  readonly driver?: { readonly version?: unknown }
}

interface Db {
  readonly client?: Client
  readonly s?: { readonly client?: Client }
}

/** The members that lead from a collection to its client, in all majors of the driver. */
interface Origins {
  readonly client?: Client | undefined
  readonly db?: Db
  readonly s?: { readonly db?: Db; readonly topology?: { readonly clientMetadata?: Metadata } }
  readonly conn?: MongooseConnection
}

interface MongooseConnection {
  readonly client?: Client | null
  readonly base?: {
    readonly version?: unknown
    readonly mongo?: { readonly MongoClient?: new (uri: string) => Client }
  }
}

/**
 * Refuses the collection of a driver that is too old. Before 5.7 `findOneAndUpdate` always answers `{ value }`, which looks
 * like a session that was found. The oldest supported driver is 5.9, the last of its major, which mongoose 7.8 brings.
 *
 * @throws {OptionError} that names the driver and what to install
 */
export function refuseOldDriver(collection: CollectionLike, optionName: string): DriverSupport {
  const origins = collection as Origins
  return origins.conn
    ? refuseOldMongoose(origins.conn, optionName)
    : refuseOldMongoDb(metadataOf(origins), optionName)
}

function refuseOldMongoose(conn: MongooseConnection, optionName: string): DriverSupport {
  const version = textOf(conn.base?.version)
  const metadata = metadataOf({ client: conn.client ?? unconnectedClientOf(conn) })
  if (isPromise(metadata)) return 'supported'
  const brought = driverVersionIn(metadata)
  const isOld = brought === undefined ? isBefore(version, OLDEST_MONGOOSE) : isBefore(brought, OLDEST)
  if (isOld === true) {
    const brings = brought === undefined ? 'brings an older driver' : `brings mongodb ${brought}`
    throw tooOld(optionName, `mongoose ${version ?? ''} ${brings}`, INSTALL_MONGOOSE)
  }
  return isOld === false ? 'supported' : 'unknown'
}

function refuseOldMongoDb(
  metadata: Metadata | PromiseLike<unknown> | undefined,
  optionName: string,
): DriverSupport {
  if (isPromise(metadata)) return 'supported'
  const version = driverVersionIn(metadata)
  const isOld = isBefore(version, OLDEST)
  if (isOld === true) throw tooOld(optionName, `it comes from mongodb ${version ?? ''}`, INSTALL_MONGODB)
  return isOld === false ? 'supported' : 'unknown'
}

function tooOld(optionName: string, why: string, install: string): OptionError {
  return new OptionError(
    `Option "${optionName}": this collection cannot be used, because ${why}. The driver must be 5.9 or later. An older ` +
      `driver answers findOneAndUpdate() with an object even if no document matches. ${install}`,
  )
}

/** Driver 3 keeps the metadata with the connection. Later drivers keep it with the client, in different places. */
function metadataOf({ client, db, s }: Origins): Metadata | PromiseLike<unknown> | undefined {
  const { db: hiddenDb, topology } = s ?? {}
  const owner = client ?? db?.client ?? hiddenDb?.client ?? hiddenDb?.s?.client
  return owner?.options?.metadata ?? owner?.s?.options?.metadata ?? topology?.clientMetadata
}

/** A mongoose connection has no client before it is opened, so this makes one. It never connects, so it opens nothing. */
function unconnectedClientOf({ base }: MongooseConnection): Client | undefined {
  const MongoClient = base?.mongo?.MongoClient
  return MongoClient && new MongoClient('mongodb://127.0.0.1')
}

/** Libraries that wrap the driver append their own version: `5.9.2|7.8.7`. */
function driverVersionIn(metadata: Metadata | undefined): string | undefined {
  return textOf(metadata?.driver?.version)?.split('|')[0]
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown } | undefined)?.then === 'function'
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Whether a version is older than another; `undefined` if the text is no version. */
function isBefore(
  version: string | undefined,
  [oldestMajor, oldestMinor]: readonly [number, number],
): boolean | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)\./.exec(version ?? '') ?? []
  if (major === undefined) return undefined
  return Number(major) < oldestMajor || (Number(major) === oldestMajor && Number(minor) < oldestMinor)
}
