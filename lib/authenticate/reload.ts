import type { Request } from 'express'
import type { Snapshots } from '../custom-data/snapshots.js'
import { asCustomUserDataError } from '../errors.js'
import type { Attachments } from './attachments.js'
import { isCompleteUser } from './authenticator.js'
import type { Authenticator } from './authenticator.js'
import { requireTokenForm } from './bearer-token.js'
import { withChallenge } from './challenge.js'
import type { TokenReader } from './token-places.js'

/** What data of a request is loaded anew with. */
export interface ReloadParts {
  readonly authenticator: Authenticator
  readonly attachments: Attachments
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
  const { authenticator, attachments, snapshots, tokens } = parts

  async function reload(req: Request, maxAgeMs: number): Promise<object> {
    const wanted = snapshots.freshness(maxAgeMs)
    const { user } = req
    if (!user) throw new TypeError(NO_USER)
    const attachment = attachments.of(req)
    if (attachment) return attachments.attach(req, attachment, wanted)
    const token = tokens(req)
    if (token === undefined || !hasClaims(user)) throw new TypeError(NOT_OURS)
    requireTokenForm(token)
    const loaded = await authenticator.loadUser(token, wanted)
    if (!isCompleteUser(loaded) || loaded.id !== user.id) throw new TypeError(NOT_OURS)
    const { customData, claims } = loaded
    // What handlers added to this request's user stays.
    req.user = { ...user, customData, claims } as Express.User
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

/** Of another strategy's user the request's token may be no business of ours. */
function hasClaims(user: object): boolean {
  return 'claims' in user && 'customData' in user
}
