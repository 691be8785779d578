import type { Document } from 'mongodb'
import { SERVER_ERRORS } from '../mongo/server-errors.js'

/** Creates an error with the name and the code of a refusal by MongoDB, so that the core handles it as such. */
export function toServerError(code: number, message: string, details: object = {}): Error {
  return Object.assign(new Error(message), { name: 'MongoServerError', code, ...details })
}

/** The error of an insert if a unique index has the value already. */
export function toDuplicateKeyError(keyPattern: Document): Error {
  const message = `E11000 duplicate key error: two documents have the same ${Object.keys(keyPattern).join()}`
  return toServerError(SERVER_ERRORS.duplicateKey, message, { keyPattern })
}
