import type { Request } from 'express'

/** `req.user` as it is found: any other middleware may have set it, and an app may have given it any type. */
export function requestUser(req: object): unknown {
  return (req as { readonly user?: unknown }).user
}

/**
 * Sets `req.user` and reads it once, because a setter that ignores the value would leave another user there.
 *
 * @throws TypeError if `req.user` is not that user afterwards
 */
export function setRequestUser(req: Request, user: object | undefined, callee: string): void {
  const target = req as { user?: unknown }
  target.user = user
  if (target.user !== user) throw lostUser('user', callee)
}

/**
 * Throws a `TypeError` if a request would not keep the user that passport sets later. Passport itself does not check it. A
 * property that exists already has its old value afterwards; one that does not exist yet needs no check.
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
    `${callee}: req.${property} does not keep the user that is set. Remove the setter or the read-only property that an ` +
      `earlier middleware defined on the request.`,
  )
}
