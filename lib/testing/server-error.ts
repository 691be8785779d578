/** Creates an error with the name and the code of a refusal by MongoDB, so that the core handles it as such. */
export function toServerError(code: number, message: string, details: object = {}): Error {
  return Object.assign(new Error(message), { name: 'MongoServerError', code, ...details })
}
