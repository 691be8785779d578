import { isDate, isUint8Array } from 'node:util/types'
import { isOpaque } from './opaque-values.js'

/**
 * Estimates the bytes that the frozen copy of a value takes in memory. The BSON size alone cannot tell: of ten kinds of
 * documents one byte of BSON takes between 0.7 and 10 bytes of memory. With this estimate a full cache holds 0.5 to 1.0 of
 * `maxSnapshotBytes` for each kind; `npm run bench:weights` measures it. The numbers are those of V8 on a 64-bit machine.
 */
export function estimateHeapBytes(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return 24 + Buffer.byteLength(value)
    case 'number':
      // V8 keeps integers of 31 bits in place, and other numbers as objects.
      return (value | 0) === value ? 0 : 16
    case 'bigint':
      return 24
    case 'object':
      return value === null ? 0 : estimateObject(value)
    default:
      return 0
  }
}

function estimateObject(value: object): number {
  if (isDate(value)) return 16
  if (isUint8Array(value)) return 224 + value.byteLength
  const members: unknown[] = Object.values(value)
  let bytes = 64
  for (const member of members) bytes += estimateHeapBytes(member)
  if (isOpaque(value)) return bytes
  const opaque = members.filter(isOpaque).length
  // The holder from which the getters read their values.
  if (opaque > 0) bytes += 96 + 8 * opaque
  // The getters of a list are in a table.
  if (Array.isArray(value)) return bytes + 8 * members.length + 96 * opaque
  // V8 keeps an object of more than 16 assigned members in a table. In a smaller object getters take no room.
  const assigned = members.length - opaque
  return bytes + (assigned > 16 ? 56 * members.length : 8 * assigned)
}
