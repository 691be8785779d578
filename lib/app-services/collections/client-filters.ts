import type { Permissions } from '../rules/permissions.js'
import { notPermitted, refused, wrongArgument } from './collection-errors.js'
import { isPlainObject, topOf } from '../wire/values.js'
import type { PlainObject } from '../wire/values.js'

type Rights = Pick<Permissions, 'asksAll' | 'mayAsk'>

/**
 * Operators of `$expr` that clients may use. Others can run for hours or fill the memory of the server, as loops over lists do
 * when they are nested.
 */
const EXPRESSION_OPERATORS: ReadonlySet<string> = new Set([
  ...['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$cmp', '$and', '$or', '$not', '$in', '$cond', '$ifNull'],
  ...['$add', '$subtract', '$multiply', '$divide', '$mod', '$abs', '$ceil', '$floor', '$round', '$trunc'],
  ...['$size', '$arrayElemAt', '$isArray', '$type', '$isNumber', '$literal'],
  ...['$toLower', '$toUpper', '$strLenCP', '$strcasecmp', '$dateDiff', '$year', '$month', '$dayOfMonth'],
])

/**
 * Checks that a filter of a client asks only for fields that the client may read: whether the document matches tells about
 * the value of a field. `userIdField` may always be named, because its value is the user's own id.
 *
 * @throws AppServicesError `NoMatchingRuleFound`, `MongoDBError` or `InvalidParameter`
 */
export function requireFilter(filter: unknown, rights: Rights, userIdField: string): PlainObject {
  if (!isPlainObject(filter)) throw wrongArgument('the filter must be an object')
  for (const [key, value] of Object.entries(filter)) {
    if (['$and', '$or', '$nor'].includes(key)) {
      if (!Array.isArray(value)) throw refused(`${key} needs a list of filters`)
      for (const part of value as unknown[]) requireFilter(part, rights, userIdField)
    } else if (key === '$expr' || key === '$jsonSchema') {
      if (!rights.asksAll) throw notPermitted(`${key} may name any field, and some fields may not be read`)
      if (key === '$expr') requireExpression(value)
    } else if (key.startsWith('$')) {
      if (key !== '$comment') throw refused(`the operator ${showName(key)} is not supported in a filter`)
    } else {
      requireField(key, rights, userIdField)
      refuseNested(value)
    }
  }
  return filter
}

/** Checks the fields of a sort. With one document it changes nothing, but it should not work by chance. */
export function requireSort(sort: unknown, rights: Rights, userIdField: string): void {
  if (!isPlainObject(sort)) throw wrongArgument('the sort must be an object')
  for (const key of Object.keys(sort)) requireField(key, rights, userIdField)
}

function requireField(path: string, { mayAsk }: Rights, userIdField: string): void {
  const isOwnId = path === userIdField || path.startsWith(`${userIdField}.`)
  if (!isOwnId && !mayAsk(topOf(path)))
    throw notPermitted(`the field ${showName(topOf(path))} may not be read`)
}

/** These operators name fields by their full paths, so they are checked only at the top of a filter. */
function refuseNested(value: unknown): void {
  if (Array.isArray(value)) {
    for (const element of value) refuseNested(element)
  } else if (isPlainObject(value)) {
    for (const [key, member] of Object.entries(value)) {
      if (key === '$expr' || key === '$jsonSchema') throw refused(`${key} is not supported inside of a field`)
      refuseNested(member)
    }
  }
}

function requireExpression(value: unknown): void {
  if (Array.isArray(value)) {
    for (const element of value) requireExpression(element)
  } else if (isPlainObject(value)) {
    for (const [key, member] of Object.entries(value)) {
      if (key.startsWith('$') && !EXPRESSION_OPERATORS.has(key))
        throw refused(`the operator ${showName(key)} is not supported in $expr`)
      if (key !== '$literal') requireExpression(member)
    }
  }
}

/** The name of a client in a message. */
export function showName(name: string): string {
  return JSON.stringify(name.slice(0, 100))
}
