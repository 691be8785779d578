/**
 * Whether a value is an object without a class. Under Jest a value can come from another realm with its own
 * `Object.prototype`. So any prototype that has no prototype itself counts as `Object.prototype`.
 */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
