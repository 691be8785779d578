/**
 * A copy of a loaded document that nobody can change: objects and arrays are frozen; dates, binaries and other
 * BSON values, whose insides freezing does not reach, are handed out as a fresh instance on each access.
 * The getters are made here, at load, so that a cached request pays nothing.
 */
export function toFrozenCopy(document: object): object {
  return freezeValue(document) as object
}

function freezeValue(value: unknown): unknown {
  if (Array.isArray(value)) return freezeMembers(value, [])
  return isPlainObject(value) ? freezeMembers(value, {}) : value
}

/** Defines instead of assigning: assigning an own `__proto__` of a document would set the copy's prototype. */
function freezeMembers(source: object, copy: object): object {
  for (const [key, value] of Object.entries(source)) {
    Object.defineProperty(copy, key, { enumerable: true, configurable: false, ...toMember(value) })
  }
  return Object.freeze(copy)
}

function toMember(value: unknown): PropertyDescriptor {
  return isWhole(value) ? { get: () => cloneWhole(value) } : { value: freezeValue(value) }
}

/** Dates, BSON values, maps, buffers…: objects that are not plain. */
function isWhole(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlainObject(value)
}

/** Whether a value is an object without a class. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function cloneWhole(value: object): object {
  if (value instanceof Date) return new Date(value)
  if (value instanceof RegExp) return new RegExp(value)
  return '_bsontype' in value ? cloneBsonValue(value) : structuredClone(value)
}

/** The driver's classes keep their state in own properties, bytes included, whatever its major. */
function cloneBsonValue(value: object): object {
  const clone = Object.create(Object.getPrototypeOf(value) as object) as Record<PropertyKey, unknown>
  for (const key of Reflect.ownKeys(value)) {
    clone[key] = cloneState((value as Record<PropertyKey, unknown>)[key])
  }
  return clone
}

function cloneState(state: unknown): unknown {
  if (state instanceof Uint8Array) return Buffer.isBuffer(state) ? Buffer.from(state) : state.slice()
  if (Array.isArray(state)) return state.map(cloneState)
  if (isPlainObject(state)) {
    return Object.fromEntries(Object.entries(state).map(([key, value]) => [key, cloneState(value)]))
  }
  return isWhole(state) ? cloneWhole(state) : state
}
