import { toFrozenCopy } from '../documents/frozen-copy.js'
import { toScalar } from './scalars.js'
import { CONVERSIONS, EXTENDED_JSON } from './conversions.js'
import { compileExpansion, isExpansion } from './expansions.js'
import type { Operand, RuleFacts } from './expansions.js'
import { membersOf, mistake, operatorName, within } from './place.js'
import type { Place } from './place.js'

/** Compiles a value of a rule: a literal, an expansion, a conversion, or a list or object of these. */
export function compileOperand(value: unknown, place: Place): Operand {
  if (typeof value === 'string') return isExpansion(value) ? compileExpansion(value, place) : () => value
  if (Array.isArray(value)) return compileList(value, place)
  const members = membersOf(value)
  if (members) return compileConversion(members, place) ?? compileObject(members, place)
  if (toScalar(value) === undefined) throw mistake(place, 'write a value of JSON or BSON')
  // The team could change a date or another value after the rule was compiled.
  const { copy } = toFrozenCopy({ copy: value }) as { readonly copy: unknown }
  return () => copy
}

function compileList(values: readonly unknown[], place: Place): Operand {
  const operands = values.map((value, index) => compileOperand(value, within(place, String(index))))
  return facts => operands.map(operand => operand(facts))
}

/** If a member is missing, nothing equals the object, because nothing equals a missing value. */
function compileObject(members: readonly [string, unknown][], place: Place): Operand {
  const operands = members.map(([key, value]) => {
    const inner = within(place, key)
    if (isExpansion(key) || operatorName(key) !== undefined) {
      throw mistake(inner, 'a value has field names of its own, neither operators nor expansions')
    }
    return [key, compileOperand(value, inner)] as const
  })
  return facts => Object.fromEntries(operands.map(([key, operand]) => [key, operand(facts)]))
}

/** `{ "%stringToOid": … }` and Extended JSON; `undefined` for any other object. */
function compileConversion(members: readonly [string, unknown][], place: Place): Operand | undefined {
  const [[key, value] = ['', undefined], ...others] = members
  if (others.length > 0) return undefined
  const inner = within(place, key)
  const literal = EXTENDED_JSON.get(key)
  if (literal) {
    const made = literal(value)
    if (made === undefined) throw mistake(inner, 'this is not a valid value of Extended JSON')
    return () => made
  }
  const convert = CONVERSIONS.get(key)
  if (!convert) return undefined
  const operand = compileOperand(value, inner)
  // A value without expansions is the same for all requests, so a mistake in it is found at once.
  if (!hasExpansion(value) && convert(operand(NO_FACTS)) === undefined)
    throw mistake(inner, 'this value cannot be converted')
  return facts => convert(operand(facts))
}

/** Operands without expansions ignore the facts. */
const NO_FACTS = {} as RuleFacts

function hasExpansion(value: unknown): boolean {
  if (typeof value === 'string') return isExpansion(value)
  if (Array.isArray(value)) return value.some(hasExpansion)
  return membersOf(value)?.some(([, member]) => hasExpansion(member)) === true
}
