import type { Request } from 'express'
import type { RequestChecks } from '../checks/request-checks.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { AccessTokenClaims } from '../types.js'
import type { Attachments } from './attachments.js'
import type { Authenticator } from './authenticator.js'
import { withChallenge } from './challenge.js'
import { requestUser } from './request-user.js'
import { isObject } from '../util/plain-object.js'
import type { MissingToken, TokenReader } from './token-places.js'

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
  readonly tokens: TokenReader
  readonly missingToken: MissingToken
  readonly ownIssuer: string | undefined
  readonly realm: string
  readonly requestChecks: Pick<RequestChecks, 'refused' | 'withoutUser'>
}) {
  const { authenticator, attachments, tokens, ownIssuer, realm, requestChecks, missingToken } = parts
  /** Requests that a guard has seen and left without a user. */
  const withoutUser = new WeakSet<Request>()

  /** The user; `undefined` if there is no `req.user`, or if this instance did not make it. */
  function find(req: Request): RequestUser | undefined {
    const attachment = attachments.of(req)
    if (attachment) {
      const { binding, data } = attachment
      return { id: binding.userId, claims: undefined, sid: undefined, attachedData: data }
    }
    const claims = (requestUser(req) as { readonly claims?: unknown } | null | undefined)?.claims
    const id = authenticator.userIdOf(claims)
    if (id === undefined) return undefined
    const verified = claims as AccessTokenClaims
    const sid = verified.iss === ownIssuer ? verified.sid : undefined
    return { id, claims: verified, sid, attachedData: undefined }
  }

  function refuse(req: Request, error: CustomUserDataError): CustomUserDataError {
    requestChecks.refused(req, req.res, error)
    return error
  }

  return {
    find,
    /** Notes that a guard has seen a request and left it without a user, because the app lets such requests through. */
    noteWithoutUser(req: Request): void {
      withoutUser.add(req)
    },
    /**
     * The user.
     *
     * @throws `missing_token` if the request has no `req.user` and presents no token; `attach_misconfigured` if this instance
     * did not make `req.user`, or if no guard has looked at the token
     */
    require(callee: string, req: Request): RequestUser {
      const user = find(req)
      if (user) return user
      const found = requestUser(req)
      if (found === undefined || found === null) {
        const isSeen = withoutUser.has(req)
        // Who has sent a token must not be told to send one.
        const isUnseenToken = !isSeen && presentsToken(req, tokens)
        if (!isSeen) requestChecks.withoutUser(callee, req, isUnseenToken)
        throw refuse(req, isUnseenToken ? noGuard(callee) : withChallenge(missingToken(req), realm))
      }
      throw refuse(
        req,
        new CustomUserDataError(
          'attach_misconfigured',
          `${callee} found a req.user that this instance did not authenticate or attach. Mount authenticate(), ` +
            'strategy() or attach() of the same instance before it, and keep claims and customData where you replace req.user.',
        ),
      )
    },
    /** Puts newly written data into `req.user`, for the handlers that follow. */
    replaceData(req: Request, data: object): void {
      const descriptor = { value: data, enumerable: true, configurable: true, writable: true }
      const user = requestUser(req)
      if (isObject(user) && Reflect.defineProperty(user, 'customData', descriptor))
        attachments.replaceData(req, data)
    },
  }
}

function presentsToken(req: Request, tokens: TokenReader): boolean {
  try {
    return tokens(req) !== undefined
  } catch (error) {
    return ['invalid_request', 'foreign_origin'].includes(String(asCustomUserDataError(error)?.code))
  }
}

function noGuard(callee: string): CustomUserDataError {
  return new CustomUserDataError(
    'attach_misconfigured',
    `${callee} found no req.user, although the request presents an access token: no guard has looked at the token. Mount ` +
      'authenticate(), strategy() or attach() of this instance before it.',
  )
}
