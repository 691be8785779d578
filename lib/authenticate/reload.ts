import type { Request } from 'express'
import { asCustomUserDataError } from '../errors.js'
import type { Attachments } from './attachments.js'
import { isCompleteUser } from './authenticator.js'
import type { Authenticator } from './authenticator.js'
import { requireTokenForm } from './bearer-token.js'
import { withChallenge } from './challenge.js'
import type { RequestUsers } from './request-users.js'
import { requestUser, setRequestUser } from './request-user.js'
import type { TokenReader } from './token-places.js'
import { isObject } from '../util/plain-object.js'

/**
 * Loads the custom data of a request's user, unless it is at most `maxAgeMs` old. Resolves to the data, which `req.user`
 * then holds. If the load fails, `req.user` stays as it was.
 */
export type Reload = (req: Request, maxAgeMs: number) => Promise<object>

const NO_USER = 'no req.user on this request: mount authenticate() or attach() before.'
const NOT_OURS =
  'this instance did not make the req.user of this request. Mount authenticate(), strategy() or attach() of this ' +
  'instance before, and keep claims and customData if you replace req.user.'

/** Creates the function that reloads the data of requests behind `authenticate()`, `strategy()` or `attach()`. */
export function createReload(parts: {
  readonly authenticator: Authenticator
  readonly attachments: Attachments
  readonly requestUsers: Pick<RequestUsers, 'find'>
  readonly tokens: TokenReader
  readonly realm: string
}): Reload {
  const { authenticator, attachments, realm } = parts

  async function reload(req: Request, maxAgeMs: number): Promise<object> {
    const attachment = attachments.of(req)
    if (attachment) return attachments.attach(req, attachment, maxAgeMs)
    const { user, id, token } = requireTokenUser(req, parts)
    requireTokenForm(token)
    const loaded = await authenticator.loadUser(token, maxAgeMs)
    if (!isCompleteUser(loaded) || loaded.id !== id) throw new TypeError(NOT_OURS)
    const { customData, claims } = loaded
    // Other members that handlers added to this request's user stay.
    setRequestUser(req, { ...user, customData, claims }, 'refreshCustomData()')
    return customData
  }

  return async (req, maxAgeMs) => {
    try {
      return await reload(req, maxAgeMs)
    } catch (error) {
      const ours = asCustomUserDataError(error)
      throw ours ? withChallenge(ours, realm) : error
    }
  }
}

/**
 * Returns the user of a request and its access token, if this instance has authenticated the user by this token.
 *
 * @throws TypeError if `req.user` is missing, or if this instance did not make it
 */
export function requireTokenUser(
  req: Request,
  {
    requestUsers,
    tokens,
  }: { readonly requestUsers: Pick<RequestUsers, 'find'>; readonly tokens: TokenReader },
): { readonly user: object; readonly id: string; readonly token: string } {
  const user = requestUser(req)
  if (!user) throw new TypeError(NO_USER)
  const token = tokens(req)
  const known = requestUsers.find(req)
  if (token === undefined || !known || !isObject(user)) throw new TypeError(NOT_OURS)
  return { user, id: known.id, token }
}
