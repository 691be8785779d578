import type { Collection, Document } from 'mongodb'
import { withDeadline } from '../util/deadline.js'
import { toExactOperations } from '../mongo/exact-operations.js'
import type { ExactOperations } from '../mongo/exact-operations.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import { valueAt } from './field-names.js'
import type { LoadedDocument, LoadedForm } from '../documents/loader.js'
import { createOnce, toNewDocument, toUpsertFilter, withUserId } from './new-document.js'
import { prepareRead, toFilter } from '../documents/find-document.js'
import { rehearseInsert } from './dry-run.js'
import type { UserDocuments } from '../documents/user-documents.js'
import { toWriteError } from './write-errors.js'

const ONLY_ID = prepareRead({ projection: { _id: 1 }, maxDocumentBytes: Infinity })

/** What the writer needs to know. */
export interface WriterConfig extends LoadedForm {
  readonly userIdField: string
  /** Milliseconds that a write may take, with the reads that it needs. */
  readonly writeTimeoutMs: number
}

/** What the writer works with. */
export interface WriterParts {
  readonly database: TeamDatabase
  readonly documents: UserDocuments
  /** Voids what was loaded of a user. */
  readonly invalidate: (userId: string) => void
}

/** One write: whose document, where, and within which time. */
export interface WriteTask {
  readonly userId: string
  readonly collection: Collection
  /** The forms that the user's id may have. */
  readonly values: readonly unknown[]
  readonly options: ExactOperations
  readonly signal: AbortSignal
}

/** How a write is to be done. */
export interface WriteMode {
  /** Whether a user without a document is to get one. */
  readonly upsert: boolean
  /** Whether what was loaded of the user is void afterwards. */
  readonly invalidate: boolean
}

/** A document that was inserted. */
export interface Inserted {
  /** As a load would give it; `undefined` where this server cannot tell before there is a load. */
  readonly loaded: LoadedDocument | undefined
}

/** Writes the document that a load would find for a user, and no other. */
export interface Writer {
  /** Runs an operation in time; what was loaded of the user is void afterwards, whether or not it succeeded. */
  run: <T>(userId: string, invalidates: boolean, operation: (task: WriteTask) => Promise<T>) => Promise<T>
  /** Applies update operators; whether there is a document now. */
  update: (userId: string, operators: Document, mode: WriteMode) => Promise<boolean>
  /** Replaces all but `_id` and the user's id; whether there is a document now. */
  replace: (userId: string, document: Document, mode: WriteMode) => Promise<boolean>
  /** Removes the document; whether there was one. */
  delete: (userId: string) => Promise<boolean>
  /** Inserts a document for a user who has none; `undefined` where there is one by now. Rejects where loads would refuse it. */
  create: (userId: string, document: Document) => Promise<Inserted | undefined>
  /** The same, within a task. */
  insertFor: (task: WriteTask, document: Document) => Promise<Inserted | undefined>
  /** The filter of a document, for as long as it is the user's. */
  ownedBy: (task: WriteTask, documentId: unknown) => Document
}

/** Creates the writer over the team's collection. */
export function createWriter(config: WriterConfig, parts: WriterParts): Writer {
  const { database, documents, invalidate } = parts
  const { userIdField, writeTimeoutMs } = config

  const run: Writer['run'] = async (userId, invalidates, operation) => {
    try {
      return await withDeadline(writeTimeoutMs, async signal => {
        const collection = await database.collection()
        const values = await documents.values(userId, signal)
        const options = toExactOperations(writeTimeoutMs, signal)
        return operation({ userId, collection, values, signal, options })
      })
    } catch (cause) {
      throw toWriteError(cause)
    } finally {
      // Also after a failure: what was not acknowledged may have been written all the same.
      if (invalidates) invalidate(userId)
    }
  }

  function find({ userId, signal }: WriteTask): Promise<{ readonly documentId: unknown } | undefined> {
    return documents.find(userId, ONLY_ID, signal)
  }

  function ownedBy({ values }: WriteTask, documentId: unknown): Document {
    return { $and: [{ _id: { $eq: documentId } }, toFilter({ userIdField, values })] }
  }

  /** Until a document that was found was still there to be written, or there is none and none is to be made. */
  async function untilWritten(
    task: WriteTask,
    write: (filter: Document) => Promise<number>,
    insert?: () => Promise<boolean>,
  ): Promise<boolean> {
    for (;;) {
      task.signal.throwIfAborted()
      const found = await find(task)
      if (!found && !insert) return false
      if (found ? (await write(ownedBy(task, found.documentId))) > 0 : await insert?.()) return true
    }
  }

  const once = (task: WriteTask, attempt: Parameters<typeof createOnce>[2]): Promise<boolean> =>
    createOnce({ database, userIdField }, task, attempt, async () => (await find(task)) !== undefined)

  function insertUnchecked(task: WriteTask, document: Document): Promise<boolean> {
    const { collection, options } = task
    return once(task, identity =>
      collection.insertOne(toNewDocument(identity, document, userIdField), options.insert),
    )
  }

  async function insertFor(task: WriteTask, document: Document): Promise<Inserted | undefined> {
    const { collection, options, signal } = task
    const limits = { timeoutMs: writeTimeoutMs, signal }
    let loaded: LoadedDocument | undefined
    const isInserted = await once(task, async identity => {
      const made = toNewDocument(identity, document, userIdField)
      loaded = await rehearseInsert((await database.open()).db, made, config, limits)
      await collection.insertOne(made, options.insert)
    })
    return isInserted ? { loaded } : undefined
  }

  /** The user's id stays in the form that it has, 64-bit numbers included. */
  async function replaceOne({ collection, options }: WriteTask, filter: Document, document: Document) {
    const projection = { [userIdField]: 1 }
    const stored = await collection.findOne(filter, { ...options.read, promoteLongs: false, projection })
    if (!stored) return 0
    const replacement = withUserId(document, userIdField, valueAt(stored, userIdField))
    return (await collection.replaceOne(filter, replacement, options.write)).matchedCount
  }

  return {
    run,
    ownedBy,
    insertFor,
    create: (userId, document) => run(userId, true, task => insertFor(task, document)),
    update: (userId, operators, mode) =>
      run(userId, mode.invalidate, task => {
        const { collection, options } = task
        const update = (filter: Document) => collection.updateOne(filter, operators, options.write)
        const upsert = { ...options.write, upsert: true }
        const insert = () =>
          once(task, identity =>
            collection.updateOne(toUpsertFilter(identity, userIdField), operators, upsert),
          )
        return untilWritten(
          task,
          async filter => (await update(filter)).matchedCount,
          mode.upsert ? insert : undefined,
        )
      }),
    replace: (userId, document, mode) =>
      run(userId, mode.invalidate, task =>
        untilWritten(
          task,
          filter => replaceOne(task, filter, document),
          mode.upsert ? () => insertUnchecked(task, document) : undefined,
        ),
      ),
    delete: userId =>
      run(userId, true, task =>
        untilWritten(
          task,
          async filter => (await task.collection.deleteOne(filter, task.options.write)).deletedCount,
        ),
      ),
  }
}
