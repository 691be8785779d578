import { isDeepStrictEqual } from 'node:util'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Document } from 'mongodb'
import { OptionError } from '../errors.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import type { TeamBson } from '../mongo/team-bson.js'
import { createClientProjection } from './client-projection.js'
import type { ClientProjection } from './client-projection.js'
import { isPlainObject } from '../util/plain-object.js'
import type { DocumentEncoder } from '../documents/loader.js'

/** MongoDB Extended JSON v2: `canonical` states the type of each number, `relaxed` writes plain JSON numbers. */
export type ExtendedJsonFormat = 'relaxed' | 'canonical'

/** What is said of documents in tokens. */
export interface TokenContent {
  readonly format: ExtendedJsonFormat
  /** What clients may see; `undefined` for all that handlers do. */
  readonly projection: ClientProjection | undefined
}

/** Documents to Extended JSON and back. */
export interface DocumentCodec {
  readonly encoder: DocumentEncoder
  /** What loading the document would have given; `undefined` where only loading can tell. */
  readonly decode: (json: unknown) => Promise<object | undefined>
}

/** Like {@link PLAIN_BSON}, but keeps the BSON types that JavaScript does not distinguish, such as those of numbers. */
const EXACT_BSON = { ...PLAIN_BSON, promoteLongs: false, promoteValues: false, bsonRegExp: true } as const

/**
 * Creates the codec over the BSON library of the team's driver.
 *
 * @throws {OptionError} if that library is not known
 */
export function createDocumentCodec(
  { format, projection }: TokenContent,
  schema: StandardSchemaV1 | undefined,
  bson: TeamBson | undefined,
): DocumentCodec {
  if (!bson) throw unknownBson()
  const { EJSON, serialize, deserialize } = bson
  const show = projection ? createClientProjection(projection) : (document: object) => document
  // Handlers get the result of the schema, which has JavaScript's numbers.
  const needsExactTypes = format === 'canonical' && schema === undefined

  /** The document that a load would give if this JSON were stored. */
  function parse(json: object): Document {
    return deserialize(serialize(EJSON.deserialize(json, { relaxed: false })), PLAIN_BSON)
  }

  return {
    encoder: {
      decodeExactly: needsExactTypes
        ? (bytes, { enableUtf8Validation, bsonRegExp }) => {
            const validation = { utf8: enableUtf8Validation }
            return {
              plain: deserialize(bytes, { ...PLAIN_BSON, bsonRegExp, validation }),
              exact: deserialize(bytes, { ...EXACT_BSON, validation }),
            }
          }
        : undefined,
      encode(document, exact = document) {
        const shown = show(document)
        // `relaxed` silently changes -0 and integers beyond 2^53. Neither format can express names that begin with $.
        return valueOrUndefined(() => {
          const json = EJSON.serialize(show(exact), { relaxed: format === 'relaxed' })
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

/** The library throws errors of several classes for a value that is not BSON. All mean: leave the document out. */
function valueOrUndefined<T>(convert: () => T | undefined): T | undefined {
  try {
    return convert()
  } catch {
    return undefined
  }
}

function unknownBson(): OptionError {
  return new OptionError(
    'createCustomUserData: option "userDataInToken" needs the BSON library of the driver that "collection" belongs to, and ' +
      'it could not be found. Give it by the option "bson": import { BSON } from \'mongodb\' and write bson: BSON. For a ' +
      'collection of mongoose write bson: mongoose.mongo.BSON.',
  )
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
