import type { Collection, Document } from 'mongodb'
import { prepareRead, toFilter } from '../documents/find-document.js'
import type { LoadedDocument, LoadedForm } from '../documents/loader.js'
import type { UserDocuments } from '../documents/user-documents.js'
import { toExactOperations } from '../mongo/exact-operations.js'
import type { ExactOperations } from '../mongo/exact-operations.js'
import { keepsRegExp } from '../mongo/team-database.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import { withDeadline } from '../util/deadline.js'
import { valueAt } from '../util/field-names.js'
import { dryRunInsert } from './dry-run.js'
import {
  requireUserIdValues,
  toFirstDocumentId,
  toNewDocument,
  toUpsertFilter,
  withUserId,
} from './new-document.js'
import type { NewIdentity } from './new-document.js'
import { isDuplicateUser, toWriteError } from './write-errors.js'

const ONLY_ID = prepareRead({ projection: { _id: 1 }, maxDocumentBytes: Infinity })

/** The options that a writer depends on. */
export interface WriterConfig extends LoadedForm {
  readonly userIdField: string
  /** Milliseconds for a write together with the reads before it. */
  readonly writeTimeoutMs: number
}

/** One write to the document of one user, with its own deadline. */
export interface WriteTask {
  readonly userId: string
  readonly collection: Collection
  /** The values that the user's id may have in the user id field. */
  readonly values: readonly unknown[]
  readonly options: ExactOperations
  readonly signal: AbortSignal
}

/** The options of one write. */
export interface WriteMode {
  /** Whether to create a document for a user who has none. */
  readonly upsert: boolean
  /** Whether to drop the user's snapshots in this process. */
  readonly invalidate: boolean
}

/** An inserted document. */
export interface Inserted {
  /** The document as a load would return it. `undefined` if the server gave no answer to the dry run of the insert. */
  readonly loaded: LoadedDocument | undefined
}

interface WriterParts {
  readonly database: TeamDatabase
  readonly documents: UserDocuments
  /** Drops the snapshots of a user in this process. */
  readonly invalidate: (userId: string) => void
}

/** Writes the document that a load would find for a user, and no other document. */
export class Writer {
  readonly #config: WriterConfig
  readonly #database: TeamDatabase
  readonly #documents: UserDocuments
  readonly #invalidate: (userId: string) => void

  constructor(config: WriterConfig, { database, documents, invalidate }: WriterParts) {
    this.#config = config
    this.#database = database
    this.#documents = documents
    this.#invalidate = invalidate
  }

  /**
   * Applies update operators.
   * @returns whether the user has a document now
   */
  update(userId: string, operators: Document, mode: WriteMode): Promise<boolean> {
    return this.run(userId, mode.invalidate, task => {
      const { collection, options } = task
      const update = async (filter: Document) =>
        (await collection.updateOne(filter, operators, options.write)).matchedCount
      if (!mode.upsert) return this.#writeFound(task, update)
      return this.#writeFound(task, update, () =>
        this.#createOnce(task, identity => {
          const filter = toUpsertFilter(identity, this.#config.userIdField)
          return collection.updateOne(filter, operators, { ...options.write, upsert: true })
        }),
      )
    })
  }

  /**
   * Replaces all fields but `_id` and the user's id.
   * @returns whether the user has a document now
   */
  replace(userId: string, document: Document, mode: WriteMode): Promise<boolean> {
    return this.run(userId, mode.invalidate, task => {
      const replace = (filter: Document) => this.#replaceOne(task, filter, document)
      if (!mode.upsert) return this.#writeFound(task, replace)
      return this.#writeFound(task, replace, () =>
        this.#createOnce(task, identity => this.#insert(task, this.#toNewDocument(identity, document))),
      )
    })
  }

  /**
   * Removes the document.
   * @returns whether the user had one
   */
  delete(userId: string): Promise<boolean> {
    return this.run(userId, true, task =>
      this.#writeFound(
        task,
        async filter => (await task.collection.deleteOne(filter, task.options.write)).deletedCount,
      ),
    )
  }

  /**
   * Inserts a document for a user who has none.
   * @returns `undefined` if the user has a document by then
   * @throws `custom_data_too_large` or `custom_data_invalid` if a load would refuse the document
   */
  create(userId: string, document: Document): Promise<Inserted | undefined> {
    return this.run(userId, true, task => this.insertFor(task, document))
  }

  /** Does what {@link create} does, within a running task. */
  async insertFor(task: WriteTask, document: Document): Promise<Inserted | undefined> {
    const limits = { timeoutMs: this.#config.writeTimeoutMs, signal: task.signal }
    let loaded: LoadedDocument | undefined
    const isInserted = await this.#createOnce(task, async identity => {
      const newDocument = this.#toNewDocument(identity, document)
      loaded = await dryRunInsert(await this.#database.open(), newDocument, this.#config, limits)
      await this.#insert(task, newDocument)
    })
    return isInserted ? { loaded } : undefined
  }

  /** Runs an operation within `writeTimeoutMs`. */
  async run<T>(userId: string, invalidates: boolean, operation: (task: WriteTask) => Promise<T>): Promise<T> {
    const { writeTimeoutMs } = this.#config
    try {
      return await withDeadline(writeTimeoutMs, async signal => {
        const collection = await this.#database.collection()
        const values = await this.#documents.values(userId, signal)
        const options = toExactOperations(writeTimeoutMs, signal, keepsRegExp(collection))
        return operation({ userId, collection, values, signal, options })
      })
    } catch (cause) {
      throw toWriteError(cause)
    } finally {
      // Also after a failure, because a write without an acknowledgement may still have happened.
      if (invalidates) this.#invalidate(userId)
    }
  }

  /** A filter that matches the document only as long as it belongs to the user. */
  ownedBy({ values }: WriteTask, documentId: unknown): Document {
    const { userIdField } = this.#config
    return { $and: [{ _id: { $eq: documentId } }, toFilter({ userIdField, values })] }
  }

  /**
   * Finds the user's document and writes to it. If another writer removes it in between, the search is repeated.
   * Without a document, `insert` creates one.
   */
  async #writeFound(
    task: WriteTask,
    write: (filter: Document) => Promise<number>,
    insert?: () => Promise<boolean>,
  ): Promise<boolean> {
    for (;;) {
      task.signal.throwIfAborted()
      const found = await this.#find(task)
      if (!found && !insert) return false
      if (found ? (await write(this.ownedBy(task, found.documentId))) > 0 : await insert?.()) return true
    }
  }

  /**
   * Creates a document for a user who has none. Of several parallel attempts one succeeds, with or without a unique index
   * on the user id field, because all use the same `_id`. If another user's document has this `_id`, the driver generates
   * one.
   * @returns `false` if the user has a document by then
   */
  async #createOnce(task: WriteTask, attempt: (identity: NewIdentity) => Promise<unknown>): Promise<boolean> {
    const userIdValue = await this.#documents.valueToStore(requireUserIdValues(task.values), task.signal)
    const ObjectId = await this.#database.objectIdClass(task.signal)
    for (const documentId of [ObjectId.createFromHexString(toFirstDocumentId(task.userId)), undefined]) {
      try {
        task.signal.throwIfAborted()
        await attempt({ documentId, userIdValue })
        return true
      } catch (error) {
        if (!isDuplicateUser(error, this.#config.userIdField)) throw error
        if (await this.#find(task)) return false
      }
    }
    return false
  }

  /** The user id keeps the type that it has in the document, 64-bit numbers included. */
  async #replaceOne(
    { collection, options }: WriteTask,
    filter: Document,
    document: Document,
  ): Promise<number> {
    const { userIdField } = this.#config
    const projection = { [userIdField]: 1 }
    const stored = await collection.findOne(filter, { ...options.read, promoteLongs: false, projection })
    if (!stored) return 0
    const replacement = withUserId(document, userIdField, valueAt(stored, userIdField))
    return (await collection.replaceOne(filter, replacement, options.write)).matchedCount
  }

  #find({ userId, signal }: WriteTask): Promise<{ readonly documentId: unknown } | undefined> {
    return this.#documents.find(userId, ONLY_ID, signal)
  }

  #toNewDocument(identity: NewIdentity, document: Document): Document {
    return toNewDocument(identity, document, this.#config.userIdField)
  }

  #insert({ collection, options }: WriteTask, document: Document): Promise<unknown> {
    return collection.insertOne(document, options.insert)
  }
}
