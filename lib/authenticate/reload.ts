import type { Request } from 'express'
import type { Snapshots } from '../snapshots/snapshots.js'
import { asCustomUserDataError } from '../errors.js'
import type { Attachments } from './attachments.js'
import { isCompleteUser } from './authenticator.js'
import type { Authenticator } from './authenticator.js'
import { requireTokenForm } from './bearer-token.js'
import { withChallenge } from './challenge.js'
import { setRequestUser } from './set-request-user.js'
import type { RequestUsers } from './request-users.js'
import type { TokenReader } from './token-places.js'

/** What data of a request is loaded anew with. */
export interface ReloadParts {
  readonly authenticator: Authenticator
  readonly attachments: Attachments
  readonly requestUsers: Pick<RequestUsers, 'find'>
  readonly snapshots: Pick<Snapshots, 'freshness'>
  readonly tokens: TokenReader
}

/**
 * Has a request's data be no older than `maxAgeMs`, and resolves to it. `req.user` holds it then; where that fails it
 * holds what it held.
 */
export type Reload = (req: Request, maxAgeMs: number) => Promise<object>

const NO_USER = 'no req.user on this request: mount authenticate() or attach() before.'
const NOT_OURS =
  'req.user is not what authenticate(), strategy() or attach() of this instance made of the request.'

/** Creates the reloading of requests that `authenticate()`, `strategy()` or `attach()` have passed. */
export function createReload(parts: ReloadParts, realm: string): Reload {
  const { authenticator, attachments, requestUsers, snapshots, tokens } = parts

  async function reload(req: Request, maxAgeMs: number): Promise<object> {
    const wanted = snapshots.freshness(maxAgeMs)
    const { user } = req
    if (!user) throw new TypeError(NO_USER)
    const attachment = attachments.of(req)
    if (attachment) return attachments.attach(req, attachment, wanted)
    const token = tokens(req)
    const known = requestUsers.find(req)
    if (token === undefined || !known) throw new TypeError(NOT_OURS)
    requireTokenForm(token)
    const loaded = await authenticator.loadUser(token, wanted)
    if (!isCompleteUser(loaded) || loaded.id !== known.id) throw new TypeError(NOT_OURS)
    const { customData, claims } = loaded
    // What handlers added to this request's user stays.
    setRequestUser(req, { ...user, customData, claims } as Express.User, 'refreshCustomData()')
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
