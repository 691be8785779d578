import * as v from 'valibot'
import { showPath } from '../util/field-names.js'
import { nearestName } from './nearest-name.js'
import { isObject, isOptionsObject } from './value-schemas.js'

/** The most unknown names that a message lists. An object that is no options object may have hundreds of members. */
const MAX_NAMED = 5

/** What an object has that was parsed. */
export type OptionsOf<Entries extends v.ObjectEntries> = v.InferOutput<
  v.StrictObjectSchema<Entries, undefined>
>

/** An object with these members and no others. `says` is what to write where it is none. */
export function optionsObject<Entries extends v.ObjectEntries>(
  says: string,
  entries: Entries,
): v.GenericSchema<object, OptionsOf<Entries>> {
  // valibot takes inherited entries for its own: what others put into Object.prototype would be a schema.
  const own = Object.assign(Object.create(null) as object, entries)
  return v.pipe(
    v.custom<object>(isOptionsObject, says),
    v.transform(given => takeMembers(given, own)),
    v.strictObject(own, issue => sayOfMember(own, issue)),
  )
}

/** The members of an object, each read once. Those of a class or of defaults that it inherits from are its own. */
function takeMembers(given: object, entries: v.ObjectEntries): object {
  const taken = Object.create(null) as Record<string, unknown>
  for (const name of Object.keys(entries)) {
    if (hasMember(given, name)) taken[name] = Reflect.get(given, name)
  }
  // Unknown members: only their names are read.
  for (const name in given) {
    if (!Object.hasOwn(taken, name) && hasMember(given, name)) taken[name] = undefined
  }
  return taken
}

/** Whatever others have put into `Object.prototype` is a member of all objects, and so an option of none. */
function hasMember(given: object, name: string): boolean {
  let holder: object | null = given
  while (holder !== null && !isObjectPrototype(holder)) {
    if (Object.hasOwn(holder, name)) return true
    holder = Object.getPrototypeOf(holder) as object | null
  }
  return false
}

/** Of any realm: under Jest, apps have another one than this package. */
function isObjectPrototype(holder: object): boolean {
  return Object.getPrototypeOf(holder) === null && Object.hasOwn(holder, 'isPrototypeOf')
}

/** One of two, by the look of it: an error is about the one that was meant. valibot's union could only name both. */
export function objectOr<Members extends v.GenericSchema<object>, Other extends v.GenericSchema>(
  object: Members,
  other: Other,
): v.LazySchema<Members | Other> {
  return v.lazy(value => (isObject(value) ? object : other))
}

/** Whether an issue is about members that there are not. */
export function isOfUnknownMembers(issue: v.BaseIssue<unknown>): boolean {
  return issue.type === 'strict_object' && issue.expected === 'never'
}

/** valibot stops at the first unknown member, and of a missing one it does not say what that one's own schema says. */
function sayOfMember(entries: v.ObjectEntries, issue: v.StrictObjectIssue): string {
  const [member] = issue.path ?? []
  if (member?.type !== 'object') return issue.message
  if (isOfUnknownMembers(issue)) return sayOfUnknown(entries, member.input)
  const missing = entries[member.key]
  return (missing && v.safeParse(missing, undefined).issues?.[0].message) ?? issue.message
}

/** Inherited members are read, too, so they are looked at. */
function sayOfUnknown(entries: v.ObjectEntries, input: object): string {
  const unknown: string[] = []
  for (const name in input) if (!Object.hasOwn(entries, name)) unknown.push(name)
  const lines = unknown.slice(0, MAX_NAMED).map(name => {
    const nearest = nearestName(name, Object.keys(entries))
    const advice = nearest === undefined ? '' : `; did you mean "${nearest}"?`
    return `there is no option ${showPath([name])}${advice}`
  })
  const left = unknown.length - lines.length
  return [...lines, ...(left > 0 ? [`there are ${left} more unknown options`] : [])].join('; ')
}
