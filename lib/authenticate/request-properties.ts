import type { Request } from 'express'

/**
 * V8 before 13, which is Node 20 and 22, gives an object whose prototype was set, as Express sets each request's, a hidden
 * class of its own with each property that is added from then on.
 */
const HAS_CLASS_FOR_EACH_REQUEST = Number.parseInt(process.versions.v8, 10) < 13

/**
 * Prepares a request for properties that are about to be added, `user` before all; it is the same to whoever looks at it.
 * An object that has lost a property is kept as a table, to which more are added for next to nothing, those of Express
 * too: over HTTP each of them costs some 6 us else (test/bench/README.md).
 */
export function expectProperties(req: Request): void {
  if (!HAS_CLASS_FOR_EACH_REQUEST || 'user' in req) return
  req.user = undefined
  delete req.user
}
