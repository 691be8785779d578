import { randomBytes } from 'node:crypto'
import type { BSON, ObjectId } from 'mongodb'

/** Makes an id in the form that clients know: 24 hex digits, as an ObjectId has. */
export function newId(): string {
  return randomBytes(12).toString('hex')
}

/** Whether a text has the form of an id. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{24}$/.test(text)
}

/** The ObjectId of an id; `undefined` for a text of another form. */
export function toObjectId(id: string, bson: typeof BSON): ObjectId | undefined {
  return isId(id) ? new bson.ObjectId(id) : undefined
}
