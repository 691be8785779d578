import * as v from 'valibot'
import { MAX_TIMER_MS } from '../util/deadline.js'
import { pathsOverlap } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import {
  callback,
  DAY_SECONDS,
  extendedJson,
  isOptionsObject,
  name,
  standardSchema,
  trueOrFalse,
  whole,
} from './value-schemas.js'

/** Options of documents and snapshots. */
export const customDataOptions = {
  userIdField: v.optional(
    v.pipe(name, v.regex(/^[^$.\0][^$\0]*$/, 'write the name of a field, e.g. "userId"')),
    'userId',
  ),
  toFieldValues: v.optional(callback),
  projection: v.optional(
    v.pipe(
      v.custom<Record<string, unknown>>(
        value => isPlainObject(value) && isOptionsObject(value),
        'write a $project stage, e.g. { secret: 0 }',
      ),
      v.check(
        keepsPrimaryKey,
        '"_id" can only be shown or left out, because it names the document: write 1 or 0 for it, and compute another field',
      ),
      v.transform(copyPlain),
    ),
  ),
  schema: v.optional(standardSchema),
  extendedJson: v.optional(extendedJson, false),
  requireDocument: v.optional(trueOrFalse, false),
  uniqueUserId: v.optional(trueOrFalse, false),
  maxDocumentBytes: v.optional(whole(1, 16 * 1024 * 1024), 256 * 1024),
  loadTimeoutMs: v.optional(whole(1, MAX_TIMER_MS), 1_000),
  readyTimeoutMs: v.optional(whole(1, MAX_TIMER_MS), 10_000),
  maxConcurrentLoads: v.optional(whole(1, 100_000)),

  snapshotTtlMs: v.optional(whole(1, DAY_SECONDS * 1000), 30 * 60 * 1000),
  maxSnapshots: v.optional(whole(1, 16_000_000), 10_000),
  maxSnapshotBytes: v.optional(whole(1, Number.MAX_SAFE_INTEGER), 64 * 1024 * 1024),

  changeStreams: v.optional(v.picklist(['auto', 'off'], 'write "auto" or "off"'), 'off'),
  changeStreamTimeoutMs: v.optional(whole(1_000, DAY_SECONDS * 1000), 60_000),
}

/** Change events name a document by its `_id`, so a load always reads the stored `_id`, whatever the projection computes. */
function keepsPrimaryKey(projection: Readonly<Record<string, unknown>>): boolean {
  const isFlag = (value: unknown): boolean => typeof value === 'boolean' || Number.isFinite(value)
  return Object.entries(projection).every(
    ([name, value]) => !pathsOverlap(name, '_id') || (name === '_id' && isFlag(value)),
  )
}

/** Copies objects and lists, so that a later change of the original has no effect. Class instances stay the same objects. */
function copyPlain<T>(value: T): T {
  if (Array.isArray(value)) return value.map(copyPlain) as T
  if (!isPlainObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copyPlain(member)])) as T
}
