import type { Request } from 'express'
import { CustomUserDataError } from '../errors.js'
import type { AccessTokenClaims } from '../types.js'
import type { Attachments } from './attachments.js'
import type { Authenticator } from './authenticator.js'
import { missingToken } from './bearer-token.js'
import { withChallenge } from './challenge.js'

/** The user whom a guard of this instance let in on a request. */
export interface RequestUser {
  /** The user's id from the token or from `attach({ userId })`. A handler may have replaced `req.user.id` since. */
  readonly id: string
  /** The verified claims; `undefined` behind `attach()`. */
  readonly claims: AccessTokenClaims | undefined
  /** The session of this instance that the access token belongs to. */
  readonly sid: string | undefined
  /** The data that `attach()` added for this request; `undefined` behind the other guards. */
  readonly attachedData: object | undefined
}

/** Finds the user whom this instance authenticated or attached on a request. */
export type RequestUsers = ReturnType<typeof createRequestUsers>

/**
 * Creates the lookup. It recognises a user of `authenticate()` or `strategy()` by the claims object, which only this
 * instance can have made. So it also recognises a spread of `req.user`, and a hit writes nothing.
 *
 * @param parts.ownIssuer only tokens of this issuer have a session here: the `sid` of another issuer's token is unknown
 */
export function createRequestUsers(parts: {
  readonly authenticator: Pick<Authenticator, 'userIdOf'>
  readonly attachments: Pick<Attachments, 'of' | 'replaceData'>
  readonly ownIssuer: string | undefined
  readonly realm: string
}) {
  const { authenticator, attachments, ownIssuer, realm } = parts

  /** The user; `undefined` if there is no `req.user`, or if this instance did not make it. */
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
    /**
     * The user.
     *
     * @throws `missing_token` if there is no `req.user`, `attach_misconfigured` if this instance did not make it
     */
    require(callee: string, req: Request): RequestUser {
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
    /** Puts newly written data into `req.user`, for the handlers that follow. */
    replaceData(req: Request, data: object): void {
      const descriptor = { value: data, enumerable: true, configurable: true, writable: true }
      if (req.user && Reflect.defineProperty(req.user, 'customData', descriptor))
        attachments.replaceData(req, data)
    },
  }
}
