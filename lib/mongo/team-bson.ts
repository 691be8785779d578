import type { BSON, Document } from 'mongodb'
import { OptionError } from '../errors.js'
import { isMongoose } from './collection-like.js'
import type { CollectionLike, ObjectIdClass } from './collection-like.js'

/**
 * The BSON library of a driver: the `BSON` that `mongodb` exports, or `mongoose.mongo.BSON`. The type is structural because
 * the team's driver may be another major than the driver that this package was compiled with.
 */
export interface BsonLibrary {
  serialize(document: never, options?: never): Uint8Array
  deserialize(bytes: never, options?: never): unknown
  readonly ObjectId: unknown
  readonly EJSON: {
    serialize(value: never, options?: never): unknown
    deserialize(json: never, options?: never): unknown
  }
}

/** The functions of the team's BSON library that this package calls. */
export interface TeamBson {
  readonly serialize: (document: object, options?: BSON.SerializeOptions) => Uint8Array
  readonly deserialize: (bytes: Uint8Array, options: BSON.DeserializeOptions) => Document
  readonly ObjectId: ObjectIdClass
  readonly EJSON: {
    serialize(value: object, options: { readonly relaxed: boolean }): unknown
    deserialize(json: object, options: { readonly relaxed: false }): object
  }
}

interface OwnMongoDb {
  readonly Collection: new (...args: never[]) => object
  readonly BSON: TeamBson
}

/**
 * Finds the BSON library of the driver that a collection belongs to. No other library works, because a driver refuses
 * values of another major. `undefined` if the collection does not lead to its library.
 *
 * @param option the option `bson`, which wins
 */
export function findTeamBson(
  collection: CollectionLike,
  option: BsonLibrary | undefined,
): TeamBson | undefined {
  if (option) return option as unknown as TeamBson
  if (!isMongoose(collection)) return bsonOfOwnMongoDb(collection)
  const { conn } = collection as { readonly conn?: { readonly base?: { readonly mongo?: OwnMongoDb } } }
  return conn?.base?.mongo?.BSON
}

/**
 * Returns the BSON library, which a feature needs.
 *
 * @param feature the option or method in the error message
 * @throws {OptionError} if the library is not known
 */
export function requireTeamBson(bson: TeamBson | undefined, feature: string): TeamBson {
  if (bson) return bson
  throw new OptionError(
    `${feature} needs the BSON library of the driver that "collection" belongs to, and it could not be found. Give it by the ` +
      'option "bson": import { BSON } from \'mongodb\' and write bson: BSON. For a collection of mongoose write bson: ' +
      'mongoose.mongo.BSON.',
  )
}

/** The `mongodb` that Node resolves for this package is the team's driver only if the collection is of its class. */
function bsonOfOwnMongoDb(collection: object): TeamBson | undefined {
  let mongodb: OwnMongoDb
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an app without `mongodb` must load this file too
    mongodb = require('mongodb') as OwnMongoDb
  } catch {
    // An app that has only mongoose may have no `mongodb` that this package can resolve.
    return undefined
  }
  return collection instanceof mongodb.Collection ? mongodb.BSON : undefined
}
