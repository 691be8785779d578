import { cloneWhole } from './opaque-values.js'

/** A constructor whose "instances" are objects that were there before: so a private field can be put onto them. */
const Given = function (object: object): object {
  return object
} as unknown as new (object: object) => object

/** A private field for any object. Nobody else reaches it. */
interface Field {
  new (object: object, value: object): object
  /** The field of an object, or of the one that it inherits from. */
  read(object: object): object
  /** The field of the object itself, if it has one. */
  of(object: object): object | undefined
}

function createField(): Field {
  return class extends Given {
    readonly #value: object

    constructor(object: object, value: object) {
      super(object)
      this.#value = value
    }

    static of(object: object): object | undefined {
      return #value in object ? object.#value : undefined
    }

    static read(object: object): object {
      for (let holder: unknown = object; typeof holder === 'object' && holder !== null;) {
        if (#value in holder) return holder.#value
        holder = Object.getPrototypeOf(holder)
      }
      throw new TypeError('The value can be read only of the object that it was loaded into.')
    }
  }
}

/** So many of an object's values have a field each, which is 8 bytes; the others are in one object, by name. */
export const HIDDEN_FIELDS = 4
const FIRST = Array.from({ length: HIDDEN_FIELDS }, createField)
const OTHERS = createField()

type Getter = (this: object) => object

const firstGetters = FIRST.map((field): Getter => {
  return function get() {
    return cloneWhole(field.read(this))
  }
})
/** Getters are shared: with one of its own for each value, each object would have a hidden class of its own, half a kB. */
const otherGetters = new Map<string, Getter>()
/** Names that are data, as dates may be, must not fill the memory. */
const MAX_GETTERS = 10_000

/** The getter of an object's `position`-th hidden value. It makes a fresh instance on each access. */
export function getterOf(name: string, position: number): Getter {
  return firstGetters[position] ?? otherGetterOf(name)
}

function otherGetterOf(name: string): Getter {
  const known = otherGetters.get(name)
  if (known) return known
  function get(this: object): object {
    return cloneWhole(Reflect.get(OTHERS.read(this), name) as object)
  }
  if (otherGetters.size < MAX_GETTERS) otherGetters.set(name, get)
  return get
}

/** What an object's getter of that position and name copies; not to be handed out, and never changed. */
export function hiddenValue(object: object, name: string, position: number): unknown {
  const field = FIRST[position]
  if (field) return field.of(object)
  const others = OTHERS.of(object)
  return others && (Reflect.get(others, name) as unknown)
}

/** Keeps values for the getters of an object, in the order of their positions; to be done before it is frozen. */
export function hideValues(
  object: object,
  values: readonly (readonly [name: string, value: object])[],
): void {
  for (const [position, Field] of FIRST.entries()) {
    const value = values[position]?.[1]
    if (value) new Field(object, value)
  }
  if (values.length > FIRST.length) new OTHERS(object, Object.fromEntries(values.slice(FIRST.length)))
}
