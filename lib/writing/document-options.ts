/**
 * Update operators of MongoDB.
 *
 * @example { $set: { language: 'en' }, $inc: { logins: 1 } }
 */
export type UpdateOperators = Readonly<Record<`$${string}`, Readonly<Record<string, unknown>>>>

/**
 * A filter of MongoDB for the user's document. It may have all operators but `$where`, `$function` and `$accumulator`, which
 * run JavaScript, and `$text`, `$near` and `$nearSphere`, which search the collection. It has 32 levels and 5,000 members at
 * most, and no value `undefined`. It also sees fields that the option `projection` hides from handlers.
 *
 * @example { status: 'open', $expr: { $lt: ['$used', '$limit'] } }
 */
export type DocumentFilter = Readonly<Record<string, unknown>>

/** Options of `forUser().find()`. */
export interface FindOptions {
  /**
   * A `$project` stage for the document as handlers get it, so it cannot show what the option `projection` hides. The result
   * is not checked against the option `schema`, which is for whole documents.
   * @default the whole document
   * @example { language: 1, tagCount: { $size: '$tags' } }
   */
  readonly projection?: Readonly<Record<string, unknown>> | undefined
}

/** Options of `forUser().watch()`. */
export interface WatchOptions {
  /**
   * A signal that ends the watch. The iteration then ends without an error.
   * @default the watch ends with the loop, or by `return()`
   */
  readonly signal?: AbortSignal | undefined
}

/** Options of `forUser().delete()`. */
export interface DeleteOptions {
  /**
   * A filter that the document must match. Otherwise nothing is removed.
   * @default the document is removed in any state
   */
  readonly where?: DocumentFilter | undefined
}

/** Options of `forUser().replace()`. */
export interface WriteOptions {
  /**
   * A filter that the document must match when it is written. Otherwise nothing is written. With `upsert` it does not count
   * for a user without a document, and no value of it is copied into the new document.
   * @default the document is written in any state
   */
  readonly where?: DocumentFilter | undefined
  /**
   * `after`: the document, read after the write. `before`: the document as it was before, read by the same command, and
   * `undefined` for a new document. `counts`: `matchedCount` and `modifiedCount` of MongoDB, and `upserted`; nothing is read.
   * @default 'after'
   */
  readonly returns?: 'after' | 'before' | undefined
  /**
   * Whether to create a document for a user who has none.
   * @default false
   */
  readonly upsert?: boolean | undefined
  /**
   * Whether to drop the user's snapshots in this process. Write `false` for fields that no handler needs fresh, such as the
   * time of the last login.
   * @default true
   */
  readonly invalidate?: boolean | undefined
}

/** Options of `forUser().update()`. */
export interface UpdateOptions extends WriteOptions {
  /**
   * Conditions for the elements that paths such as `list.$[name].done` change, as MongoDB has them.
   * @default none
   * @example [{ 'name.priority': { $gt: 3 } }]
   */
  readonly arrayFilters?: readonly DocumentFilter[] | undefined
}
