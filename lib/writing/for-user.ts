import type { WrittenEvent } from '../audit-events.js'
import type { Loader } from '../documents/loader.js'
import { parseFilter } from '../options/mongo-expressions.js'
import {
  parseDeleteOptions,
  parseFindOptions,
  parseReplaceOptions,
  parseUpdateOptions,
  parseWatchOptions,
} from '../options/writes.js'
import type { DocumentChanges } from '../snapshots/document-changes.js'
import type { DocumentWatches } from '../snapshots/document-watches.js'
import { toOperators, toReplacement } from './changes.js'
import type {
  DeleteOptions,
  DocumentFilter,
  FindOptions,
  UpdateOperators,
  UpdateOptions,
  WatchOptions,
  WriteOptions,
} from './document-options.js'
import { queryDocument } from './document-query.js'
import type { QueryConfig } from './document-query.js'
import { DocumentWrites } from './document-writes.js'
import type { ReplaceMode, WriteCounts, Written } from './document-writes.js'
import type { Writer } from './writer.js'

/**
 * The document of one user, for server code: the document that `req.user.customData` is read from. Writes are not checked
 * against the schema, the size limit or the fields of `ownData()`. No filter and no change can reach another document.
 *
 * All methods reject with `custom_data_unavailable` (503) if MongoDB does not answer in time; a write may still have
 * happened then. If MongoDB refuses a change, such as an unknown operator, they reject with `write_refused` (500). Every
 * error of MongoDB becomes an error of this package, with the driver's error as its `cause`. If handlers could not get the
 * document that a write returns, it rejects with `custom_data_too_large` or `custom_data_invalid` (500), after the write.
 */
export interface UserDocument<CustomData> {
  /**
   * Reads the document from MongoDB, not from a snapshot.
   * @returns `undefined` if the user has no document
   * @throws `custom_data_too_large` or `custom_data_invalid` (500) if handlers could not get this document either
   */
  read: () => Promise<CustomData | undefined>
  /**
   * Reads the document if it matches a filter.
   * @returns `undefined` if the user has no document, or if it does not match
   * @throws OptionError for a filter that runs code or searches the collection; `query_refused` (500) if MongoDB refuses the
   * filter; `custom_data_too_large` or `custom_data_invalid` (500) as in {@link read}
   * @example const open = await userData.forUser(id).find({ status: 'open' })
   */
  find(this: void, filter?: DocumentFilter): Promise<CustomData | undefined>
  /**
   * Reads a part of the document if it matches a filter.
   * @returns `undefined` as above
   * @throws `query_refused` (500) if MongoDB refuses the filter or the projection
   * @example const part = await userData.forUser(id).find({}, { projection: { language: 1 } })
   */
  find(
    this: void,
    filter: DocumentFilter | undefined,
    options: FindOptions,
  ): Promise<Readonly<Record<string, unknown>> | undefined>
  /**
   * Sets fields, or applies update operators. A field with the value `undefined` is left alone. `_id` and the user id field
   * cannot be changed. With `where` a positional `$` in a path stands for the element that `where` matches.
   * @returns `undefined` if the user has no document and `upsert` is not set, or if the document does not match `where`
   * @throws TypeError for fields and operators at once, and for a change of `_id` or of the user id field;
   * `custom_data_conflict` (409) if a unique index refuses the value; `custom_data_refused` (422) if the collection's
   * validator refuses it
   * @example
   * await userData.forUser(id).update({ language: 'en' })
   * await userData.forUser(id).update({ $inc: { credits: 5 } }, { upsert: true })
   */
  update(
    this: void,
    change: Partial<CustomData> | UpdateOperators,
    options?: UpdateOptions,
  ): Promise<CustomData | undefined>
  /**
   * Does the same, and returns counts.
   * @example
   * const pay = { $inc: { credits: -5 } }
   * const { matchedCount } = await userData.forUser(id).update(pay, {
   *   where: { credits: { $gte: 5 } },
   *   returns: 'counts',
   * })
   */
  update(
    this: void,
    change: Partial<CustomData> | UpdateOperators,
    options: Omit<UpdateOptions, 'returns'> & { readonly returns: 'counts' },
  ): Promise<WriteCounts>
  /**
   * Replaces all fields but `_id` and the user's id.
   * @returns `undefined` if the user has no document and `upsert` is not set, or if the document does not match `where`
   * @throws TypeError for operators, and for another user's id; `custom_data_conflict` (409) and `custom_data_refused`
   * (422) as in {@link update}
   * @example
   * const user = userData.forUser(id)
   * const { trial, ...kept } = (await user.read()) ?? {}
   * await user.replace(kept)
   */
  replace(this: void, document: Partial<CustomData>, options?: WriteOptions): Promise<CustomData | undefined>
  /** Does the same, and returns counts. */
  replace(
    this: void,
    document: Partial<CustomData>,
    options: Omit<WriteOptions, 'returns'> & { readonly returns: 'counts' },
  ): Promise<WriteCounts>
  /**
   * Removes the document. If the user has several documents, the next one is used from then on.
   * @returns whether there was a document, and it matched `where`
   */
  delete: (options?: DeleteOptions) => Promise<boolean>
  /**
   * Follows the changes of the document, for sockets, server-sent events and other protocols. It needs the option
   * `changeStreams: 'auto'` and a replica set. The promise resolves when the watch stands: later changes are told, of this
   * and of other processes.
   *
   * A watch compares states, as `read()` gives them. Several quick changes may come as one, and a change of hidden fields
   * alone is none. Nothing is queued: a slow consumer gets the latest state. While the change stream is broken, changes come
   * late. End each watch: by the signal, by leaving the loop, or by `return()`. An instance has 10,000 at most.
   * @throws OptionError for a wrong or unknown option; `changes_unavailable` (503) if changes cannot be followed, also during
   * the iteration; `closed` (503) after `close()`, also during the iteration; the errors of {@link read}, also during the
   * iteration. After an error the watch has ended.
   * @example
   * const ending = new AbortController()
   * socket.on('disconnect', () => ending.abort())
   * const changes = await userData.forUser(id).watch({ signal: ending.signal })
   * for await (const { document = {} } of changes) socket.emit('custom data', document)
   */
  watch: (options?: WatchOptions) => Promise<DocumentChanges<CustomData>>
}

/** Creates what `forUser()` returns. `onWritten` is called after each write that has changed the collection. */
export function createUserDocument(
  userId: string,
  {
    config,
    writer,
    loader,
    watches,
    onWritten,
  }: {
    readonly config: QueryConfig
    readonly writer: Writer
    readonly loader: Loader
    readonly watches: Pick<DocumentWatches, 'open'>
    readonly onWritten: (userId: string, change: WrittenEvent['change']) => void
  },
): UserDocument<object> {
  const writes = new DocumentWrites(config, writer)

  async function read(): Promise<object | undefined> {
    const { exists, data } = await loader.load(userId)
    return exists ? data : undefined
  }

  /** Reports a write, and gives what the option `returns` asks for. */
  async function answer(
    change: 'update' | 'replace',
    { counts, before }: Written,
    returns: ReplaceMode['returns'],
  ): Promise<object | undefined> {
    const isWritten = counts.matchedCount > 0 || counts.upserted
    if (isWritten) onWritten(userId, change)
    if (returns === 'counts') return counts
    if (returns === 'before') return before?.()
    return isWritten ? read() : undefined
  }

  // The overloads of the methods say which of the possible results an option gives.
  return {
    read,
    async find(filter?: DocumentFilter, options?: FindOptions) {
      const query = {
        filter: parseFilter('forUser().find()', filter),
        projection: parseFindOptions(options).projection,
      }
      return queryDocument(userId, query, writer, config)
    },
    async update(change: object, options?: object) {
      const operators = toOperators(change, config.userIdField)
      const mode = parseUpdateOptions(options)
      return answer('update', await writes.update(userId, operators, mode), mode.returns)
    },
    async replace(document: object, options?: object) {
      const replacement = toReplacement(document)
      const mode = parseReplaceOptions(options)
      return answer('replace', await writes.replace(userId, replacement, mode), mode.returns)
    },
    async delete(options) {
      const isDeleted = await writes.delete(userId, parseDeleteOptions(options).where)
      if (isDeleted) onWritten(userId, 'delete')
      return isDeleted
    },
    async watch(options) {
      const { signal } = parseWatchOptions(options)
      return watches.open(userId, signal)
    },
  } as UserDocument<object>
}
