import type { BSON } from 'mongodb'
import type { InstanceSettings, UserDocument } from '../../index.js'
import type { Permissions } from '../rules/permissions.js'
import { notPermitted } from './collection-errors.js'
import { requireFilter, requireSort } from './client-filters.js'
import { parseProjection } from './client-projections.js'
import type { PlainObject } from '../wire/values.js'

/** The access of one user to the own document, for one operation. */
export interface OwnAccess {
  readonly userId: string
  readonly document: UserDocument<object>
  /** The document as it was read before the operation; `undefined` if there is none, or if it was not needed. */
  readonly stored: object | undefined
  /** The rights on the document as it was read. */
  readonly permissions: Permissions
  /** The rights for creating this document. */
  readonly permissionsForNew: (document: PlainObject) => Permissions
  /** Whether the right to create a document depends on its values. */
  readonly inspectsNewDocuments: boolean
  readonly options: InstanceSettings
  readonly bson: () => typeof BSON
}

/**
 * The filter of a client.
 * @throws AppServicesError `NoMatchingRuleFound` if it asks for a field that may not be read
 */
export function toFilter({ permissions, options }: OwnAccess, filter: unknown = {}): PlainObject {
  return requireFilter(filter, permissions, options.userIdField)
}

/** @throws AppServicesError `NoMatchingRuleFound` if the sort names a field that may not be read */
export function checkSort({ permissions, options }: OwnAccess, sort: unknown): void {
  if (sort !== undefined) requireSort(sort, permissions, options.userIdField)
}

/** @throws AppServicesError `NoMatchingRuleFound` if the user may read no field */
export function requireReadable({ permissions }: OwnAccess): void {
  if (!permissions.readsAny) throw notPermitted('the document may not be read')
}

/** Makes the function that gives the part of a document that the user may read and has asked for. */
export function toView({ permissions }: OwnAccess, projection: unknown): (document: object) => PlainObject {
  const project = parseProjection(projection)
  return document => project(readableFields(document, permissions))
}

/** The fields of a document that the user may read. */
export function readableFields(document: object, { readsAll, mayRead }: Permissions): PlainObject {
  if (readsAll) return document as PlainObject
  return Object.fromEntries(Object.entries(document).filter(([name]) => mayRead(name)))
}

/** Whether a value is the id of the user, as a text or as an ObjectId. */
export function isOwnId({ userId }: OwnAccess, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === userId
  const { toHexString } = value as { readonly toHexString?: unknown }
  return typeof toHexString === 'function' && '_bsontype' in value && toHexString.call(value) === userId
}
