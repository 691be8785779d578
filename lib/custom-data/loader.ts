import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Collection, Document } from 'mongodb'
import { createConcurrencyLimit } from '../concurrency-limit.js'
import { withDeadline } from '../deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import type { DocumentEncoder, EncodedDocument } from './document-codec.js'
import { createDuplicateWarnings } from './duplicate-warnings.js'
import { isPlainObject, toFrozenCopy } from './frozen-copy.js'
import { hasCode } from '../mongo/indexes.js'
import { promoteValues } from './promote-values.js'
import { findDocument } from './query.js'
import type { FoundDocument } from './query.js'
import type { ObjectIdClass, TeamDatabase } from '../mongo/team-database.js'
import type { UserIdIndex, UserIdIndexName } from './user-id-index.js'

/** Maps a user's id to the forms that it may have in the user id field. */
export type ToFieldValues = (userId: string) => readonly unknown[]

/** What the loader needs to know. */
export interface LoaderConfig {
  readonly userIdField: string
  readonly toFieldValues?: ToFieldValues | undefined
  readonly projection?: Readonly<Record<string, unknown>> | undefined
  /** BSON bytes, after the projection. */
  readonly maxDocumentBytes: number
  /** Milliseconds that a load may take, waiting included. */
  readonly loadTimeoutMs: number
  readonly maxConcurrentLoads?: number | undefined
  readonly schema?: StandardSchemaV1 | undefined
}

/** Custom data as loaded at one instant. */
export interface LoadedDocument {
  /** Frozen; `{}` where the user has no document. */
  readonly data: object
  readonly exists: boolean
  /** The `_id` of the document, by which change events name it. */
  readonly documentId: unknown
  /** BSON size in bytes. */
  readonly size: number
  /** For the token that is issued with it; not kept. */
  readonly encoded?: EncodedDocument | undefined
}

/** Reads users' documents. */
export interface Loader {
  /** Rejects with a `CustomUserDataError`; emits `load_failed` then. */
  load(userId: string): Promise<LoadedDocument>
}

/** The most loads in flight where the pool would allow more. */
const MAX_CONCURRENT_LOADS = 50
const OBJECT_ID_HEX = /^[0-9a-f]{24}$/
/** BadValue and IndexNotFound: the server's answer to a hint at an index that is gone, or still being built. */
const HINT_REFUSED = [2, 27]
const NO_DOCUMENT: LoadedDocument = { data: Object.freeze({}), exists: false, documentId: undefined, size: 0 }

/** Creates the loader over the team's collection. */
export function createLoader(
  config: LoaderConfig,
  database: TeamDatabase,
  index: UserIdIndex,
  events: Events,
  encoder?: DocumentEncoder,
): Loader {
  const limit = createConcurrencyLimit(concurrency(config.maxConcurrentLoads, database.maxPoolSize()))
  const warnOfDuplicates = createDuplicateWarnings(config.userIdField, events)

  async function read(userId: string, signal: AbortSignal): Promise<FoundDocument | undefined> {
    const collection = await database.collection()
    return limit.run(signal, async () => {
      const values = await toValues(userId, config.toFieldValues, () => database.objectIdClass(signal))
      return findByIndex(collection, values, signal)
    })
  }

  async function findByIndex(
    collection: Collection,
    values: readonly unknown[],
    signal: AbortSignal,
  ): Promise<FoundDocument | undefined> {
    const { userIdField, projection, maxDocumentBytes, loadTimeoutMs: timeoutMs } = config
    const exactTypes = encoder?.exactTypes
    const find = (name: UserIdIndexName): Promise<FoundDocument | undefined> => {
      const query = { userIdField, values, projection, maxDocumentBytes, index: name, exactTypes }
      return findDocument(collection, query, { timeoutMs, signal })
    }
    const name = await index.name(collection)
    return find(name).catch((error: unknown) => {
      if (name === undefined || !hasCode(error, ...HINT_REFUSED)) throw error
      index.forget()
      return find(undefined)
    })
  }

  async function loadDocument(userId: string, signal: AbortSignal): Promise<LoadedDocument> {
    const found = await read(userId, signal)
    if (!found) return NO_DOCUMENT
    if (found.hasDuplicates) warnOfDuplicates(userId)
    return toLoaded(found, config, encoder)
  }

  return {
    async load(userId) {
      try {
        return await withDeadline(config.loadTimeoutMs, signal => loadDocument(userId, signal))
      } catch (cause) {
        const error = asCustomUserDataError(cause) ?? unavailable(cause)
        events.emit('load_failed', { userId, code: error.code, error })
        throw error
      }
    },
  }
}

/** Under half of the pool: the app needs its connections too. */
function concurrency(wanted = MAX_CONCURRENT_LOADS, maxPoolSize: number): number {
  // The driver takes 0 for "no limit".
  const underHalf = maxPoolSize === 0 ? Infinity : Math.ceil(maxPoolSize / 2) - 1
  return Math.max(1, Math.min(wanted, underHalf))
}

/** The id as a string, or as the ObjectId of the same 24 lower-case hex digits (App Services page, 1.2). */
async function toValues(
  userId: string,
  toFieldValues: ToFieldValues | undefined,
  objectIdClass: () => Promise<ObjectIdClass>,
): Promise<readonly unknown[]> {
  if (toFieldValues) return callToFieldValues(toFieldValues, userId)
  if (!OBJECT_ID_HEX.test(userId)) return [userId]
  const ObjectId = await objectIdClass()
  return [userId, ObjectId.createFromHexString(userId)]
}

function callToFieldValues(toFieldValues: ToFieldValues, userId: string): readonly unknown[] {
  try {
    const values: unknown = toFieldValues(userId)
    if (Array.isArray(values)) return values
  } catch (cause) {
    throw new CustomUserDataError('callback_failed', 'toFieldValues failed.', { cause })
  }
  throw new CustomUserDataError('callback_failed', 'toFieldValues did not return an array of values.')
}

async function toLoaded(
  found: FoundDocument,
  config: LoaderConfig,
  encoder: DocumentEncoder | undefined,
): Promise<LoadedDocument> {
  const { document, documentId, size } = found
  if (!document) {
    const message = `The custom data of the user exceeds ${config.maxDocumentBytes} bytes.`
    throw new CustomUserDataError('custom_data_too_large', message, {
      cause: new Error(`It has ${size} bytes`),
    })
  }
  if (hidesPrimaryKey(config.projection)) delete document['_id']
  const isExact = encoder?.exactTypes === true
  const exact = isExact ? encoder.encode(document) : undefined
  const plain = isExact ? (promoteValues(document) as Document) : document
  const data = config.schema ? await validate(config.schema, plain) : plain
  const encoded = isExact ? exact : encoder?.encode(data)
  return { data: toFrozenCopy(data), exists: true, documentId, size, encoded }
}

/** The query keeps `_id` for the cache's sake; the team may have left it out. */
function hidesPrimaryKey(projection: LoaderConfig['projection']): boolean {
  return projection !== undefined && '_id' in projection && !projection['_id']
}

async function validate(schema: StandardSchemaV1, document: Document): Promise<object> {
  const result = await callSchema(schema, document)
  // Of instances and maps there would be no frozen copy.
  if (!result.issues && isPlainObject(result.value)) return result.value
  // Messages of a schema can quote the document; paths cannot.
  const paths = result.issues?.map(issue => issue.path?.map(toKey).join('.') ?? '').join(', ')
  const cause = new Error(`The schema refuses: ${paths ?? 'it did not return a plain object'}`)
  throw new CustomUserDataError('custom_data_invalid', 'The custom data of the user fails the schema.', {
    cause,
  })
}

async function callSchema(
  schema: StandardSchemaV1,
  document: Document,
): Promise<StandardSchemaV1.Result<unknown>> {
  try {
    return await schema['~standard'].validate(document)
  } catch (cause) {
    throw new CustomUserDataError('callback_failed', 'The schema threw.', { cause })
  }
}

function toKey(segment: PropertyKey | StandardSchemaV1.PathSegment): string {
  return String(typeof segment === 'object' ? segment.key : segment)
}

/** An aborted load rejects under several names; a server that is away under more. All mean: not now. */
function unavailable(cause: unknown): CustomUserDataError {
  return new CustomUserDataError('custom_data_unavailable', 'Custom data could not be loaded in time.', {
    cause,
  })
}
