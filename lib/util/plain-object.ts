/** Whether a value is an object of any kind, arrays and instances of classes too, but no function. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/**
 * Whether a value is an object without a class. Under Jest a value can come from another realm with its own
 * `Object.prototype`. So any prototype that has no prototype itself counts as `Object.prototype`.
 */
export function isPlainObject(value: unknown): value is object {
  if (!isObject(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
