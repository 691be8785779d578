import { isPlainObject } from './plain-object.js'

/** Dates, BSON values, maps, buffers…: objects that are not plain. */
export function isWhole(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlainObject(value)
}

/** A constructor whose "instances" are objects that were there before: so a private field can be put onto them. */
const Given = function (object: object): object {
  return object
} as unknown as new (object: object) => object

/** Objects with values that are handed out as fresh instances. Nobody else reaches a private field. */
class Holder extends Given {
  /** Values by the names that they have in the object. */
  readonly #wholes: object

  constructor(object: object, wholes: object) {
    super(object)
    this.#wholes = wholes
  }

  /** One of an object's, or of the object's that it inherits from. */
  static read(object: object, name: string): object {
    for (let holder: unknown = object; typeof holder === 'object' && holder !== null;) {
      if (#wholes in holder) return Reflect.get(holder.#wholes, name) as object
      holder = Object.getPrototypeOf(holder)
    }
    throw new TypeError('The value can be read only of the object that it was loaded into.')
  }
}

/** Getters by name: with one of its own for each value, each object would have a hidden class of its own, half a kB. */
const getters = new Map<string, () => object>()
/** Names that are data, as dates may be, must not fill the memory. */
const MAX_GETTERS = 10_000

/** Keeps values for the getters of an object; to be done before it is frozen. */
export function keepWholes(object: object, wholes: object): void {
  new Holder(object, wholes)
}

/** The getter of a property whose value is handed out as a fresh instance on each access. */
export function getterOf(name: string): () => object {
  const known = getters.get(name)
  if (known) return known
  function get(this: object): object {
    return cloneWhole(Holder.read(this, name))
  }
  if (getters.size < MAX_GETTERS) getters.set(name, get)
  return get
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
