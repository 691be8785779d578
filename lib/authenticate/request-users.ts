import type { Request } from 'express'
import { CustomUserDataError } from '../errors.js'
import type { AccessTokenClaims } from '../types.js'
import type { Attachments } from './attachments.js'
import type { Authenticator } from './authenticator.js'
import { missingToken } from './bearer-token.js'
import { withChallenge } from './challenge.js'

/** The user whom a guard of this instance let in on a request. */
export interface RequestUser {
  /** The user's id, as the token or `attach({ userId })` gave it. `req.user.id` may be another: handlers can replace it. */
  readonly id: string
  /** The verified claims; `undefined` behind `attach()`. */
  readonly claims: AccessTokenClaims | undefined
  /** The session of this instance that the access token belongs to. */
  readonly sid: string | undefined
  /** The data that `attach()` added for this request; `undefined` behind the other guards. */
  readonly attachedData: object | undefined
}

/** Knows of each request which user this instance authenticated or attached. */
export interface RequestUsers {
  /** The user, or `undefined` where there is none or where somebody else made `req.user`. */
  find: (req: Request) => RequestUser | undefined
  /** The user. Throws `missing_token` where there is none, and `attach_misconfigured` where somebody else made `req.user`. */
  require: (callee: string, req: Request) => RequestUser
  /** Gives the handlers that follow the data that was written for the user. */
  replaceData: (req: Request, data: object) => void
}

/** What the users are found by. */
export interface RequestUsersParts {
  readonly authenticator: Pick<Authenticator, 'userIdOf'>
  readonly attachments: Pick<Attachments, 'of' | 'replaceData'>
  /** Other issuers' sessions are unknown here. */
  readonly ownIssuer: string | undefined
  readonly realm: string
}

/**
 * Creates the lookup. A user of `authenticate()` or `strategy()` is known by the claims object, which only this instance can
 * have made; so a spread copy of `req.user` is known too, and a hit has nothing to remember.
 */
export function createRequestUsers(parts: RequestUsersParts): RequestUsers {
  const { authenticator, attachments, ownIssuer, realm } = parts

  function find(req: Request): RequestUser | undefined {
    const attachment = attachments.of(req)
    if (attachment) {
      const { binding, data } = attachment
      return { id: binding.userId, claims: undefined, sid: undefined, attachedData: data }
    }
    const claims = (req.user as { readonly claims?: unknown } | null | undefined)?.claims
    const id = authenticator.userIdOf(claims)
    if (id === undefined) return undefined
    const verified = claims as AccessTokenClaims
    const sid = verified.iss === ownIssuer ? verified.sid : undefined
    return { id, claims: verified, sid, attachedData: undefined }
  }

  return {
    find,
    require(callee, req) {
      const user = find(req)
      if (user) return user
      const found: unknown = req.user
      if (found === undefined || found === null) throw withChallenge(missingToken(), realm)
      throw new CustomUserDataError(
        'attach_misconfigured',
        `${callee} found a req.user that this instance did not authenticate or attach. Mount authenticate(), ` +
          'strategy() or attach() of the same instance before it, and keep claims and customData where you replace req.user.',
      )
    },
    replaceData(req, data) {
      const descriptor = { value: data, enumerable: true, configurable: true, writable: true }
      if (req.user && Reflect.defineProperty(req.user, 'customData', descriptor))
        attachments.replaceData(req, data)
    },
  }
}
