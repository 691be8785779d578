import { types } from 'node:util'
const HIDDEN_FIELDS = 4
import { isPlainObject } from '../util/plain-object.js'
import { isOpaque } from './opaque-values.js'

/** What V8 takes on a 64-bit machine, without pointer compression, as Node is built. */
const BYTES = {
  word: 8,
  double: 16,
  bigint: 24,
  stringHeader: 16,
  arrayHeader: 48,
  /** With room for four properties. */
  object: 56,
  /** Of an object with more: their own list. */
  properties: 16,
  date: 96,
  /** ObjectIds, decimals, timestamps…, beside the bytes that they hold. */
  bsonValue: 64,
  bytesHeader: 48,
  /** Where an object's getters find what they copy, beyond the first few. */
  otherWholes: 64,
  /** A list's getter stands in a table. */
  listedWhole: 80,
} as const

/** What {@link toFrozenCopy} of a value takes in the heap, in bytes: an estimate, good to some 20 % for documents. */
export function estimateHeapBytes(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return estimateString(value)
    case 'number':
      return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? 0 : BYTES.double
    case 'bigint':
      return BYTES.bigint
    case 'object':
      return value === null ? 0 : estimateObject(value)
    default:
      return 0
  }
}

function estimateObject(value: object): number {
  if (Array.isArray(value)) {
    const { sum, wholes } = sumOf(value)
    return estimateList(value.length) + sum + BYTES.listedWhole * wholes
  }
  if (types.isDate(value)) return BYTES.date
  if (types.isUint8Array(value)) return BYTES.bytesHeader + value.byteLength
  const values: unknown[] = Object.values(value)
  const { sum, wholes } = sumOf(values)
  if (!isPlainObject(value)) return BYTES.bsonValue + sum
  const fields = values.length + Math.min(wholes, HIDDEN_FIELDS)
  return estimateFields(fields) + (wholes > HIDDEN_FIELDS ? BYTES.otherWholes : 0) + sum
}

/** A list alone, without what its elements take. */
export function estimateList(length: number): number {
  return BYTES.arrayHeader + BYTES.word * length
}

/** A plain object alone, without what its members take. */
export function estimateFields(fields: number): number {
  // The list grows by three at a time.
  const listed = Math.ceil(Math.max(0, fields - 4) / 3) * 3
  return BYTES.object + (listed > 0 ? BYTES.properties + BYTES.word * listed : 0)
}

/** What values take together, and how many of them are wholes. */
function sumOf(values: readonly unknown[]): { readonly sum: number; readonly wholes: number } {
  let sum = 0
  let wholes = 0
  for (const value of values) {
    sum += estimateHeapBytes(value)
    if (isOpaque(value)) wholes++
  }
  return { sum, wholes }
}

function estimateString(text: string): number {
  // One byte for each character where all are of Latin-1.
  const perCharacter = /^[\0-\u00ff]*$/.test(text) ? 1 : 2
  return Math.ceil((BYTES.stringHeader + perCharacter * text.length) / BYTES.word) * BYTES.word
}
