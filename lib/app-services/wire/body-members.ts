import { AppServicesError } from './errors.js'

/**
 * Reads a text of a body, which must not be empty.
 * @throws AppServicesError `MissingParameter` or `InvalidParameter`
 */
export function requireText(
  body: Readonly<Record<string, unknown>>,
  name: string,
  maxLength = Infinity,
): string {
  const value = Object.hasOwn(body, name) ? body[name] : undefined
  if (value === undefined || value === null || value === '')
    throw new AppServicesError('MissingParameter', `missing parameter: ${name}`)
  // UTF-8 has no form for half of a surrogate pair, so several texts would become one.
  if (typeof value !== 'string' || !value.isWellFormed())
    throw new AppServicesError('InvalidParameter', `the parameter "${name}" must be a text`)
  if (value.length <= maxLength) return value
  throw new AppServicesError(
    'InvalidParameter',
    `the parameter "${name}" must have ${maxLength} characters at most`,
  )
}
