import type { Request } from 'express'

/**
 * Express sets the prototype of each request. V8 before version 13, in Node 20 and 22, then makes a new hidden class for
 * each property that is added to such an object.
 */
const MAKES_CLASS_FOR_EACH_PROPERTY = Number.parseInt(process.versions.v8, 10) < 13

/**
 * Puts a request into V8's dictionary mode before `user` is added. Code that looks at the request sees no difference. A
 * property costs 2 to 6 µs otherwise (test/bench/README.md), and the properties that Express adds later get cheaper too.
 *
 * An object whose prototype was set gets into this mode when it loses a property. Never throws: if the request refuses
 * the property, it refuses it again when `req.user` is set.
 */
export function avoidHiddenClasses(req: Request): void {
  if (!MAKES_CLASS_FOR_EACH_PROPERTY || 'user' in req) return
  Reflect.set(req, 'user', undefined)
  Reflect.deleteProperty(req, 'user')
}
