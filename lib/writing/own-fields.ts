import type { Document } from 'mongodb'
import { createExactDecoder, prepareRead } from '../documents/find-document.js'
import type { LoadedDocument } from '../documents/loader.js'
import type { UserDocuments } from '../documents/user-documents.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { findOneAndUpdate } from '../mongo/find-one-and-update.js'
import { toDatabaseError } from '../mongo/database-errors.js'
import type { Outage } from '../mongo/database-errors.js'
import type { TeamBson } from '../mongo/team-bson.js'
import { keepsRegExp, PLAIN_BSON, writtenFormOf } from '../mongo/team-database.js'
import { withDeadline } from '../util/deadline.js'
import { dryRunChange } from './dry-run.js'
import type { FieldChange } from './dry-run.js'
import type { Writer, WriterConfig, WriteTask } from './writer.js'

/** The allowed fields of a user's document, in the order of the option `fields`, in two forms with the same members. */
export interface OwnView {
  /** As handlers would get them. */
  readonly plain: Readonly<Record<string, unknown>>
  /** With the BSON types of numbers. */
  readonly exact: Readonly<Record<string, unknown>>
}

/** A change that was decided for the fields as they were read. */
export interface OwnChange extends FieldChange {
  /** Whether the decision depends on the values of the fields. If so, it is only applied while they are unchanged. */
  readonly dependsOnFields: boolean
}

/** Values as a load would give them if they were stored. */
export type ToLoaded = (values: Readonly<Record<string, unknown>>) => Record<string, unknown>

/** Decides a change for the fields as they were read; `undefined` without a document. */
type Decide = (view: OwnView | undefined, toLoaded: ToLoaded) => Promise<OwnChange>

/** The result of a write. */
export interface OwnWrite {
  /** The fields as handlers would get them. */
  readonly plain: OwnView['plain']
  /** The user's document as a load would return it. `undefined` if the server gave no answer to the dry run of the insert. */
  readonly loaded: LoadedDocument | undefined
  readonly created: boolean
  /** Whether anything was stored. A change to the values that are stored already stores nothing. */
  readonly written: boolean
}

/** The options that {@link OwnFields} depends on. */
export interface OwnFieldsConfig extends WriterConfig {
  readonly loadTimeoutMs: number
}

const UNREADABLE: Outage = {
  code: 'custom_data_unavailable',
  message: 'Custom data could not be read in time.',
}

interface StoredFields {
  readonly documentId: unknown
  /** BSON bytes of the whole document. */
  readonly size: number
  readonly view: OwnView
}

interface OwnFieldsParts {
  readonly documents: UserDocuments
  readonly writer: Writer
  readonly bson: TeamBson
}

/** Reads and writes the allowed fields of a user's document, and no other fields. */
export class OwnFields {
  readonly #config: OwnFieldsConfig
  readonly #names: readonly string[]
  readonly #documents: UserDocuments
  readonly #writer: Writer
  readonly #bson: TeamBson
  readonly #read: ReturnType<typeof prepareRead>

  constructor(
    config: OwnFieldsConfig,
    names: readonly string[],
    { documents, writer, bson }: OwnFieldsParts,
  ) {
    this.#config = config
    this.#names = names
    this.#documents = documents
    this.#writer = writer
    const fields = Object.fromEntries(names.map(name => [name, `$${name}`]))
    const projection = { size: { $bsonSize: '$$ROOT' }, fields }
    this.#bson = bson
    this.#read = prepareRead({
      projection,
      maxDocumentBytes: Infinity,
      decodeExactly: createExactDecoder(bson),
    })
  }

  /** `undefined` if the user has no document. */
  async read(userId: string): Promise<OwnView | undefined> {
    try {
      const stored = await withDeadline(this.#config.loadTimeoutMs, signal => this.#find(userId, signal))
      return stored?.view
    } catch (cause) {
      throw toDatabaseError(cause, UNREADABLE)
    }
  }

  /** Reads the fields, calls `decide` and writes. If the document has changed in between, all three are repeated. */
  write(userId: string, decide: Decide): Promise<OwnWrite> {
    return this.#writer.run(userId, true, async task => {
      const toLoaded: ToLoaded = values => this.#toLoaded(task, values)
      for (;;) {
        task.signal.throwIfAborted()
        const stored = await this.#find(userId, task.signal)
        const change = await decide(stored?.view, toLoaded)
        try {
          const written = await (stored ? this.#change(task, stored, change) : this.#create(task, change))
          if (written) return written
        } catch (error) {
          throw toRefusal(error, this.#config.maxDocumentBytes)
        }
      }
    })
  }

  async #find(userId: string, signal: AbortSignal): Promise<StoredFields | undefined> {
    const found = await this.#documents.find(userId, this.#read, signal)
    if (!found?.document || !found.exact) return undefined
    const { size, fields } = found.document as { readonly size: number; readonly fields: Document }
    const { fields: exact } = found.exact as { readonly fields: Document }
    const view = { plain: pick(fields, this.#names), exact: pick(exact, this.#names) }
    return { documentId: found.documentId, size, view }
  }

  async #change(task: WriteTask, stored: StoredFields, change: OwnChange): Promise<OwnWrite | undefined> {
    const { collection, options, signal } = task
    const filter = this.#toFilter(task, stored, change)
    const limits = { timeoutMs: this.#config.writeTimeoutMs, signal }
    const loaded = await dryRunChange(collection, { filter, change }, this.#config, limits)
    if (!loaded) return undefined
    if (isEmpty(change)) return { plain: stored.view.plain, loaded, created: false, written: false }
    const after = await findOneAndUpdate(collection, filter, toUpdate(change), {
      ...options.write,
      projection: Object.fromEntries(this.#names.map(name => [name, 1])),
      returnDocument: 'after',
    })
    return after ? { plain: pick(after, this.#names), loaded, created: false, written: true } : undefined
  }

  async #create(task: WriteTask, { set }: OwnChange): Promise<OwnWrite | undefined> {
    const inserted = await this.#writer.insertFor(task, set)
    const plain = pick(this.#toLoaded(task, set), this.#names)
    return inserted && { plain, loaded: inserted.loaded, created: true, written: true }
  }

  /** The values may have types of BSON that handlers do not get, and members that the collection writes as `null`. */
  #toLoaded({ collection }: WriteTask, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const bytes = this.#bson.serialize(values, writtenFormOf(collection))
    return this.#bson.deserialize(bytes, { ...PLAIN_BSON, bsonRegExp: keepsRegExp(collection) })
  }

  /**
   * Matches the document as it was read: it still belongs to the user, has the same size, and has the same values in the
   * fields that the decision depends on. The size has to be the same because the dry run measured it.
   */
  #toFilter(task: WriteTask, stored: StoredFields, { dependsOnFields }: OwnChange): Document {
    const sameSize = { $eq: [{ $bsonSize: '$$ROOT' }, stored.size] }
    const sameFields = dependsOnFields ? this.#names.map(name => hasValue(name, stored.view.exact)) : []
    return { ...this.#writer.ownedBy(task, stored.documentId), $expr: { $and: [sameSize, ...sameFields] } }
  }
}

/** The named fields of a document, in the order of the names. */
function pick(document: Document, names: readonly string[]): Record<string, unknown> {
  const present = names.filter(name => Object.hasOwn(document, name))
  return Object.fromEntries(present.map(name => [name, document[name] as unknown]))
}

/** True at the server if a field has the value that was read, or is still missing. 1 and 1.0 count as the same value. */
function hasValue(name: string, read: OwnView['exact']): Document {
  if (!Object.hasOwn(read, name)) return { $eq: [{ $type: `$${name}` }, 'missing'] }
  return { $eq: [`$${name}`, { $literal: read[name] }] }
}

function isEmpty({ set, unset }: FieldChange): boolean {
  return unset.length === 0 && Object.keys(set).length === 0
}

/** Update operators for a change that is not empty. */
function toUpdate({ set, unset }: FieldChange): Document {
  if (unset.length === 0) return { $set: set }
  const $unset = Object.fromEntries(unset.map(name => [name, true]))
  return Object.keys(set).length === 0 ? { $unset } : { $set: set, $unset }
}

/** A document that a load would refuse is a fault of the server in a load, but a fault of the client in a write. */
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
