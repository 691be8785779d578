import * as v from 'valibot'
import { showPath } from '../util/field-names.js'
import { nearestName } from '../util/nearest-name.js'
import { isOptionsObject } from './value-schemas.js'
import { isObject } from '../util/plain-object.js'

/** The most unknown names that a message lists. An object that was given by mistake may have hundreds of members. */
const MAX_NAMED = 5

/** The most known names that a message lists. The reference has the others. */
const MAX_LISTED = 16

/** The members of a parsed options object. */
export type OptionsOf<Entries extends v.ObjectEntries> = v.InferOutput<
  v.StrictObjectSchema<Entries, undefined>
>

/** The schema of an object with these members and no others. `says` is the advice for a value that is no such object. */
export function optionsObject<Entries extends v.ObjectEntries>(
  says: string,
  entries: Entries,
): v.GenericSchema<object, OptionsOf<Entries>> {
  // valibot also reads inherited entries, so members that others put into Object.prototype would count as schemas.
  const own = Object.assign(Object.create(null) as object, entries)
  return v.pipe(
    v.custom<object>(isOptionsObject, says),
    v.transform(given => takeMembers(given, own)),
    v.strictObject(own, issue => sayOfMember(own, issue)),
  )
}

/** Reads each member of an object once. Members that it inherits from a class or from an object of defaults count too. */
function takeMembers(given: object, entries: v.ObjectEntries): object {
  const taken = Object.create(null) as Record<string, unknown>
  for (const name of Object.keys(entries)) {
    if (hasMember(given, name)) taken[name] = Reflect.get(given, name)
  }
  // Of unknown members only the names are read.
  for (const name in given) {
    if (!Object.hasOwn(taken, name) && hasMember(given, name)) taken[name] = undefined
  }
  return taken
}

/** Ignores members that others put into `Object.prototype`, because all objects have them. */
function hasMember(given: object, name: string): boolean {
  let holder: object | null = given
  while (holder !== null && !isObjectPrototype(holder)) {
    if (Object.hasOwn(holder, name)) return true
    holder = Object.getPrototypeOf(holder) as object | null
  }
  return false
}

/** Recognises the `Object.prototype` of any realm, because Jest runs an app in another realm than this package. */
function isObjectPrototype(holder: object): boolean {
  return Object.getPrototypeOf(holder) === null && Object.hasOwn(holder, 'isPrototypeOf')
}

/** One of two schemas, by whether the value is an object. With valibot's `union` an error would have to name both. */
export function objectOr<Members extends v.GenericSchema<object>, Other extends v.GenericSchema>(
  object: Members,
  other: Other,
): v.LazySchema<Members | Other> {
  return v.lazy(value => (isObject(value) ? object : other))
}

/** Whether an issue is about unknown members. */
export function isOfUnknownMembers(issue: v.BaseIssue<unknown>): boolean {
  return issue.type === 'strict_object' && issue.expected === 'never'
}

/**
 * valibot stops at the first unknown member, but the message is to name all of them. For a missing member valibot does not
 * give the message of the member's own schema.
 */
function sayOfMember(entries: v.ObjectEntries, issue: v.StrictObjectIssue): string {
  const [member] = issue.path ?? []
  if (member?.type !== 'object') return issue.message
  if (isOfUnknownMembers(issue)) return sayOfUnknown(entries, member.input)
  const missing = entries[member.key]
  if (missing === undefined) return issue.message
  return v.safeParse(missing, undefined).issues?.[0].message ?? ownMessageOf(missing) ?? issue.message
}

/** The message of a schema that takes `undefined` if it is written, and still needs the member. */
function ownMessageOf(schema: object): string | undefined {
  const { message } = schema as { readonly message?: unknown }
  return typeof message === 'string' ? message : undefined
}

/** Names the unknown members, also inherited ones, because inherited options are read too. */
function sayOfUnknown(entries: v.ObjectEntries, input: object): string {
  const unknown: string[] = []
  for (const name in input) if (!Object.hasOwn(entries, name)) unknown.push(name)
  const lines = unknown.slice(0, MAX_NAMED).map(name => {
    const nearest = nearestName(name, Object.keys(entries))
    const advice = nearest === undefined ? listOf(entries) : `; did you mean "${nearest}"?`
    return `there is no option ${showPath([name])}${advice}`
  })
  const left = unknown.length - lines.length
  return [...lines, ...(left > 0 ? [`there are ${left} more unknown options`] : [])].join('; ')
}

/** The known names, if they are few enough for a message. */
function listOf(entries: v.ObjectEntries): string {
  const names = Object.keys(entries)
  return names.length > MAX_LISTED ? '' : `; the options here are ${names.join(', ')}`
}
