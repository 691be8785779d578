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

/**
 * The paths of an issue. Paths name only fields; messages of a schema can quote stored data. zod reports the unknown members
 * of a strict object in one issue, whose path leads to the object, and names them in `keys`.
 */
export function toPaths(issue: StandardSchemaV1.Issue): string[][] {
  const path = (issue.path ?? []).map(segment => String(typeof segment === 'object' ? segment.key : segment))
  const { keys } = issue as { readonly keys?: unknown }
  if (!Array.isArray(keys) || keys.length === 0) return [path]
  return keys.map(key => [...path, String(key)])
}
