import {
  isAnyArrayBuffer,
  isArrayBufferView,
  isDate,
  isMap,
  isRegExp,
  isSet,
  isUint8Array,
} from 'node:util/types'
import type { BSON } from 'mongodb'
import type { ExtendedJson } from '../wire/extended-json.js'

/** The driver nests documents 100 levels deep at most. */
const MAX_DEPTH = 200
/** More values would block the event loop while they are converted. */
const MAX_VALUES = 1_000_000
const MAX_INT64 = 2n ** 63n

interface ResultJsonConfig {
  readonly extendedJson: ExtendedJson
  readonly bson: () => typeof BSON
  readonly maxBytes: number
}

/** Converts results of functions of the team to Extended JSON. */
export class ResultJson {
  readonly #config: ResultJsonConfig

  constructor(config: ResultJsonConfig) {
    this.#config = config
  }

  /**
   * The canonical Extended JSON of a result. Maps become objects, sets become lists, bytes become binaries, and
   * `undefined` becomes null.
   *
   * @throws TypeError for a value that no client could read, and for a result that is too large
   */
  stringify(result: unknown): string {
    const { extendedJson, bson, maxBytes } = this.#config
    const json = extendedJson.stringify(new Conversion(bson()).convert(result, 0))
    const length = Buffer.byteLength(json)
    if (length > maxBytes) throw new TypeError(`The result has ${length} bytes, and ${maxBytes} are allowed.`)
    return json
  }
}

/** The conversion of one result. */
class Conversion {
  readonly #bson: typeof BSON
  /** The objects around the present value. */
  readonly #around = new Set<object>()
  #count = 0

  constructor(bson: typeof BSON) {
    this.#bson = bson
  }

  convert(value: unknown, depth: number): unknown {
    if (++this.#count > MAX_VALUES) throw new TypeError(`The result has more than ${MAX_VALUES} values.`)
    switch (typeof value) {
      case 'undefined':
        return null
      case 'bigint':
        return this.#toLong(value)
      case 'function':
      case 'symbol':
        throw new TypeError(`The result holds a ${typeof value}.`)
      case 'object':
        return value === null ? null : this.#convertObject(value, depth)
      default:
        return value
    }
  }

  #convertObject(value: object, depth: number): unknown {
    if (depth > MAX_DEPTH) throw new TypeError(`The result is nested more than ${MAX_DEPTH} levels deep.`)
    if (this.#around.has(value)) throw new TypeError('The result holds an object that contains itself.')
    this.#around.add(value)
    try {
      return this.#convertNew(value, depth + 1)
    } finally {
      this.#around.delete(value)
    }
  }

  #convertNew(value: object, depth: number): unknown {
    if (isDate(value)) return Number.isNaN(value.getTime()) ? null : value
    if (isRegExp(value) || '_bsontype' in value) return value
    if (isUint8Array(value)) return new this.#bson.Binary(value)
    if (isAnyArrayBuffer(value)) return new this.#bson.Binary(new Uint8Array(value))
    if (isArrayBufferView(value))
      throw new TypeError('The result holds numbers as bytes: make a list of them.')
    if (Array.isArray(value) || isSet(value))
      return Array.from(value as Iterable<unknown>, element => this.convert(element, depth))
    if (isMap(value)) return this.#convertMembers([...value], depth)
    const document = toDocument(value)
    if (document !== value) return this.convert(document, depth)
    if (isStream(value))
      throw new TypeError('The result is a stream of values: call the function by callFunctionStreaming().')
    return this.#convertMembers(Object.entries(value), depth)
  }

  #convertMembers(members: readonly (readonly [unknown, unknown])[], depth: number): object {
    return Object.fromEntries(
      members.map(([name, value]) => {
        if (typeof name !== 'string')
          throw new TypeError('The result holds a map with a key that is no text.')
        return [name, this.convert(value, depth)]
      }),
    )
  }

  #toLong(value: bigint): unknown {
    if (value >= MAX_INT64 || value < -MAX_INT64)
      throw new TypeError('The result holds a bigint beyond 64 bits.')
    return this.#bson.Long.fromBigInt(value)
  }
}

/** The plain form of an object that has one, as documents of mongoose do. */
function toDocument(value: object): unknown {
  if ('toBSON' in value && typeof value.toBSON === 'function') return (value.toBSON as () => unknown)()
  if ('toJSON' in value && typeof value.toJSON === 'function') return (value.toJSON as () => unknown)()
  return value
}

function isStream(value: object): boolean {
  return Symbol.asyncIterator in value || Symbol.iterator in value
}
