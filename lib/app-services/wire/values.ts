/** An object of members. Values of BSON classes and lists are none. */
export type PlainObject = Readonly<Record<string, unknown>>

/** Whether a value is an object of members. */
export function isPlainObject(value: unknown): value is PlainObject {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** The first step of a path with dots. */
export function topOf(path: string): string {
  return path.split('.', 1)[0] ?? ''
}

/** A number of JavaScript or of a class of BSON, as a number of JavaScript; `NaN` for any other value. */
export function toNumber(value: unknown): number {
  const isOfBson = typeof value === 'object' && value !== null && '_bsontype' in value
  return typeof value === 'number' || typeof value === 'bigint' || isOfBson ? Number(value) : NaN
}
