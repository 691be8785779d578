import type { Document } from 'mongodb'
import { withDeadline } from '../util/deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { findOneAndUpdate } from '../mongo/find-one-and-update.js'
import { hasValue, pick, toUpdate } from './field-values.js'
import type { LoadedDocument } from '../documents/loader.js'
import { prepareRead } from '../documents/find-document.js'
import { rehearseChange } from './dry-run.js'
import type { FieldChange } from './dry-run.js'
import type { UserDocuments } from '../documents/user-documents.js'
import { toWriteError } from './write-errors.js'
import type { Writer, WriterConfig, WriteTask } from './writer.js'

/** Some fields of a user's document as handlers would get them, in the order in which they are allowed. */
export type OwnView = Readonly<Record<string, unknown>>

/** What is to be done with the fields as they were read. */
export interface OwnChange extends FieldChange {
  /** Whether it was decided by the fields' values: then it is void where one of them has changed since. */
  readonly dependsOnFields: boolean
}

/** What a write has made. */
export interface OwnWrite {
  readonly view: OwnView
  /** The user's document as a load would give it; `undefined` where this server cannot tell. */
  readonly loaded: LoadedDocument | undefined
  readonly created: boolean
}

/** Reads and writes some fields of a user's document, and nothing else of it. */
export interface OwnFields {
  read: (userId: string) => Promise<OwnView | undefined>
  /** Asks `decide` what to do; again, whenever the document has changed between the asking and the doing. */
  write: (userId: string, decide: (view: OwnView | undefined) => Promise<OwnChange>) => Promise<OwnWrite>
}

/** What own fields need to know. */
export interface OwnFieldsConfig extends WriterConfig {
  readonly loadTimeoutMs: number
}

interface StoredFields {
  readonly documentId: unknown
  /** Of the whole document, in BSON bytes. */
  readonly size: number
  readonly fields: Document
}

/** Creates the access to fields that were allowed. */
export function createOwnFields(
  config: OwnFieldsConfig,
  names: readonly string[],
  { documents, writer }: { readonly documents: UserDocuments; readonly writer: Writer },
): OwnFields {
  const { writeTimeoutMs, maxDocumentBytes } = config
  const fields = Object.fromEntries(names.map(name => [name, `$${name}`]))
  const projection = { size: { $bsonSize: '$$ROOT' }, fields }
  const what = prepareRead({ projection, maxDocumentBytes: Infinity })

  async function find(userId: string, signal: AbortSignal): Promise<StoredFields | undefined> {
    const found = await documents.find(userId, what, signal)
    const document = found?.document as Omit<StoredFields, 'documentId'> | undefined
    return found && document && { ...document, documentId: found.documentId }
  }

  /** The document as it was read: still the user's, as large as it was, and with the same fields where they matter. */
  function toFilter(task: WriteTask, stored: StoredFields, { dependsOnFields }: OwnChange): Document {
    const sameSize = { $eq: [{ $bsonSize: '$$ROOT' }, stored.size] }
    const sameFields = dependsOnFields ? names.map(name => hasValue(name, stored.fields)) : []
    return { ...writer.ownedBy(task, stored.documentId), $expr: { $and: [sameSize, ...sameFields] } }
  }

  async function change(
    task: WriteTask,
    stored: StoredFields,
    wanted: OwnChange,
  ): Promise<OwnWrite | undefined> {
    const { collection, options, signal } = task
    const filter = toFilter(task, stored, wanted)
    const limits = { timeoutMs: writeTimeoutMs, signal }
    const loaded = await rehearseChange(collection, { filter, change: wanted }, config, limits)
    if (!loaded) return undefined
    const after = await findOneAndUpdate(collection, filter, toUpdate(wanted), {
      ...options.write,
      projection: Object.fromEntries(names.map(name => [name, 1])),
      returnDocument: 'after',
    })
    return after ? { view: pick(after, names), loaded, created: false } : undefined
  }

  async function create(task: WriteTask, { set }: OwnChange): Promise<OwnWrite | undefined> {
    const inserted = await writer.insertFor(task, set)
    return inserted && { view: pick(set, names), loaded: inserted.loaded, created: true }
  }

  return {
    async read(userId) {
      try {
        const stored = await withDeadline(config.loadTimeoutMs, signal => find(userId, signal))
        return stored && pick(stored.fields, names)
      } catch (cause) {
        throw toWriteError(cause)
      }
    },
    write: (userId, decide) =>
      writer.run(userId, true, async task => {
        for (;;) {
          task.signal.throwIfAborted()
          const stored = await find(userId, task.signal)
          const wanted = await decide(stored && pick(stored.fields, names))
          const done = await (stored ? change(task, stored, wanted) : create(task, wanted)).catch(
            (error: unknown) => {
              throw toRefusal(error, maxDocumentBytes)
            },
          )
          if (done) return done
        }
      }),
  }
}

/** What would be our own trouble in a load is the client's in a write. */
function toRefusal(error: unknown, maxDocumentBytes: number): unknown {
  const code = asCustomUserDataError(error)?.code
  if (code === 'custom_data_too_large') {
    const message = `The custom data would exceed ${maxDocumentBytes} bytes.`
    return new CustomUserDataError('payload_too_large', message, { cause: error })
  }
  if (code === 'custom_data_invalid') {
    const message = 'The custom data would not have the expected form.'
    return new CustomUserDataError('custom_data_refused', message, { cause: error })
  }
  return error
}
