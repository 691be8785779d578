import type { Response } from 'express'
import type { SessionClaims, SessionOrigin } from '../sessions/session-document.js'

/** Each member may also be `undefined`, as `req.ip` is in a request without an address. */
type PartialOrigin = { readonly [Name in keyof SessionOrigin]?: SessionOrigin[Name] | undefined }

/**
 * Options of `issueTokens()`: details of the login for the user's list of sessions, and its start. A device is stored with 128
 * characters at most and an address with 64, and control characters are stored as text, such as `\u{1b}`.
 */
export interface IssueTokensOptions extends PartialOrigin {
  /**
   * The value of `performance.now()`, in milliseconds, when your own check of the credentials began. A revocation of the
   * user's sessions since then ends this login.
   * @default the moment of the call
   */
  readonly startedAt?: number | undefined
  /**
   * The most sessions that this login leaves the user, as the option `maxSessionsPerUser` of the instance. `false` ends none.
   * @default the option of the instance
   */
  readonly maxSessionsPerUser?: number | false | undefined
  /**
   * Whether the cookies of this session outlive the browser, as the option `persistent` of the cookie of refresh tokens.
   * @default the option of the instance
   */
  readonly persistent?: boolean | undefined
  /**
   * Whether each refresh of this session gives a new refresh token. `false` is for clients that cannot store a new one.
   * @default the option of the instance
   */
  readonly rotateRefreshTokens?: boolean | undefined
  /**
   * Seconds that this session lives from its login, as the option of the instance.
   * @default the option of the instance
   */
  readonly refreshTokenTtlSeconds?: number | undefined
  /**
   * Seconds that this session lives without a refresh, as the option of the instance.
   * @default the option of the instance
   */
  readonly refreshTokenIdleSeconds?: number | undefined
  /**
   * Claims of all access tokens of this session, as the way of the login: 20 at most, with texts of 256 characters at most.
   * Claims that this package sets or checks itself are refused, such as `sub` and `user_data`.
   * @default none
   * @example { provider: 'password', mfa: true }
   */
  readonly claims?: SessionClaims | undefined
}

/** A session and its user, as `sessionOf()` gives them. */
export interface SessionOfUser {
  readonly userId: string
  /** The session's id, as in the claim `sid` of its access tokens. */
  readonly sid: string
}

/** Options of `issueTokens()` that lets it set cookies. */
export interface IssueTokensWithCookiesOptions extends IssueTokensOptions {
  /**
   * The response that gets the cookies of `accessTokenTransport` and `refreshTokenTransport`, and `Cache-Control: no-store`. A
   * token in a cookie is not in the result. As in `login()`, requests of other origins are refused, and the sessions of the
   * cookies that are replaced end. The path of the request need not fit the path of a cookie.
   * With `undefined` no cookies are set, and both tokens are in the result.
   */
  readonly res: Response | undefined
}
