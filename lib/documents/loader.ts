import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Document } from 'mongodb'
import { startTimer } from '../util/clock.js'
import type { Clock } from '../util/clock.js'
import { withDeadline } from '../util/deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import type { Metrics } from '../metrics.js'
import { isRefusal, toDatabaseError } from '../mongo/database-errors.js'
import type { Outage } from '../mongo/database-errors.js'
import { assertUserId } from '../access-tokens/user-id.js'
import { isFrozenCopyOf, toFrozenCopy } from './frozen-copy.js'
import { callSchema, toPaths } from '../util/call-schema.js'
import { isPlainObject } from '../util/plain-object.js'
import { estimateHeapBytes } from './heap-size.js'
import { prepareRead } from './find-document.js'
import type { ExactDecoder, FoundDocument } from './find-document.js'
import type { UserDocuments } from './user-documents.js'

/** The options that decide what handlers get of a document that was found. */
export interface LoadedForm {
  readonly projection?: Readonly<Record<string, unknown>> | undefined
  /** BSON bytes, after the projection. */
  readonly maxDocumentBytes: number
  readonly schema?: StandardSchemaV1 | undefined
}

/** The custom data of a user as loaded at one moment. */
export interface LoadedDocument {
  /** Frozen; `{}` if the user has no document. */
  readonly data: object
  /** The estimated memory of `data` in the heap. */
  readonly heapBytes: number
  readonly exists: boolean
  /** The `_id` of the document, by which change events name it. */
  readonly documentId: unknown
  /** For the token that is issued with it; the cache does not keep it. */
  readonly encoded?: EncodedDocument | undefined
  /** The same data with the BSON types of its numbers, if the load was asked for them; the cache does not keep it. */
  readonly exact?: object | undefined
}

/** The result of one load. */
export interface Load extends LoadedDocument {
  /** The values of the user id field that were searched for. Change events name new documents by them. */
  readonly userIdValues: readonly unknown[]
}

/** The data that the latest load of a user gave. Loads of the same data share its memory. The loader updates it. */
export interface LatestDocument {
  data: object | undefined
  heapBytes: number
}

/** Encodes each document that is loaded, for the token that may be issued with it. */
export interface DocumentEncoder {
  /** Decodes a document with the BSON types of its numbers; `undefined` if these types are not needed. */
  readonly decodeExactly: ExactDecoder | undefined
  /**
   * Extended JSON of a document; `undefined` if reading it back would give a different document. `exact` is the same
   * document with the BSON types of its numbers.
   */
  readonly encode: (document: object, exact?: object) => EncodedDocument | undefined
}

/** A document as Extended JSON. */
export interface EncodedDocument {
  readonly json: unknown
}

/** Reads users' documents. */
export interface Loader {
  /**
   * Loads a user's document, and counts and times the load. If the document equals `latest`, the result is `latest` itself,
   * so that the user's tokens share its memory. With `decodeExactly` the result also has the data with the BSON types of its
   * numbers, unless a schema has made the data. Rejects with a `CustomUserDataError`, and then emits `load_failed`.
   */
  load(userId: string, latest?: LatestDocument, decodeExactly?: ExactDecoder): Promise<Load>
}

const UNAVAILABLE: Outage = {
  code: 'custom_data_unavailable',
  message: 'Custom data could not be loaded in time.',
}
const NOTHING: LatestDocument = { data: undefined, heapBytes: 0 }
const NO_DOCUMENT = { data: Object.freeze({}), exists: false, documentId: undefined, heapBytes: 0 } as const

/** Creates the loader over the users' documents. `loadTimeoutMs` includes the wait for a turn. */
export function createLoader(
  config: LoadedForm & { readonly loadTimeoutMs: number },
  parts: {
    readonly documents: Pick<UserDocuments, 'read'>
    readonly events: Events
    readonly clock: Clock
    readonly metrics: Pick<Metrics, 'load'>
    readonly encoder?: DocumentEncoder | undefined
  },
): Loader {
  const { documents, events, clock, metrics, encoder } = parts
  const { projection, maxDocumentBytes } = config
  const read = prepareRead({ projection, maxDocumentBytes, decodeExactly: encoder?.decodeExactly })
  const isExact = encoder?.decodeExactly !== undefined

  async function loadDocument(
    userId: string,
    latest: LatestDocument | undefined,
    decodeExactly: ExactDecoder | undefined,
    signal: AbortSignal,
  ): Promise<Load> {
    assertUserId(userId, 'a load')
    const how = decodeExactly && !isExact ? { ...read, decodeExactly } : read
    const { found, userIdValues } = await documents.read(userId, how, signal)
    if (!found) {
      if (latest) Object.assign(latest, NOTHING)
      return { ...NO_DOCUMENT, userIdValues }
    }
    const toFrozen = latest && ((data: object) => keepLatest(data, latest))
    // Members are named one by one: see toSnapshot().
    const { data, heapBytes, exists, documentId, encoded } = await toLoaded(found, config, encoder, toFrozen)
    const exact = decodeExactly && !config.schema ? found.exact : undefined
    return { data, heapBytes, exists, documentId, encoded, exact, userIdValues }
  }

  return {
    async load(userId, latest, decodeExactly) {
      const timed = startTimer(clock)
      const count = (code?: string): void => {
        metrics.load({ userId, ...timed(), code })
      }
      let loaded: Load
      try {
        loaded = await withDeadline(config.loadTimeoutMs, signal =>
          loadDocument(userId, latest, decodeExactly, signal),
        )
      } catch (cause) {
        const error = toLoadError(cause, projection !== undefined)
        count(error.code)
        events.emit('load_failed', { userId, code: error.code, error })
        throw error
      }
      count()
      return loaded
    },
  }
}

/**
 * Converts a found document to what handlers get. Without a schema the result is no promise. Throws if the document is over
 * the limit, and rejects if it fails the schema.
 */
export function toLoaded(
  found: FoundDocument,
  config: LoadedForm,
  encoder?: DocumentEncoder,
  toFrozen: (data: object) => Frozen = freeze,
): LoadedDocument | Promise<LoadedDocument> {
  const { document, exact, documentId, bytes } = found
  if (!document) {
    const message = `The custom data of the user exceeds ${config.maxDocumentBytes} bytes.`
    throw new CustomUserDataError('custom_data_too_large', message, {
      cause: new Error(`It has ${bytes} bytes`),
    })
  }
  if (hidesPrimaryKey(config.projection)) {
    delete document['_id']
    delete exact?.['_id']
  }
  const finish = (valid: object): LoadedDocument => {
    // A schema makes other data, which has JavaScript's types.
    const encoded = encoder?.encode(valid, config.schema ? undefined : exact)
    const { data, heapBytes } = toFrozen(valid)
    return { data, heapBytes, exists: true, documentId, encoded }
  }
  return config.schema ? validate(config.schema, document).then(finish) : finish(document)
}

type Frozen = Pick<LoadedDocument, 'data' | 'heapBytes'>

/**
 * The latest frozen document if it equals `data`; otherwise a new one, which becomes the latest. Synchronous, because loads
 * of one user overlap.
 */
function keepLatest(data: object, latest: LatestDocument): Frozen {
  if (!latest.data || !isFrozenCopyOf(latest.data, data)) return Object.assign(latest, freeze(data))
  return { data: latest.data, heapBytes: latest.heapBytes }
}

function freeze(data: object): Frozen {
  return { data: toFrozenCopy(data), heapBytes: estimateHeapBytes(data) }
}

/** Whether the team's projection leaves out `_id`. The query always asks for it, for the cache. */
function hidesPrimaryKey(projection: LoadedForm['projection']): boolean {
  return projection !== undefined && '_id' in projection && !projection['_id']
}

async function validate(schema: StandardSchemaV1, document: Document): Promise<object> {
  const result = await callSchema('The schema', schema, document)
  // Class instances and maps cannot be frozen.
  if (!result.issues && isPlainObject(result.value)) return result.value
  const paths = toPaths(result.issues ?? []).map(path => path.join('.'))
  const cause = new Error(
    `The schema refuses: ${result.issues ? paths.join(', ') : 'it did not return a plain object'}`,
  )
  throw new CustomUserDataError('custom_data_invalid', 'The custom data of the user fails the schema.', {
    cause,
  })
}

/**
 * Converts a failure of a load. The projection is the only part of the query that the team writes, so it is to blame if
 * MongoDB refuses the query.
 */
export function toLoadError(cause: unknown, hasProjection: boolean): CustomUserDataError {
  if (hasProjection && !asCustomUserDataError(cause) && isRefusal(cause)) {
    const message = 'MongoDB refuses the option "projection". The cause says why. Write a $project stage.'
    return new CustomUserDataError('projection_refused', message, { cause })
  }
  return toDatabaseError(cause, UNAVAILABLE)
}
