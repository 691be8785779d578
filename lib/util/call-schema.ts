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
 * The paths of a schema's issues. They name only fields; messages of a schema can quote stored data. The lists are copied first,
 * because arktype's lists are of classes of its own, whose `map()` returns such a list again.
 */
export function toPaths(issues: readonly StandardSchemaV1.Issue[]): string[][] {
  return [...issues].flatMap(pathsOf)
}

/** zod reports the unknown members of a strict object in one issue, whose path leads to the object, and names them in `keys`. */
function pathsOf(issue: StandardSchemaV1.Issue): string[][] {
  const path = [...(issue.path ?? [])].map(step => String(typeof step === 'object' ? step.key : step))
  const { keys } = issue as { readonly keys?: unknown }
  if (!Array.isArray(keys) || keys.length === 0) return [path]
  return keys.map(key => [...path, String(key)])
}
