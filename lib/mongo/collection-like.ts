import type { ObjectId } from 'mongodb'

/**
 * What is asked of the team's collection: the `Collection` of mongodb 5.9 to 7, or mongoose's.
 * Structural, because a mongoose app's driver may be another major than the one beside this package.
 */
export interface CollectionLike {
  readonly collectionName: string
  find(filter: never, options?: never): unknown
  aggregate(pipeline: never, options?: never): unknown
}

/** The class of the team's own driver: a value of another BSON major would be refused. */
export type ObjectIdClass = typeof ObjectId

/** Whether a collection is mongoose's own, which has the way to the mongoose that it belongs to. */
export function isMongoose(given: CollectionLike): boolean {
  return 'conn' in given
}
