import { isDeepStrictEqual } from 'node:util'
import type { Request } from 'express'
import { PLAIN_BSON } from '../mongo/team-database.js'
import type { TeamBson } from '../mongo/team-bson.js'
import type { OwnView } from '../writing/own-fields.js'
import { isSameInJson } from '../writing/kept-types.js'
import type { ReplacementRules } from '../writing/kept-types.js'
import { toExtendedJson } from '../token-data/extended-json.js'
import type { ExtendedJsonFormat } from '../token-data/extended-json.js'
import { CustomUserDataError } from '../errors.js'
import { isPlainObject } from '../util/plain-object.js'
import type { RequestBody } from './request-body.js'

/** A format in which users read and write their fields. */
export interface OwnDataFormat {
  readonly mediaType: string
  /** Whether the text depends on the BSON types of numbers. */
  readonly needsExactTypes: boolean
  /** The fields as they are sent. */
  readonly toText: (view: OwnView) => string
  /** A parsed body with the types that it states. Throws `invalid_request`. */
  readonly toValues: (body: RequestBody) => RequestBody
  /** The same values as a load would give them. */
  readonly toPlain: (values: RequestBody) => RequestBody
  readonly rules: ReplacementRules
}

/** The formats of one `ownData()`. */
export interface OwnDataFormats {
  readonly all: readonly OwnDataFormat[]
  /** The format of the body of a request. */
  readonly ofBody: (req: Request) => OwnDataFormat
  /** The format of the answer: the one that the client accepts, or that of the body. */
  readonly ofAnswer: (req: Request) => OwnDataFormat
}

const EJSON_TYPE = 'application/ejson'

const JSON_FORMAT: OwnDataFormat = {
  mediaType: 'application/json',
  needsExactTypes: false,
  toText: ({ plain }) => JSON.stringify(plain),
  toValues: body => body,
  toPlain: values => values,
  rules: { isSame: isSameInJson, mayChangeTypes: false },
}

/** Creates the formats: plain JSON, and Extended JSON if the option is on. */
export function createOwnDataFormats(extended: ExtendedJsonFormat | false, bson: TeamBson): OwnDataFormats {
  if (extended === false)
    return { all: [JSON_FORMAT], ofBody: () => JSON_FORMAT, ofAnswer: () => JSON_FORMAT }
  const ejson = createExtendedFormat(extended, bson)
  const all = [JSON_FORMAT, ejson]
  const ofBody = (req: Request): OwnDataFormat => (hasExtendedBody(req) ? ejson : JSON_FORMAT)
  return {
    all,
    ofBody,
    ofAnswer(req) {
      // Without a preference, the first of these is accepted.
      const preferred = ofBody(req)
      const types = [preferred, ...all.filter(format => format !== preferred)].map(
        ({ mediaType }) => mediaType,
      )
      return req.accepts(types) === EJSON_TYPE ? ejson : JSON_FORMAT
    },
  }
}

/** Looks at the header itself, because `req.is()` also needs a length, which serverless adapters may leave out. */
function hasExtendedBody({ headers }: Request): boolean {
  return /^application\/ejson[ \t]*(?:;|$)/i.test(headers['content-type'] ?? '')
}

function createExtendedFormat(format: ExtendedJsonFormat, bson: TeamBson): OwnDataFormat {
  const { EJSON, serialize, deserialize } = bson
  const toExtended = (value: unknown): unknown => toExtendedJson(bson, { value }, format)
  return {
    mediaType: EJSON_TYPE,
    needsExactTypes: true,
    toText: ({ exact }) => JSON.stringify(toExtendedJson(bson, exact, format)),
    toValues(body) {
      const values = deserializeOrRefuse(() => EJSON.deserialize(body, { relaxed: false }))
      return values as RequestBody
    },
    // JavaScript cannot parse each pattern that a client may send.
    toPlain: values => deserialize(serialize(values), { ...PLAIN_BSON, bsonRegExp: true }),
    rules: {
      isSame: ({ exact }, given) => isDeepStrictEqual(toExtended(exact), toExtended(given)),
      mayChangeTypes: true,
    },
  }
}

/** The library throws errors of several classes, whose messages quote the body. */
function deserializeOrRefuse(deserialize: () => object): object {
  let values: object | undefined
  try {
    values = deserialize()
  } catch {
    values = undefined
  }
  if (isPlainObject(values)) return values
  throw new CustomUserDataError('invalid_request', 'The body is not Extended JSON of an object.')
}
