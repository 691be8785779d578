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

/**
 * Sets `req.user`, and reads it once: a setter that ignores the value would leave the handlers with another user.
 *
 * @throws TypeError where `req.user` is not that user afterwards
 */
export function setRequestUser(req: Request, user: Express.User | undefined, callee: string): void {
  req.user = user
  if (req.user !== user) throw lostUser('user', callee)
}

/**
 * Throws a `TypeError` where a request would not keep a user that is set by somebody else, as passport does, who does not
 * look. A property that is not there yet needs no look; one that is there holds afterwards what it held before.
 */
export function requireSettable(req: Request, property: string, callee: string): void {
  if (!(property in req)) return
  const isOwn = Object.hasOwn(req, property)
  const before: unknown = Reflect.get(req, property)
  const probe = {}
  const isKept = Reflect.set(req, property, probe) && Reflect.get(req, property) === probe
  if (!isOwn && Object.hasOwn(req, property)) Reflect.deleteProperty(req, property)
  else Reflect.set(req, property, before)
  if (!isKept) throw lostUser(property, callee)
}

function lostUser(property: string, callee: string): TypeError {
  return new TypeError(
    `${callee}: req.${property} does not keep the user that it is given. Remove the setter, or the read-only property, ` +
      `that a middleware before has defined on the request.`,
  )
}
