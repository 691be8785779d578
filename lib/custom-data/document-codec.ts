import { isDeepStrictEqual } from 'node:util'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { withDeadline } from '../deadline.js'
import { CustomUserDataError } from '../errors.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import { createBsonClasses, UnknownBsonClassError } from './bson-classes.js'
import type { BsonClass } from './bson-classes.js'
import { createClientProjection } from './client-projection.js'
import type { ClientProjection } from './client-projection.js'
import { NoExtendedJsonError, toExtendedJson } from './extended-json.js'
import type { ExtendedJsonFormat } from './extended-json.js'
import { fromExtendedJson } from './from-extended-json.js'
import { isPlainObject } from './plain-object.js'

/** What is said of documents in tokens. */
export interface TokenContent {
  readonly format: ExtendedJsonFormat
  /** What clients may see; `undefined` for all that handlers do. */
  readonly projection: ClientProjection | undefined
}

/** What the codec needs to know of loading. */
export interface DocumentCodecConfig {
  readonly schema?: StandardSchemaV1 | undefined
  readonly loadTimeoutMs: number
}

/** Encodes each document that is loaded, for the token that may be issued with it. */
export interface DocumentEncoder {
  /** Whether the document is to be read with the BSON types of its numbers. */
  readonly exactTypes: boolean
  /** Extended JSON; `undefined` where the document cannot be said in it. */
  readonly encode: (document: object) => EncodedDocument | undefined
}

/** A document as Extended JSON. */
export interface EncodedDocument {
  readonly json: unknown
}

/** Documents to Extended JSON and back. */
export interface DocumentCodec {
  readonly encoder: DocumentEncoder
  /** What loading the document would have given; `undefined` where only loading can tell. */
  readonly decode: (json: unknown) => Promise<object | undefined>
}

/** Creates the codec. It knows the driver's classes once a value of each was loaded; see {@link createBsonClasses}. */
export function createDocumentCodec(
  { format, projection }: TokenContent,
  { schema, loadTimeoutMs }: DocumentCodecConfig,
  database: TeamDatabase,
): DocumentCodec {
  const classes = createBsonClasses()
  const show = projection && createClientProjection(projection)

  async function parse(json: unknown): Promise<unknown> {
    try {
      return fromExtendedJson(json, classes)
    } catch (error) {
      if (!(error instanceof UnknownBsonClassError) || error.kind !== 'ObjectId') return undefined
      // Nearly every document has one: this class is worth a question of its own, once.
      classes.learnClass('ObjectId', await askForObjectId(database, loadTimeoutMs))
      return parse(json)
    }
  }

  return {
    encoder: {
      // What a schema gives is what handlers get, with JavaScript's numbers.
      exactTypes: format === 'canonical' && schema === undefined,
      encode(document) {
        try {
          return { json: toExtendedJson(show ? show(document) : document, format, classes.learn) }
        } catch (error) {
          if (error instanceof NoExtendedJsonError) return undefined
          throw error
        }
      },
    },
    async decode(json) {
      const document = await parse(json)
      if (!isPlainObject(document)) return undefined
      return schema === undefined || (await isFixedPoint(schema, document)) ? document : undefined
    },
  }
}

/** The schema may have changed since, or turns what it checks into something else, which it then would do twice. */
async function isFixedPoint(schema: StandardSchemaV1, document: object): Promise<boolean> {
  try {
    const result = await schema['~standard'].validate(document)
    return !result.issues && isDeepStrictEqual(result.value, document)
  } catch {
    return false
  }
}

async function askForObjectId(database: TeamDatabase, timeoutMs: number): Promise<BsonClass> {
  try {
    return await withDeadline(timeoutMs, signal => database.objectIdClass(signal))
  } catch (cause) {
    // To read the document now would be to wait for the same MongoDB once more.
    const message = 'Custom data could not be loaded in time.'
    throw new CustomUserDataError('custom_data_unavailable', message, { cause })
  }
}
