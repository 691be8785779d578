import * as v from 'valibot'
import { CHECK_CODES } from '../checks/check-codes.js'
import type { CheckCode, ChecksOption } from '../checks/check-codes.js'
import { objectOr, optionsObject } from './options-object.js'
import { AN_OBJECT, trueOrFalse } from './value-schemas.js'

type Entries = Record<CheckCode, v.OptionalSchema<typeof trueOrFalse, undefined>>

const entries = Object.fromEntries(CHECK_CODES.map(code => [code, v.optional(trueOrFalse)])) as Entries

/** The option `checks`. */
export const checks = objectOr(
  optionsObject(AN_OBJECT, entries),
  v.boolean('write true or false, or the checks to turn off, e.g. { preflight_refused: false }'),
)

/** The codes of the checks that do not run. */
export function toChecksOff(given: ChecksOption): ReadonlySet<CheckCode> {
  if (typeof given === 'boolean') return new Set(given ? [] : CHECK_CODES)
  return new Set(CHECK_CODES.filter(code => given[code] === false))
}
