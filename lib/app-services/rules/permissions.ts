import { toNumber, topOf } from '../wire/values.js'

/** What a user may do with the own document at one moment. */
export interface Permissions {
  readonly mayInsert: boolean
  readonly mayDelete: boolean
  /** Whether the user may read all fields. */
  readonly readsAll: boolean
  /** Whether the user may write all fields but the ones that identify the document. */
  readonly writesAll: boolean
  /** Whether the user may read a field of the top level. */
  readonly mayRead: (field: string) => boolean
  /** Whether the user may write a field of the top level. */
  readonly mayWrite: (field: string) => boolean
  /** Whether the user may read any field. */
  readonly readsAny: boolean
  /** Whether filters and sorts may name all fields, and expressions that name the whole document. */
  readonly asksAll: boolean
  /** Whether filters and sorts may name a field of the top level: whether it matches tells about its value. */
  readonly mayAsk: (field: string) => boolean
}

const yes = () => true
const no = () => false

/** Nothing is allowed, because no role applies. */
export const NONE: Permissions = {
  mayInsert: false,
  mayDelete: false,
  readsAll: false,
  writesAll: false,
  mayRead: no,
  mayWrite: no,
  readsAny: false,
  asksAll: false,
  mayAsk: no,
}

/** Reading is allowed, and nothing else. */
export const READ: Permissions = {
  ...NONE,
  readsAll: true,
  mayRead: yes,
  readsAny: true,
  asksAll: true,
  mayAsk: yes,
}

/** All operations are allowed. */
export const READ_WRITE: Permissions = {
  ...READ,
  mayInsert: true,
  mayDelete: true,
  writesAll: true,
  mayWrite: yes,
}

/** Fields that the option `projection` of the instance shows as they are stored. */
export interface VisibleFields {
  /** Whether all fields are shown. */
  readonly all: boolean
  /** Whether a field of the top level is shown whole, and as it is stored. */
  readonly isVisible: (field: string) => boolean
}

/** Finds the fields that a projection of the instance shows as they are stored. */
export function toVisibleFields(projection: Readonly<Record<string, unknown>> = {}): VisibleFields {
  const entries = Object.entries(projection)
  if (entries.length === 0) return { all: true, isVisible: yes }
  const { _id: primaryKey, ...others } = projection
  const names = Object.entries(others)
  // A projection of `_id` alone decides whether the other fields are shown.
  const includes =
    names.length > 0 ? names.some(([, value]) => !isExclusion(value)) : !isExclusion(primaryKey)
  const isVisible = (field: string): boolean => {
    if (field === '_id') return primaryKey === undefined || !isExclusion(primaryKey)
    if (!includes) return names.every(([path]) => topOf(path) !== field)
    // A field of a path with dots, and a computed field, are not what is stored.
    return names.some(([path, value]) => path === field && isInclusion(value))
  }
  return { all: false, isVisible }
}

/**
 * Takes away the right to write fields that the instance hides from handlers, and to ask for them in filters. What is read is
 * limited by the instance itself.
 */
export function limitTo(permissions: Permissions, visible: VisibleFields): Permissions {
  if (visible.all) return permissions
  const { mayAsk, mayWrite } = permissions
  return {
    ...permissions,
    asksAll: false,
    writesAll: false,
    mayAsk: field => visible.isVisible(field) && mayAsk(field),
    mayWrite: field => visible.isVisible(field) && mayWrite(field),
  }
}

function isExclusion(value: unknown): boolean {
  return value === false || toNumber(value) === 0
}

function isInclusion(value: unknown): boolean {
  const number = toNumber(value)
  return value === true || (!Number.isNaN(number) && number !== 0)
}
