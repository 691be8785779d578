import { isDeepStrictEqual } from 'node:util'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Document } from 'mongodb'
import { PLAIN_BSON } from '../mongo/team-database.js'
import { requireTeamBson } from '../mongo/team-bson.js'
import type { TeamBson } from '../mongo/team-bson.js'
import { createClientProjection } from './client-projection.js'
import type { ClientProjection } from './client-projection.js'
import { toExtendedJson } from './extended-json.js'
import type { ExtendedJsonFormat } from './extended-json.js'
import { isPlainObject } from '../util/plain-object.js'
import { createExactDecoder } from '../documents/find-document.js'
import type { DocumentEncoder } from '../documents/loader.js'

/** How tokens contain a user's document. */
export interface TokenContent {
  readonly format: ExtendedJsonFormat
  /** The fields that clients may see; `undefined` if clients may see the same fields as handlers. */
  readonly projection: ClientProjection | undefined
}

/** Converts documents to Extended JSON and back. */
export interface DocumentCodec {
  readonly encoder: DocumentEncoder
  /** The document that a load would give; `undefined` if the JSON is not enough to tell, so that a load is needed. */
  readonly decode: (json: unknown) => Promise<object | undefined>
}

/**
 * Creates a codec that uses the BSON library of the team's driver.
 *
 * @throws {OptionError} if that library is not known
 */
export function createDocumentCodec(
  { format, projection }: TokenContent,
  schema: StandardSchemaV1 | undefined,
  bson: TeamBson | undefined,
): DocumentCodec {
  const library = requireTeamBson(bson, 'createCustomUserData: option "userDataInToken"')
  const { EJSON, serialize, deserialize } = library
  const show = projection ? createClientProjection(projection) : (document: object) => document
  // Handlers get the result of the schema, which has JavaScript's numbers and regular expressions.
  const needsExactTypes = schema === undefined

  /** The document that a load would give if this JSON were stored. */
  function parse(json: object): Document {
    return deserialize(serialize(EJSON.deserialize(json, { relaxed: false })), PLAIN_BSON)
  }

  return {
    encoder: {
      decodeExactly: needsExactTypes ? createExactDecoder(library) : undefined,
      encode(document, exact = document) {
        const shown = show(document)
        // Extended JSON cannot express names that begin with $.
        return valueOrUndefined(() => {
          const json = toExtendedJson(library, show(exact), format)
          return isDeepStrictEqual(parse(json as object), shown) ? { json } : undefined
        })
      },
    },
    async decode(json) {
      if (!isPlainObject(json)) return undefined
      const document = valueOrUndefined(() => parse(json))
      if (!document) return undefined
      return schema === undefined || (await isFixedPoint(schema, document)) ? document : undefined
    },
  }
}

/** The library throws errors of several classes for a value that is not BSON. Each of them leaves the document out of the token. */
function valueOrUndefined<T>(convert: () => T | undefined): T | undefined {
  try {
    return convert()
  } catch {
    return undefined
  }
}

/**
 * Whether the schema accepts a document without changing it. It may have changed since the token was issued. A schema that
 * transforms documents would transform this one a second time.
 */
async function isFixedPoint(schema: StandardSchemaV1, document: object): Promise<boolean> {
  try {
    const result = await schema['~standard'].validate(document)
    return !result.issues && isDeepStrictEqual(result.value, document)
  } catch {
    return false
  }
}
