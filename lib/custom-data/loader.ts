import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Document } from 'mongodb'
import { withDeadline } from '../deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import type { DocumentEncoder, EncodedDocument } from './document-codec.js'
import { createDuplicateWarnings } from './duplicate-warnings.js'
import { isFrozenCopyOf, toFrozenCopy } from './frozen-copy.js'
import { isPlainObject } from './plain-object.js'
import { promoteValues } from './promote-values.js'
import { estimateHeapBytes } from './heap-size.js'
import { prepareRead } from './query.js'
import type { FoundDocument } from './sized-row.js'
import type { UserDocuments } from './user-documents.js'
import type { LatestDocument } from './user-generations.js'

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
   * Gives the `latest` again, where the document is still equal to it when it has come: the user's tokens then share its
   * memory. Rejects with a `CustomUserDataError`; emits `load_failed` then.
   */
  load(userId: string, latest?: LatestDocument): Promise<Load>
}

const NO_DOCUMENT = { data: Object.freeze({}), exists: false, documentId: undefined, heapBytes: 0 } as const

/** Creates the loader over the users' documents. */
export function createLoader(
  config: LoaderConfig,
  documents: UserDocuments,
  events: Events,
  encoder?: DocumentEncoder,
): Loader {
  const { projection, maxDocumentBytes } = config
  const what = prepareRead({ projection, maxDocumentBytes, exactTypes: encoder?.exactTypes })
  const warnOfDuplicates = createDuplicateWarnings(config.userIdField, events)

  async function loadDocument(
    userId: string,
    latest: LatestDocument | undefined,
    signal: AbortSignal,
  ): Promise<Load> {
    const { found, userIdValues } = await documents.read(userId, what, signal)
    if (!found) {
      if (latest) latest.data = undefined
      return { ...NO_DOCUMENT, userIdValues }
    }
    if (found.hasDuplicates) warnOfDuplicates(userId)
    const { data, heapBytes, exists, documentId, encoded } = await toLoaded(found, config, {
      encoder,
      latest,
    })
    // Named one by one: see toSnapshot().
    return { data, heapBytes, exists, documentId, encoded, userIdValues }
  }

  return {
    async load(userId, latest) {
      try {
        return await withDeadline(config.loadTimeoutMs, signal => loadDocument(userId, latest, signal))
      } catch (cause) {
        const error = asCustomUserDataError(cause) ?? unavailable(cause)
        events.emit('load_failed', { userId, code: error.code, error })
        throw error
      }
    },
  }
}

/** A found document as handlers get it. Rejects where it is over the limit, or fails the team's schema. */
export async function toLoaded(
  found: FoundDocument,
  config: LoadedForm,
  {
    encoder,
    latest,
  }: { readonly encoder?: DocumentEncoder | undefined; readonly latest?: LatestDocument | undefined } = {},
): Promise<LoadedDocument> {
  const { document, documentId, excessiveSize } = found
  if (!document) {
    const message = `The custom data of the user exceeds ${config.maxDocumentBytes} bytes.`
    throw new CustomUserDataError('custom_data_too_large', message, {
      cause: new Error(`It has ${excessiveSize} bytes`),
    })
  }
  if (hidesPrimaryKey(config.projection)) delete document['_id']
  const isExact = encoder?.exactTypes === true
  const exact = isExact ? encoder.encode(document) : undefined
  const plain = isExact ? (promoteValues(document) as Document) : document
  const data = config.schema ? await validate(config.schema, plain) : plain
  const encoded = isExact ? exact : encoder?.encode(data)
  const frozen = latest ? shareOrFreeze(data, latest) : freeze(data)
  return { data: frozen.data, heapBytes: frozen.heapBytes, exists: true, documentId, encoded }
}

/** The latest copy where it is equal, else a new one, which is the latest from now on. */
function shareOrFreeze(data: object, latest: LatestDocument): FrozenDocument {
  if (latest.data && isFrozenCopyOf(latest.data, data))
    return { data: latest.data, heapBytes: latest.heapBytes }
  return Object.assign(latest, freeze(data))
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
