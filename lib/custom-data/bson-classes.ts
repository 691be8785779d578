import type { Binary } from 'mongodb'

/** A class of BSON values, as far as it is needed here: something to construct. */
export type BsonClass = new (...args: never[]) => object

/** What a BSON value is: its `_bsontype`, with UUIDs told apart from other binaries. */
export type BsonKind =
  | 'Binary'
  | 'Code'
  | 'DBRef'
  | 'Decimal128'
  | 'Long'
  | 'MaxKey'
  | 'MinKey'
  | 'ObjectId'
  | 'Timestamp'
  | 'UUID'

/** A value of the driver's, whichever major it is. */
export interface BsonValue {
  readonly _bsontype: string
}

/** The classes that the team's own driver makes its values of. */
export interface BsonClasses {
  /** Remembers the class of a value that was loaded. */
  learn: (value: BsonValue) => void
  /** Remembers a class that is known from elsewhere. */
  learnClass: (kind: BsonKind, valueClass: BsonClass) => void
  /** The class of a kind. Throws an {@link UnknownBsonClassError} while no value of it was seen. */
  of: (kind: BsonKind) => BsonClass
}

/** No value of this kind was loaded yet, so that its class is not known. */
export class UnknownBsonClassError extends Error {
  override readonly name = 'UnknownBsonClassError'
  readonly kind: BsonKind

  constructor(kind: BsonKind) {
    super(`No ${kind} was loaded yet`)
    this.kind = kind
  }
}

const UUID_SUBTYPE = 4
const UUID_BYTES = 16

/**
 * Creates an empty book of classes. They are taken from the values that the driver loads: an import could be another
 * major than the team's, whose driver would then refuse the values.
 */
export function createBsonClasses(): BsonClasses {
  const classes = new Map<string, BsonClass>()
  return {
    learn(value) {
      const kind = kindOf(value)
      if (!classes.has(kind)) classes.set(kind, value.constructor as BsonClass)
    },
    learnClass(kind, valueClass) {
      classes.set(kind, valueClass)
    },
    of(kind) {
      const found = classes.get(kind)
      if (!found) throw new UnknownBsonClassError(kind)
      return found
    },
  }
}

/** Whether a value is one of the driver's, and no document that has such a field. */
export function isBsonValue(value: object): value is BsonValue {
  return '_bsontype' in value && typeof value._bsontype === 'string' && !Object.hasOwn(value, '_bsontype')
}

/** Which of the two classes of binaries it is; the driver decides in the same way. */
export function toBinaryKind(subType: number, length: number): 'Binary' | 'UUID' {
  return subType === UUID_SUBTYPE && length === UUID_BYTES ? 'UUID' : 'Binary'
}

function kindOf(value: BsonValue): string {
  if (value._bsontype !== 'Binary') return value._bsontype
  const binary = value as unknown as Binary
  return toBinaryKind(binary.sub_type, binary.length())
}
