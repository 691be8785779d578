import type { Collection, Document } from 'mongodb'
import { prepareRead, toFilter } from '../documents/find-document.js'
import type { LoadedDocument, LoadedForm } from '../documents/loader.js'
import type { UserDocuments } from '../documents/user-documents.js'
import { toExactOperations } from '../mongo/exact-operations.js'
import type { ExactOperations } from '../mongo/exact-operations.js'
import { keepsRegExp } from '../mongo/team-database.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import { withDeadline } from '../util/deadline.js'
import { dryRunInsert } from './dry-run.js'
import { requireUserIdValues, toFirstDocumentId, toNewDocument } from './new-document.js'
import type { NewIdentity } from './new-document.js'
import { isDuplicateUser, isTakenDocumentId, toWriteError } from './write-errors.js'

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

/** Reaches the document that a load would find for a user, and no other document. Creates it for a user who has none. */
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
    const isInserted = await this.createOnce(task, async identity => {
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
        return operation(await this.taskFor(userId, writeTimeoutMs, signal))
      })
    } catch (cause) {
      throw toWriteError(cause)
    } finally {
      // Also after a failure, because a write without an acknowledgement may still have happened.
      if (invalidates) this.#invalidate(userId)
    }
  }

  /** Prepares an operation on the document of one user. */
  async taskFor(userId: string, timeoutMs: number, signal: AbortSignal): Promise<WriteTask> {
    const collection = await this.#database.collection()
    const values = await this.#documents.values(userId, signal)
    const options = toExactOperations(timeoutMs, signal, keepsRegExp(collection))
    return { userId, collection, values, signal, options }
  }

  /** A filter that matches the document only as long as it belongs to the user. */
  ownedBy({ values }: WriteTask, documentId: unknown): Document {
    const { userIdField } = this.#config
    return { $and: [{ _id: { $eq: documentId } }, toFilter({ userIdField, values })] }
  }

  /** Finds the document that a load would find. */
  find({ userId, signal }: WriteTask): Promise<{ readonly documentId: unknown } | undefined> {
    return this.#documents.find(userId, ONLY_ID, signal)
  }

  /**
   * Whether the document that `owned` matches does not match another filter. False if it does, or is no longer there or the
   * user's: then the search has to be repeated. One query tells all, so it is true of one moment.
   */
  async isMismatch({ collection, options }: WriteTask, owned: Document, filter: Document): Promise<boolean> {
    const mismatch = { $and: [owned, { $nor: [filter] }] }
    return (await collection.findOne(mismatch, { ...options.read, projection: { _id: 1 } })) !== null
  }

  /** Inserts the first document of a user, without a dry run. Returns as {@link createOnce} does. */
  insertNew(task: WriteTask, document: Document): Promise<boolean> {
    return this.createOnce(task, identity => this.#insert(task, this.#toNewDocument(identity, document)))
  }

  /**
   * Creates a document for a user who has none. Of several parallel attempts one succeeds, with or without a unique index
   * on the user id field, because all use the same `_id`. If another user's document has this `_id`, the driver generates
   * one.
   * @returns `false` if the user has a document by then
   * @throws the error of MongoDB if the new document itself names an `_id` that another document has
   */
  async createOnce(task: WriteTask, attempt: (identity: NewIdentity) => Promise<unknown>): Promise<boolean> {
    const userIdValue = await this.#documents.valueToStore(requireUserIdValues(task.values), task.signal)
    const ObjectId = await this.#database.objectIdClass(task.signal)
    for (const documentId of [ObjectId.createFromHexString(toFirstDocumentId(task.userId)), undefined]) {
      try {
        task.signal.throwIfAborted()
        await attempt({ documentId, userIdValue })
        return true
      } catch (error) {
        if (!isDuplicateUser(error, this.#config.userIdField)) throw error
        if (await this.find(task)) return false
        // A generated `_id` is free, so the document itself names this one. Another attempt would fail too.
        if (documentId === undefined && isTakenDocumentId(error)) throw error
      }
    }
    return false
  }

  #toNewDocument(identity: NewIdentity, document: Document): Document {
    return toNewDocument(identity, document, this.#config.userIdField)
  }

  #insert({ collection, options }: WriteTask, document: Document): Promise<unknown> {
    return collection.insertOne(document, options.insert)
  }
}
