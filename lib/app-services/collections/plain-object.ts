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
