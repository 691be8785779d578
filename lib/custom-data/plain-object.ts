/**
 * Whether a value is an object without a class. It may come from another realm, as values do under Jest, whose `Object.prototype`
 * is another: so the prototype is known by having none itself.
 */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
