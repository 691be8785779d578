import { AppServicesError } from '../wire/errors.js'

/**
 * Reads a text of a body.
 * @throws AppServicesError `MissingParameter` or `InvalidParameter`
 */
export function requireTextMember(
  body: Readonly<Record<string, unknown>>,
  name: string,
  maxLength: number,
): string {
  const value = Object.hasOwn(body, name) ? body[name] : undefined
  if (value === undefined || value === null || value === '')
    throw new AppServicesError('MissingParameter', `the body has no "${name}"`)
  if (typeof value === 'string' && value.length <= maxLength && value.isWellFormed()) return value
  throw new AppServicesError('InvalidParameter', `"${name}" must be a text of 1 to ${maxLength} characters`)
}
