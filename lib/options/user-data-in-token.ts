import * as v from 'valibot'
import { isClientProjection } from '../token-data/client-projection.js'
import type { ClientProjection } from '../token-data/client-projection.js'
import type { ExtendedJsonFormat } from '../token-data/extended-json.js'
import { wrong } from './explain.js'
import { optionsObject, objectOr } from './options-object.js'
import { EXTENDED_JSON_FORMATS, whole } from './value-schemas.js'

/** The complete option `userDataInToken`. */
export interface UserDataInToken {
  readonly format: ExtendedJsonFormat
  readonly projection: ClientProjection | undefined
  readonly maxTokenBytes: number
}

/** Node refuses requests whose headers take more than 16 kB together, so a token must leave room for other headers. */
export const MAX_TOKEN_LENGTH = 8 * 1024

const PROJECTION = 'the projection as { language: 1 } or { notes: 0 }'
const WRITE = `write false, "relaxed", "canonical" or { format, projection, maxTokenBytes }, ${PROJECTION}`

/** The option `userDataInToken`. */
export const userDataInToken = v.optional(
  objectOr(
    optionsObject(WRITE, {
      format: v.picklist(EXTENDED_JSON_FORMATS, 'write "relaxed" or "canonical"'),
      projection: v.optional(v.custom<ClientProjection>(isClientProjection, `write ${PROJECTION}`)),
      maxTokenBytes: v.optional(whole(256, Number.MAX_SAFE_INTEGER, 'write a whole number from 256')),
    }),
    v.union([v.literal(false), v.picklist(EXTENDED_JSON_FORMATS)], WRITE),
  ),
  false,
)

/** Completes the option. Throws if it allows tokens that are longer than `maxTokenLength`, because we would refuse them. */
export function completeUserDataInToken(
  given: v.InferOutput<typeof userDataInToken>,
  maxTokenLength: number,
): UserDataInToken | undefined {
  if (given === false) return undefined
  const longest = Math.min(MAX_TOKEN_LENGTH, maxTokenLength)
  if (typeof given === 'string') return { format: given, projection: undefined, maxTokenBytes: longest }
  const { format, projection, maxTokenBytes = longest } = given
  if (maxTokenBytes <= maxTokenLength) return { format, projection, maxTokenBytes }
  throw wrong(
    `option "userDataInToken.maxTokenBytes": write ${maxTokenLength} at most, or raise "maxTokenLength".`,
  )
}
