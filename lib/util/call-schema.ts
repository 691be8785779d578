import type { StandardSchemaV1 } from '@standard-schema/spec'
import { CustomUserDataError } from '../errors.js'

/**
 * Calls a Standard Schema of the team.
 *
 * @param name the schema in the message of the error
 * @throws `callback_failed` if it throws, which a schema must not do
 */
export async function callSchema(
  name: string,
  schema: StandardSchemaV1,
  value: unknown,
): Promise<StandardSchemaV1.Result<unknown>> {
  try {
    return await schema['~standard'].validate(value)
  } catch (cause) {
    throw new CustomUserDataError('callback_failed', `${name} threw.`, { cause })
  }
}

/** The path of an issue. Paths name only fields; messages of a schema can quote stored data. */
export function toPath({ path = [] }: StandardSchemaV1.Issue): string[] {
  return path.map(segment => String(typeof segment === 'object' ? segment.key : segment))
}
