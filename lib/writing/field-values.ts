import type { Document } from 'mongodb'
import type { FieldChange } from './dry-run.js'

/** Some fields of a document, in a fixed order. */
export function pick(document: Document, names: readonly string[]): Record<string, unknown> {
  const there = names.filter(name => Object.hasOwn(document, name))
  return Object.fromEntries(there.map(name => [name, document[name] as unknown]))
}

/** Holds where a field has the value that was read, or is missing as it was; 1 and 1.0 are one value. */
export function hasValue(name: string, read: Document): Document {
  if (!Object.hasOwn(read, name)) return { $eq: [{ $type: `$${name}` }, 'missing'] }
  return { $eq: [`$${name}`, { $literal: read[name] as unknown }] }
}

/** Update operators for a change. Without any the driver would take it for a document. */
export function toUpdate({ set, unset }: FieldChange): Document {
  if (unset.length === 0) return { $set: set }
  const $unset = Object.fromEntries(unset.map(name => [name, true]))
  return Object.keys(set).length === 0 ? { $unset } : { $set: set, $unset }
}
