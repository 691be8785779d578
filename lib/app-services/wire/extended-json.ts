import type { BSON } from 'mongodb'
import { AppServicesError } from './errors.js'

/** MongoDB nests a document 100 levels deep at most, and an operation puts it a few levels deeper. */
const MAX_DEPTH = 110
/** More values would block the event loop while they are converted. */
const MAX_VALUES = 100_000

/** `__proto__` would become the prototype of the converted object. With `_bsontype` an object passes for a value of BSON. */
const REFUSED_MEMBERS = ['__proto__', '_bsontype'] as const

/** `exact`: numbers keep their types, as an operation on documents needs. `plain`: numbers become numbers of JavaScript. */
export type NumberMode = 'exact' | 'plain'

/** Converts Extended JSON of clients to values, and values to Extended JSON, with the BSON of the team's driver. */
export class ExtendedJson {
  readonly #bson: () => typeof BSON

  constructor(bson: () => typeof BSON) {
    this.#bson = bson
  }

  /**
   * Converts parsed JSON of a client.
   * @throws AppServicesError `BadBsonParse` for a value that is no Extended JSON
   */
  parse(value: unknown, numbers: NumberMode): unknown {
    requireFitting(value)
    try {
      // The types of the driver know objects only, and the function takes any value.
      return this.#bson().EJSON.deserialize(value as object, { relaxed: numbers === 'plain' })
    } catch (cause) {
      throw new AppServicesError('BadBsonParse', 'the request holds a value that is no valid Extended JSON', {
        cause,
      })
    }
  }

  /** The canonical Extended JSON of a value, as text. `undefined` becomes `null`. */
  stringify(value: unknown): string {
    return this.#bson().EJSON.stringify(value ?? null, { relaxed: false })
  }
}

/**
 * Refuses values that are too deep or too large to convert, and members with a meaning for JavaScript or the driver.
 */
export function requireFitting(root: unknown): void {
  const stack: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }]
  let count = 0
  for (let item = stack.pop(); item; item = stack.pop()) {
    const { value, depth } = item
    if (++count > MAX_VALUES)
      throw new AppServicesError('ReadSizeLimitExceeded', `the request holds more than ${MAX_VALUES} values`)
    if (typeof value !== 'object' || value === null) continue
    if (depth >= MAX_DEPTH)
      throw new AppServicesError('BadRequest', `the request is nested more than ${MAX_DEPTH} levels deep`)
    const refused = REFUSED_MEMBERS.find(name => Object.hasOwn(value, name))
    if (refused !== undefined)
      throw new AppServicesError('BadRequest', `the request has a member "${refused}"`)
    for (const member of Object.values(value)) stack.push({ value: member, depth: depth + 1 })
  }
}
