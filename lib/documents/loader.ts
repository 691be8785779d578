import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Document } from 'mongodb'
import type { Clock } from '../util/clock.js'
import { withDeadline } from '../util/deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import type { Observer } from '../metrics.js'
import { assertUserId } from '../access-tokens/user-id.js'
import type { DocumentEncoder, EncodedDocument } from '../token-data/document-codec.js'
import { isFrozenCopyOf, toFrozenCopy } from './frozen-copy.js'
import { isPlainObject } from '../util/plain-object.js'
import { estimateHeapBytes } from './heap-size.js'
import { prepareRead } from './find-document.js'
import type { FoundDocument } from './sized-row.js'
import type { UserDocuments } from './user-documents.js'
import type { LatestDocument } from '../snapshots/user-generations.js'

/** What becomes of a document that was found. */
export interface LoadedForm {
  readonly projection?: Readonly<Record<string, unknown>> | undefined
  /** BSON bytes, after the projection. */
  readonly maxDocumentBytes: number
  readonly schema?: StandardSchemaV1 | undefined
}

/** What the loader needs to know. */
export interface LoaderConfig extends LoadedForm {
  readonly userIdField: string
  /** Milliseconds that a load may take, waiting included. */
  readonly loadTimeoutMs: number
}

/** A document as handlers get it. */
export interface FrozenDocument {
  /** Frozen; `{}` where the user has no document. */
  readonly data: object
  /** What `data` takes in the heap, estimated. */
  readonly heapBytes: number
}

/** Custom data as loaded at one instant. */
export interface LoadedDocument extends FrozenDocument {
  readonly exists: boolean
  /** The `_id` of the document, by which change events name it. */
  readonly documentId: unknown
  /** For the token that is issued with it; not kept. */
  readonly encoded?: EncodedDocument | undefined
}

/** What one load came to. */
export interface Load extends LoadedDocument {
  /** The values of the user id field that were looked for, by which change events name new documents. */
  readonly userIdValues: readonly unknown[]
}

/** Reads users' documents. */
export interface Loader {
  /**
   * Loads a user's document, and counts and times the load. If the document equals `latest`, the result is `latest` itself,
   * so that the user's tokens share its memory. Rejects with a `CustomUserDataError`, and then emits `load_failed`.
   */
  load(userId: string, latest?: LatestDocument): Promise<Load>
}

/** What the loader works with. */
export interface LoaderParts {
  readonly documents: UserDocuments
  readonly events: Events
  readonly clock: Clock
  readonly observer: Pick<Observer, 'load'>
  readonly encoder?: DocumentEncoder | undefined
}

const NOTHING: LatestDocument = { data: undefined, heapBytes: 0 }
const NO_DOCUMENT = { data: Object.freeze({}), exists: false, documentId: undefined, heapBytes: 0 } as const

/** Creates the loader over the users' documents. */
export function createLoader(
  config: LoaderConfig,
  { documents, events, clock, observer, encoder }: LoaderParts,
): Loader {
  const { projection, maxDocumentBytes } = config
  const what = prepareRead({ projection, maxDocumentBytes, decodeExactly: encoder?.decodeExactly })

  async function loadDocument(
    userId: string,
    latest: LatestDocument | undefined,
    signal: AbortSignal,
  ): Promise<Load> {
    assertUserId(userId, 'a load')
    const { found, userIdValues } = await documents.read(userId, what, signal)
    if (!found) {
      if (latest) Object.assign(latest, NOTHING)
      return { ...NO_DOCUMENT, userIdValues }
    }
    const toFrozen = latest && ((data: object) => keepLatest(data, latest))
    // Members are named one by one: see toSnapshot().
    const { data, heapBytes, exists, documentId, encoded } = await toLoaded(found, config, encoder, toFrozen)
    return { data, heapBytes, exists, documentId, encoded, userIdValues }
  }

  return {
    load(userId, latest) {
      const startedAt = clock.monotonic()
      const loading = withDeadline(config.loadTimeoutMs, signal => loadDocument(userId, latest, signal))
      return loading.then(
        loaded => {
          observer.load(userId, clock.monotonic() - startedAt)
          return loaded
        },
        (cause: unknown) => {
          const error = asCustomUserDataError(cause) ?? unavailable(cause)
          observer.load(userId, clock.monotonic() - startedAt, error.code)
          events.emit('load_failed', { userId, code: error.code, error })
          throw error
        },
      )
    },
  }
}

/**
 * A found document as handlers get it: at once, unless the team's schema is to be asked. Throws where it is over the limit,
 * and rejects where it fails the schema.
 */
export function toLoaded(
  found: FoundDocument,
  config: LoadedForm,
  encoder?: DocumentEncoder,
  toFrozen: (data: object) => FrozenDocument = freeze,
): LoadedDocument | Promise<LoadedDocument> {
  const { document, exact, documentId, excessiveSize } = found
  if (!document) {
    const message = `The custom data of the user exceeds ${config.maxDocumentBytes} bytes.`
    throw new CustomUserDataError('custom_data_too_large', message, {
      cause: new Error(`It has ${excessiveSize} bytes`),
    })
  }
  if (hidesPrimaryKey(config.projection)) {
    delete document['_id']
    delete exact?.['_id']
  }
  const finish = (valid: object): LoadedDocument => {
    const encoded = encoder?.encode(valid, exact)
    const { data, heapBytes } = toFrozen(valid)
    return { data, heapBytes, exists: true, documentId, encoded }
  }
  return config.schema ? validate(config.schema, document).then(finish) : finish(document)
}

/**
 * The latest frozen document if it equals `data`; otherwise a new one, which becomes the latest. Synchronous, because loads
 * of one user overlap.
 */
function keepLatest(data: object, latest: LatestDocument): FrozenDocument {
  if (!latest.data || !isFrozenCopyOf(latest.data, data)) return Object.assign(latest, freeze(data))
  return { data: latest.data, heapBytes: latest.heapBytes }
}

function freeze(data: object): FrozenDocument {
  return { data: toFrozenCopy(data), heapBytes: estimateHeapBytes(data) }
}

/** The query keeps `_id` for the cache's sake; the team may have left it out. */
function hidesPrimaryKey(projection: LoadedForm['projection']): boolean {
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
