import { z } from 'zod'
import { isClientProjection } from './custom-data/client-projection.js'
import type { ClientProjection } from './custom-data/client-projection.js'
import type { ExtendedJsonFormat } from './custom-data/extended-json.js'

/** What of the user's data goes into access tokens, and the length of those. */
export interface UserDataInToken {
  readonly format: ExtendedJsonFormat
  readonly projection: ClientProjection | undefined
  readonly maxTokenBytes: number
}

/** Node refuses requests whose headers take more than 16 kB together: a token must leave room for the others. */
export const MAX_TOKEN_LENGTH = 8 * 1024

const WRITE =
  'write false, "relaxed", "canonical" or { format, projection, maxTokenBytes }, the projection as { language: 1 } ' +
  'or { notes: 0 }'

const HOW_LONG = 'write a whole number from 256'

const format = z.enum(['relaxed', 'canonical'])

/** The option `userDataInToken`. */
export const userDataInTokenSchema = z
  .union(
    [
      z.literal(false),
      format,
      z.strictObject({
        format,
        projection: z.custom<ClientProjection>(isClientProjection).optional(),
        maxTokenBytes: z.number(HOW_LONG).int(HOW_LONG).min(256, HOW_LONG).optional(),
      }),
    ],
    { error: WRITE },
  )
  .default(false)

interface Given {
  readonly format: ExtendedJsonFormat
  readonly projection?: ClientProjection | undefined
  readonly maxTokenBytes?: number | undefined
}

/** Completes the option; a token longer than `maxTokenLength` is not looked at. */
export function completeUserDataInToken(
  given: false | ExtendedJsonFormat | Given,
  maxTokenLength: number,
): UserDataInToken | undefined {
  if (given === false) return undefined
  const { format, projection, maxTokenBytes }: Given = typeof given === 'string' ? { format: given } : given
  return { format, projection, maxTokenBytes: maxTokenBytes ?? Math.min(MAX_TOKEN_LENGTH, maxTokenLength) }
}
