import type { Request } from 'express'

/**
 * V8 before 13, which is Node 20 and 22, gives an object whose prototype was set, as Express sets each request's, a hidden
 * class of its own with each property that is added from then on.
 */
const HAS_CLASS_FOR_EACH_REQUEST = Number.parseInt(process.versions.v8, 10) < 13

/**
 * Puts a request into V8's dictionary mode, for properties that are about to be added, `user` before all; it is the same to
 * whoever looks at it. There more are added for next to nothing, those of Express too: over HTTP each of them costs
 * some 6 us else (test/bench/README.md). An object gets there by losing a property, if its prototype was set before; else
 * V8 may just take back what was added. Never throws: what refuses a property refuses it when it is set.
 */
export function prepareForProperties(req: Request): void {
  if (!HAS_CLASS_FOR_EACH_REQUEST || 'user' in req) return
  Reflect.set(req, 'user', undefined)
  Reflect.deleteProperty(req, 'user')
}
