import type { Document } from 'mongodb'
import { EXACT_BSON } from '../documents/find-document.js'
import type { ListedIndex } from '../mongo/indexes.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import type { TeamBson } from '../mongo/team-bson.js'
import { valueAt, withValueAt } from '../util/field-names.js'
import { evaluate, project } from './expressions.js'
import type { Variables } from './expressions.js'
import { equalityFields, matches } from './filters.js'
import type { PlainDatabase } from './plain-database.js'
import { needsRealMongoDb } from './real-mongodb.js'
import { toDuplicateKeyError } from './server-error.js'
import { runStage } from './plain-stages.js'
import { applyUpdate } from './updates.js'

/** The options of commands that this collection follows. All others concern servers and connections. */
interface CommandOptions {
  readonly projection?: Document
  readonly arrayFilters?: readonly Document[]
  readonly upsert?: boolean
  readonly raw?: boolean
  readonly bsonRegExp?: boolean
  readonly promoteLongs?: boolean
}

interface PlainCollectionParts {
  readonly name: string
  readonly database: PlainDatabase
  readonly bson: TeamBson
  /** Milliseconds since the epoch, for `$$NOW`. */
  readonly now: () => number
}

/** What an update tells. */
interface Counts {
  readonly matchedCount: number
  readonly modifiedCount: number
}

const NOTHING: Counts = { matchedCount: 0, modifiedCount: 0 }

/** The types of numbers in BSON. MongoDB compares numbers by their values. */
const NUMBERS = ['Double', 'Int32', 'Long']

/**
 * A collection whose documents are in this process, with the methods of the driver's `Collection` that this package calls.
 * It runs the commands of loads, of `forUser()` and of new sessions. Each other command throws `real_mongodb_needed`.
 *
 * Documents are kept as BSON, so values are copied, and change their types, as they do on their way to MongoDB and back.
 */
export class PlainCollection {
  readonly collectionName: string
  readonly dbName: string
  readonly namespace: string
  /** By this member the core recognises a collection, and finds the collection of sessions. */
  readonly db: PlainDatabase
  readonly client: PlainDatabase['client']
  readonly #bson: TeamBson
  readonly #now: () => number
  readonly #indexes: ListedIndex[] = [{ name: '_id_', key: { _id: 1 }, unique: true }]
  /** BSON bytes, in the order of insertion. */
  #documents: Uint8Array[] = []

  constructor({ name, database, bson, now }: PlainCollectionParts) {
    this.collectionName = name
    this.dbName = database.databaseName
    this.namespace = `${database.databaseName}.${name}`
    this.db = database
    this.client = database.client
    this.#bson = bson
    this.#now = now
  }

  /** Adds a unique index. */
  addUniqueIndex(name: string, field: string): void {
    if (field !== '_id') this.#indexes.push({ name, key: { [field]: 1 }, unique: true })
  }

  /** Puts a document in the place of the one that has the same value in a field, or adds it. */
  put(document: Document, field: string): void {
    const bytes = this.#encode(document)
    const value = valueAt(this.#decode(bytes), field)
    this.#documents = this.#documents.filter(
      other => !this.#isEqual(valueAt(this.#decode(other), field), value),
    )
    this.#add(bytes)
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a promise, as the driver returns it
  async findOne(filter: Document, options: CommandOptions): Promise<unknown> {
    const found = this.#find(filter)
    if (!found) return null
    const { projection } = options
    return this.#toAnswer(
      projection ? this.#project(projection, this.#decode(found)) : this.#decode(found),
      options,
    )
  }

  aggregate(pipeline: readonly Document[], options: CommandOptions = {}) {
    return {
      // eslint-disable-next-line @typescript-eslint/require-await -- a promise, as the driver returns it
      toArray: async (): Promise<unknown[]> => {
        let documents = this.#documents.map(bytes => this.#decode(bytes))
        for (const stage of pipeline) documents = this.#runStage(stage, documents)
        return documents.map(document => this.#toAnswer(document, options))
      },
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a promise, as the driver returns it
  async insertOne(document: Document): Promise<{ readonly insertedId: unknown }> {
    const _id: unknown = document['_id'] ?? new this.#bson.ObjectId()
    this.#add(this.#encode({ _id, ...document }))
    return { insertedId: _id }
  }

  async updateOne(
    filter: Document,
    update: Document,
    { upsert, arrayFilters }: CommandOptions,
  ): Promise<Counts> {
    if (arrayFilters) throw needsRealMongoDb('an update with arrayFilters')
    const found = this.#find(filter)
    if (found) return this.#replace(found, applyUpdate(this.#decode(found), update))
    if (upsert === true) {
      const fields = equalityFields(filter)
      const begun = fields.reduce((document, [path, value]) => withValueAt(document, path, value), {})
      await this.insertOne(applyUpdate(begun, update))
    }
    return NOTHING
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a promise, as the driver returns it
  async replaceOne(filter: Document, replacement: Document): Promise<Counts> {
    const found = this.#find(filter)
    if (!found) return NOTHING
    const { _id: id } = this.#decode(found)
    return this.#replace(found, { _id: id as unknown, ...replacement })
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a promise, as the driver returns it
  async deleteOne(filter: Document): Promise<{ readonly deletedCount: number }> {
    const found = this.#find(filter)
    this.#documents = this.#documents.filter(bytes => bytes !== found)
    return { deletedCount: found ? 1 : 0 }
  }

  /** Stores a new session. Nothing else is updated by this command without MongoDB. */
  async findOneAndUpdate(
    filter: Document,
    update: readonly Document[],
    options: CommandOptions,
  ): Promise<unknown> {
    if (this.#find(filter)) {
      throw needsRealMongoDb(
        'an exchange or the end of a session, or a write that returns the document before it',
      )
    }
    if (options.upsert !== true) return null
    let inserted: Document = {}
    for (const stage of update) {
      const [next = {}] = this.#runStage(stage, [inserted])
      inserted = next
    }
    const { insertedId } = await this.insertOne(inserted)
    return this.findOne({ _id: { $eq: insertedId } }, options)
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a promise, as the driver returns it
  async indexes(): Promise<readonly ListedIndex[]> {
    return [...this.#indexes]
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a promise, as the driver returns it
  async createIndex(key: Document, options: Omit<ListedIndex, 'key'>): Promise<void> {
    this.#indexes.push({ ...options, key })
  }

  find(): never {
    throw needsRealMongoDb('a query for several documents, such as for the sessions of a user')
  }

  #find(filter: Document): Uint8Array | undefined {
    return this.#documents.find(bytes => matches(this.#decode(bytes), filter, this.#isEqual))
  }

  #runStage(stage: Document, documents: readonly Document[]): Document[] {
    return runStage(stage, documents, {
      matches: (document, filter) => matches(document, filter, this.#isEqual),
      project: (document, specification) => this.#project(specification, document),
      compute: (document, expression) =>
        evaluate(expression, this.#variables(document), this.#sizeOf) as Document,
    })
  }

  #project(specification: Document, document: Document): Document {
    return project(specification, this.#variables(document), this.#sizeOf)
  }

  #variables(document: Document): Variables {
    return { ROOT: document, NOW: new Date(this.#now()) }
  }

  #add(bytes: Uint8Array): void {
    const added = this.#decode(bytes)
    for (const { key, unique } of this.#indexes) {
      const [field = ''] = Object.keys(key)
      const isTaken = (other: Uint8Array): boolean =>
        this.#isEqual(valueAt(this.#decode(other), field), valueAt(added, field))
      if (unique === true && this.#documents.some(isTaken)) throw toDuplicateKeyError(key)
    }
    this.#documents.push(bytes)
  }

  #replace(bytes: Uint8Array, document: Document): Counts {
    const changed = this.#encode(document)
    this.#documents = this.#documents.map(other => (other === bytes ? changed : other))
    return { matchedCount: 1, modifiedCount: Buffer.compare(bytes, changed) === 0 ? 0 : 1 }
  }

  /** Decodes a document with the types that JavaScript lacks, so that writing it back changes nothing. */
  #decode(bytes: Uint8Array): Document {
    return this.#bson.deserialize(bytes, EXACT_BSON)
  }

  /** The driver writes `undefined` as `null`, unless the team has told it otherwise. */
  #encode(document: object): Uint8Array {
    return this.#bson.serialize(document, { ignoreUndefined: false })
  }

  #toAnswer(document: Document, { raw, bsonRegExp = false, promoteLongs = true }: CommandOptions): unknown {
    const bytes = this.#encode(document)
    return raw === true ? bytes : this.#bson.deserialize(bytes, { ...PLAIN_BSON, bsonRegExp, promoteLongs })
  }

  readonly #sizeOf = (document: object): number => this.#encode(document).length

  readonly #isEqual = (one: unknown, other: unknown): boolean =>
    this.#toComparable(one) === this.#toComparable(other)

  #toComparable(value: unknown): string {
    const type = (value as { readonly _bsontype?: string } | null | undefined)?._bsontype
    const isNumber = typeof value === 'number' || typeof value === 'bigint' || NUMBERS.includes(type ?? '')
    return isNumber ? `number ${String(value)}` : Buffer.from(this.#encode({ value })).toString('latin1')
  }
}
