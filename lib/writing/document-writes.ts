import type { Document } from 'mongodb'
import { toFound, toSizedRow } from '../documents/find-document.js'
import type { SizedRow } from '../documents/find-document.js'
import { toLoadError, toLoaded } from '../documents/loader.js'
import { findOneAndUpdate } from '../mongo/find-one-and-update.js'
import { withDeadline } from '../util/deadline.js'
import { valueAt } from '../util/field-names.js'
import { dryRunInsert } from './dry-run.js'
import { toUpsertFilter, withUserId } from './new-document.js'
import type { Writer, WriterConfig, WriteTask } from './writer.js'

/** The complete options of `forUser().replace()`. */
export interface ReplaceMode {
  readonly where?: Document | undefined
  readonly returns: 'after' | 'before' | 'counts'
  readonly upsert: boolean
  readonly invalidate: boolean
}

/** The complete options of `forUser().update()`. */
export interface UpdateMode extends ReplaceMode {
  readonly arrayFilters?: readonly Document[] | undefined
}

/** How many documents a write has matched and modified, and whether it has inserted one. */
export interface WriteCounts {
  readonly matchedCount: number
  /** 0 also if the document has the new values already. */
  readonly modifiedCount: number
  /** Whether a document was created, by the option `upsert`. */
  readonly upserted: boolean
}

/** The result of a write. */
export interface Written {
  readonly counts: WriteCounts
  /** Gives the document before the write, as a load would have; `undefined` if it was not asked for, or there was none. */
  readonly before?: (() => Promise<object | undefined>) | undefined
}

/** Writes if a document matches the filter. */
type WriteOne = (filter: Document) => Promise<WriteCounts & Pick<Written, 'before'>>

const NONE: WriteCounts = { matchedCount: 0, modifiedCount: 0, upserted: false }

/** Writes of server code to the document of one user. */
export class DocumentWrites {
  readonly #config: WriterConfig
  readonly #writer: Writer

  constructor(config: WriterConfig, writer: Writer) {
    this.#config = config
    this.#writer = writer
  }

  /** Applies update operators. */
  update(userId: string, operators: Document, mode: UpdateMode): Promise<Written> {
    const filters = mode.arrayFilters && { arrayFilters: mode.arrayFilters as Document[] }
    return this.#writer.run(userId, mode.invalidate, task => {
      const { collection } = task
      const options = { ...task.options.write, ...filters }
      const update: WriteOne =
        mode.returns === 'before'
          ? filter => this.#updateAfterReading(task, filter, operators, filters)
          : async filter => toCounts(await collection.updateOne(filter, operators, options))
      const insert = () =>
        this.#writer.createOnce(task, identity =>
          // The filter has only the identity: MongoDB would copy values of `where`, such as an `_id`, into the new document.
          collection.updateOne(toUpsertFilter(identity, this.#config.userIdField), operators, {
            ...options,
            upsert: true,
          }),
        )
      return this.#writeFound(task, mode, update, insert)
    })
  }

  /** Replaces all fields but `_id` and the user's id. */
  replace(userId: string, document: Document, mode: ReplaceMode): Promise<Written> {
    return this.#writer.run(userId, mode.invalidate, task => {
      const replace: WriteOne = async filter => {
        const replacement = await this.#toReplacement(task, filter, document)
        if (!replacement) return NONE
        if (mode.returns === 'before') {
          // Written as a pipeline, so that one helper for all drivers serves updates and replacements.
          const pipeline = [{ $replaceWith: { $literal: replacement } }]
          return this.#updateAfterReading(task, filter, pipeline)
        }
        return toCounts(await task.collection.replaceOne(filter, replacement, task.options.write))
      }
      return this.#writeFound(task, mode, replace, () => this.#writer.insertNew(task, document))
    })
  }

  /** Removes the document, and tells whether there was one. */
  async delete(userId: string, where: Document | undefined): Promise<boolean> {
    const { counts } = await this.#writer.run(userId, true, task =>
      this.#writeFound(task, { where, upsert: false }, async filter => {
        const { deletedCount } = await task.collection.deleteOne(filter, task.options.write)
        return { ...NONE, matchedCount: deletedCount }
      }),
    )
    return counts.matchedCount > 0
  }

  /**
   * Finds the user's document and writes to it if it matches `where`. If another writer removes it in between, the search is
   * repeated. Without a document, `insert` creates one.
   */
  async #writeFound(
    task: WriteTask,
    { where, upsert }: Pick<ReplaceMode, 'where' | 'upsert'>,
    write: WriteOne,
    insert?: () => Promise<boolean>,
  ): Promise<Written> {
    for (;;) {
      task.signal.throwIfAborted()
      const found = await this.#writer.find(task)
      if (found) {
        const owned = this.#writer.ownedBy(task, found.documentId)
        const { before, ...counts } = await write(where ? { $and: [owned, where] } : owned)
        if (counts.matchedCount > 0) return { counts, before }
        // The document does not match `where`, or another writer has removed it. Only the first is an answer.
        if (where && (await this.#writer.isMismatch(task, owned, where))) return { counts: NONE }
      } else {
        if (!upsert || !insert) return { counts: NONE }
        if (await insert()) return { counts: { ...NONE, upserted: true } }
      }
    }
  }

  /** Updates in one command that also returns the document before the update. */
  async #updateAfterReading(
    task: WriteTask,
    filter: Document,
    update: Document | Document[],
    filters?: { readonly arrayFilters: Document[] },
  ): ReturnType<WriteOne> {
    const { collection, options } = task
    const { projection, maxDocumentBytes } = this.#config
    // The command can measure the stored document, but it cannot apply the team's projection before that.
    const form = projection
      ? { promoteLongs: false, bsonRegExp: true }
      : { projection: toSizedRow(maxDocumentBytes) }
    const settings = { ...options.write, ...filters, ...form, returnDocument: 'before' } as const
    const stored = await findOneAndUpdate(collection, filter, update, settings)
    if (!stored) return NONE
    const before = () =>
      projection ? this.#project(task, stored) : this.#toLoaded(stored as unknown as SizedRow)
    return { matchedCount: 1, modifiedCount: 1, upserted: false, before }
  }

  async #toLoaded(row: SizedRow): Promise<object> {
    return (await toLoaded(toFound(row), this.#config)).data
  }

  /** Has the server apply the team's projection to a document that is not stored any more. */
  async #project({ collection }: WriteTask, document: Document): Promise<object | undefined> {
    const timeoutMs = this.#config.writeTimeoutMs
    try {
      return await withDeadline(timeoutMs, async signal => {
        const loaded = await dryRunInsert({ collection }, document, this.#config, { timeoutMs, signal })
        return loaded?.data
      })
    } catch (cause) {
      throw toLoadError(cause, true)
    }
  }

  /** The user id keeps the type that it has in the document, 64-bit numbers included. */
  async #toReplacement(
    { collection, options }: WriteTask,
    filter: Document,
    document: Document,
  ): Promise<Document | undefined> {
    const { userIdField } = this.#config
    const projection = { [userIdField]: 1 }
    const stored = await collection.findOne(filter, { ...options.read, promoteLongs: false, projection })
    return stored ? withUserId(document, userIdField, valueAt(stored, userIdField)) : undefined
  }
}

function toCounts({
  matchedCount,
  modifiedCount,
}: {
  readonly matchedCount: number
  readonly modifiedCount: number
}): WriteCounts {
  return { matchedCount, modifiedCount, upserted: false }
}
