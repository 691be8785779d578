import { isDeepStrictEqual } from 'node:util'
import { isDate, isRegExp, isUint8Array } from 'node:util/types'
import { isOpaque } from '../documents/opaque-values.js'
import { CustomUserDataError } from '../errors.js'
import { isPlainFieldName, showPath } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'

/** A stored value in two forms with the same members: as handlers get it, and with the BSON types of its numbers. */
export interface StoredValue {
  readonly plain: unknown
  readonly exact: unknown
}

/** The rules by which the value of a client takes the place of a stored value. */
export interface ReplacementRules {
  /** Whether a stored value and a new value, both without members, are the same in the format of the client. */
  readonly isSame: (stored: StoredValue, given: unknown) => boolean
  /** Whether a value may have another type than the stored value that it replaces. */
  readonly mayChangeTypes: boolean
}

/**
 * Returns the value to store for a value that a client has sent. JSON has few types, so a client that sends back a date which
 * it has read sends a text. Each part whose JSON is the JSON of the stored part is therefore the stored part itself, with
 * its type. If nothing has changed, the result is `stored.exact`.
 *
 * Callers have limited the depth of `given`.
 *
 * @throws `type_would_change` if another value for a stored date, ObjectId, binary or other type that JSON does not have would
 * change its type; `invalid_request` for a name or a type that users must not store
 */
export function keepTypes(
  stored: StoredValue | undefined,
  given: unknown,
  place: Place,
  rules: ReplacementRules,
): unknown {
  const holdsMembers = Array.isArray(given) || isPlainObject(given)
  if (stored && (!holdsMembers || isOpaque(stored.exact))) {
    if (rules.isSame(stored, given)) return stored.exact
    if (!rules.mayChangeTypes) requireSameType(stored.exact, given, place)
  }
  if (Array.isArray(given)) return keepInList(stored, given, place, rules)
  if (isPlainObject(given)) return keepInObject(stored, given as Members, place, rules)
  if (rules.mayChangeTypes) requireStorable(given, place)
  return given
}

/** The name of a field or the index of an element, and its holder. The path is put together only for a message. */
export interface Place {
  readonly name: string
  readonly holder?: Place
}

function showPlace(place: Place): string {
  const steps: string[] = []
  for (let step: Place | undefined = place; step; step = step.holder) steps.push(step.name)
  return showPath(steps.reverse())
}

type Members = Readonly<Record<string, unknown>>

function keepInObject(
  stored: StoredValue | undefined,
  given: Members,
  place: Place,
  rules: ReplacementRules,
): unknown {
  const members = Object.entries(given).map(([key, member]) => {
    const inner = { name: key, holder: place }
    if (!isPlainFieldName(key)) throw invalid(`${showPlace(inner)} is no name of a field.`)
    return [key, keepTypes(memberOf(stored, key), member, inner, rules)] as const
  })
  const before = isPlainObject(stored?.exact) ? (stored.exact as Members) : undefined
  const isUnchanged =
    before !== undefined &&
    Object.keys(before).length === members.length &&
    members.every(([key, member]) => Object.hasOwn(before, key) && before[key] === member)
  return isUnchanged ? before : Object.fromEntries(members)
}

/**
 * Elements move when a client inserts or removes an element. So equal elements are searched for in three places: at the start
 * of both lists, at their end, and then anywhere.
 */
function keepInList(
  stored: StoredValue | undefined,
  given: readonly unknown[],
  place: Place,
  rules: ReplacementRules,
): unknown {
  const before = elementsOf(stored)
  const { start, end } = findChange(before, given, rules)
  if (start === given.length && before.length === given.length && Array.isArray(stored?.exact))
    return stored.exact
  // In a format that states types, elements have theirs wherever they stand.
  const changed = rules.mayChangeTypes ? [] : before.slice(start, before.length - end)
  const moved = new Map(changed.map(element => [toText(element.plain), element]))
  return given.map((element, index) => {
    if (index < start) return before[index]?.exact
    if (index >= given.length - end) return before[before.length - given.length + index]?.exact
    const text = toText(element)
    const elsewhere = text === undefined ? undefined : moved.get(text)
    if (elsewhere) return elsewhere.exact
    // A new element of a list is compared with the last one, so that a list of dates does not become a mixed list.
    const counterpart = index < before.length - end ? before[index] : before.at(-1)
    return keepTypes(counterpart, element, { name: String(index), holder: place }, rules)
  })
}

/** The JSON of an element. What a schema returns may have none, such as a bigint, and then it is no stored element. */
function toText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

/** Counts the elements that equal the stored ones: at the start of the list, and at its end. */
function findChange(
  before: readonly StoredValue[],
  given: readonly unknown[],
  rules: ReplacementRules,
): { readonly start: number; readonly end: number } {
  const most = Math.min(before.length, given.length)
  let start = 0
  while (start < most && isKept(before[start], given[start], rules)) start++
  let end = 0
  while (end < most - start && isKept(before.at(-1 - end), given.at(-1 - end), rules)) end++
  return { start, end }
}

/** Whether a client's value is the stored value, in the format of the client. Members may have another order. */
export function isKept(stored: StoredValue | undefined, given: unknown, rules: ReplacementRules): boolean {
  if (!stored) return false
  if (isOpaque(stored.exact)) return rules.isSame(stored, given)
  if (Array.isArray(given)) {
    const before = elementsOf(stored)
    const isSameLength = Array.isArray(stored.exact) && before.length === given.length
    return isSameLength && given.every((element, index) => isKept(before[index], element, rules))
  }
  if (!isPlainObject(given)) return rules.isSame(stored, given)
  if (!isPlainObject(stored.exact)) return false
  const members = Object.entries(given)
  return (
    members.length === Object.keys(stored.exact).length &&
    members.every(([key, member]) => isKept(memberOf(stored, key), member, rules))
  )
}

function memberOf(stored: StoredValue | undefined, key: string): StoredValue | undefined {
  if (!isPlainObject(stored?.exact) || !Object.hasOwn(stored.exact, key)) return undefined
  return { plain: (stored.plain as Members)[key], exact: (stored.exact as Members)[key] }
}

function elementsOf(stored: StoredValue | undefined): StoredValue[] {
  if (!Array.isArray(stored?.exact)) return []
  const plain = stored.plain as readonly unknown[]
  return stored.exact.map((exact: unknown, index) => ({ plain: plain[index], exact }))
}

/** Compares by the JSON that a client gets. */
export function isSameInJson({ plain }: StoredValue, given: unknown): boolean {
  const [one, other] = [toJson(plain), toJson(given)]
  return one === other || (typeof one === 'object' && isDeepStrictEqual(one, other))
}

/** The value that a client gets: for example, a text for a date, and `null` for NaN. */
function toJson(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : null
  if (typeof value !== 'object' || value === null) return value
  return JSON.parse(JSON.stringify(value)) as unknown
}

/** BSON types that a client's JSON cannot express, with the words for them. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['Date', 'a date'],
  ['ObjectId', 'an ObjectId'],
  ['Binary', 'binary data'],
  ['Long', 'a 64-bit integer'],
  ['Decimal128', 'a decimal number'],
  ['Timestamp', 'a timestamp'],
  ['BSONRegExp', 'a regular expression'],
  ['Code', 'code'],
  ['DBRef', 'a reference'],
  ['BSONSymbol', 'a symbol'],
  ['MinKey', 'the type MinKey'],
  ['MaxKey', 'the type MaxKey'],
])

/** The name of a type in `TYPES`; `undefined` for texts, numbers and other values that JSON has. */
function typeOf(value: unknown): string | undefined {
  if (typeof value === 'bigint') return 'Long'
  if (isDate(value)) return 'Date'
  if (isUint8Array(value)) return 'Binary'
  if (isRegExp(value)) return 'BSONRegExp'
  const type = bsonTypeOf(value)
  return TYPES.has(type) ? type : undefined
}

/** The name that the classes of all BSON libraries have on their prototype. */
function bsonTypeOf(value: unknown): string {
  if (!isOpaque(value)) return ''
  const { _bsontype: type } = value as { readonly _bsontype?: unknown }
  return type === 'ObjectID' ? 'ObjectId' : String(type)
}

function requireSameType(stored: unknown, given: unknown, place: Place): void {
  const type = typeOf(stored)
  if (type === undefined || typeOf(given) === type) return
  const message =
    `${showPlace(place)} holds ${TYPES.get(type) ?? type}, which JSON cannot express, so this value would change the type. Send ` +
    'the value that you have read. Other values need a schema of ownData() that returns the type, or its option extendedJson ' +
    'and the content type application/ejson.'
  throw new CustomUserDataError('type_would_change', message)
}

/** Types that users may store by Extended JSON. Code, for example, is none of them. */
const STORABLE = new Set(['Date', 'ObjectId', 'Binary', 'Long', 'Decimal128', 'Timestamp', 'Int32', 'Double'])

function requireStorable(given: unknown, place: Place): void {
  if (!isOpaque(given)) return
  // The driver would store an invalid date as 1970.
  const isInvalidDate = isDate(given) && Number.isNaN(given.getTime())
  if (!isInvalidDate && STORABLE.has(typeOf(given) ?? bsonTypeOf(given))) return
  throw invalid(`${showPlace(place)} has a value that users must not store.`)
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
