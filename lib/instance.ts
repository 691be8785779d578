import type { EventEmitter } from 'node:events'
import type { ErrorRequestHandler, Request, RequestHandler, Router } from 'express'
import type { Strategy } from 'passport'
import type { KeyOptions } from './access-tokens/keys.js'
import type { AllowOptions, GuardRule } from './authenticate/allow.js'
import type { AttachOptions } from './authenticate/attach.js'
import type { AuthenticateOptions } from './authenticate/middleware.js'
import type { Scalar, VerifyCredentials } from './login/credentials.js'
import type { PasswordCredentialsOptions } from './login/password-credentials.js'
import type { UserDocument } from './writing/for-user.js'
import type { CustomUserDataEvents } from './events.js'
import type { Stats } from './metrics.js'
import type { LoginOptions } from './routes/login.js'
import type { OwnDataOptions } from './routes/own-data-change.js'
import type { SessionInfo } from './sessions/sessions.js'
import type { IssueTokensOptions } from './login/token-issuer.js'
import type { AuthenticatedUser, TokenAnswer } from './types.js'

/** One instance: middleware, route factories and functions over one collection of custom data. */
export interface CustomUserData<CustomData> {
  /**
   * The guard of what follows it: sets `req.user`, or hands an error to `next`.
   * @throws OptionError for a wrong or unknown option
   * @example app.use(userData.authenticate())
   */
  authenticate(options?: AuthenticateOptions): RequestHandler
  /**
   * For apps that authenticate already: adds `customData` to the `req.user` that is there.
   * @throws OptionError for a wrong or unknown option
   * @example app.use(theirGuard, userData.attach({ userId: req => req.user.accountId }))
   */
  attach(options?: AttachOptions): RequestHandler
  /**
   * A guard by a rule, mounted after `authenticate()`, `strategy()` or `attach()`. The rule is a function of the user, or an
   * expression as App Services had it. If the rule does not hold, the answer is 403 `forbidden`. For a `req.user` that no
   * guard of this instance made, the answer is 500 `attach_misconfigured`.
   * @throws OptionError for a wrong or unknown option, or an invalid expression
   * @example app.use('/admin', userData.allow(user => user.customData.role === 'admin'))
   */
  allow(rule: GuardRule<CustomData>, options?: AllowOptions): RequestHandler
  /**
   * For apps that use passport: `passport.use(userData.strategy())`, named `custom-user-data`.
   * @throws OptionError for any argument
   */
  strategy(): Strategy
  /**
   * `POST`: credentials for a token pair.
   * @throws OptionError if `verifyCredentials` is not a function, or for a wrong or unknown option
   */
  login<Credentials = Readonly<Record<string, Scalar>>>(
    verifyCredentials: VerifyCredentials<Credentials>,
    options?: LoginOptions<Credentials>,
  ): RequestHandler
  /** `POST`: a refresh token for a new token pair. */
  refresh(): RequestHandler
  /** `POST`: ends the session of a refresh token. */
  logout(): RequestHandler
  /** Renders this package's errors as `application/problem+json` (RFC 9457). Mount it last. */
  errorHandler(): ErrorRequestHandler
  /**
   * A ready `verifyCredentials` over a users collection with argon2id hashes; see `hashPassword`.
   * @throws OptionError for a wrong or unknown option
   */
  passwordCredentials(options: PasswordCredentialsOptions): VerifyCredentials
  /** The `req.user` of a guarded request, with this instance's type. Throws a `TypeError` where no guard ran. */
  user(req: Request): AuthenticatedUser<CustomData>
  /** `POST`, behind a guard of this instance: ends all sessions of the user whom the guard let in. */
  logoutAll(): RequestHandler
  /**
   * "My devices", behind a guard of this instance: `GET /` lists the sessions of the user whom the guard let in, and
   * `DELETE /:sid` ends one of them. Behind `attach()` no session is marked as `current`.
   */
  ownSessions(): Router
  /**
   * A user's own data, behind a guard of this instance: `GET`, `PATCH` and `PUT` of the fields that the user may change. It
   * acts on the user whom the guard let in: the token's user, or the user id that `attach({ userId })` returned.
   * @throws OptionError for a wrong or unknown option
   * @example app.use('/me/settings', userData.ownData({ fields: ['language'] }))
   */
  ownData(options: OwnDataOptions): Router
  /**
   * One user's document, for server code to read, update, replace and delete.
   * @throws TypeError if `userId` is not a text of 1 to 255 characters after its issuer's prefix
   */
  forUser(userId: string): UserDocument<CustomData>
  /**
   * Begins a session for a user whom the app has authenticated by itself. `device` and `address` describe the session in
   * the user's list of sessions. `startedAt` tells when your check of the credentials began, so that a revocation since
   * then ends the login.
   *
   * @throws TypeError if `userId` is not a text of 1 to 255 characters, or has the prefix of a trusted issuer;
   * `invalid_credentials` (401) if the user is disabled, or was revoked since the login began;
   * `sessions_unavailable` (503) if MongoDB is away, or if nobody can tell whether the login began before a revocation.
   * @example
   * const startedAt = performance.now()
   * const user = await checkOneTimeCode(req.body.code)
   * res.json(await userData.issueTokens(user.id, { startedAt, address: req.ip }))
   */
  issueTokens(userId: string, options?: IssueTokensOptions): Promise<TokenAnswer<CustomData>>
  /**
   * A user's sessions, newest first.
   * @throws TypeError if `userId` cannot be a user id, see {@link forUser}
   */
  sessions(userId: string): Promise<SessionInfo[]>
  /**
   * Ends one session, or all sessions of a user. Afterwards no refresh of these sessions succeeds, and this process refuses
   * their access tokens. `revoke(userId)` also ends logins in progress. A login that begins after it has resolved works.
   *
   * @throws TypeError if `target` is neither a user id nor `{ sid }`; `sessions_unavailable` (503) if MongoDB is away,
   * `foreign_collection` (500) if the collection of sessions is not ours. The call can be repeated.
   * @example
   * await changePassword(user.id, newPassword)
   * await userData.revoke(user.id) // ends every session that began with the old password
   * res.json(await userData.issueTokens(user.id))
   */
  revoke(target: string | { readonly sid: string }): Promise<void>
  /**
   * Revokes a user's sessions, and refuses new logins until `enable()`. If a trusted issuer signs the user in, all tokens of
   * the user are refused until then. Throws like `revoke()`.
   */
  disable(userId: string): Promise<void>
  /**
   * Lets a disabled user log in again, in every process. Tokens from before `disable()` stay refused.
   * @throws TypeError if `userId` cannot be a user id, see {@link forUser}; `sessions_unavailable` (503) if MongoDB is away
   */
  enable(userId: string): Promise<void>
  /** Revokes a user's sessions and removes them. The user's id and the time of the revocation stay. Throws like `revoke()`. */
  deleteSessions(userId: string): Promise<void>
  /**
   * Forgets the failed logins of an account, so that a user who was locked out can try again. This covers all addresses and
   * all spellings of the name. Failures that are counted for an address stay.
   * @param account the name as it is typed at a login: the e-mail, the username, or the result of the option `account`
   * @throws TypeError if `account` cannot name an account; `credentials_unavailable` (503) if MongoDB does not answer in
   * time, `foreign_collection` (500) if the collection of login attempts is not ours
   * @example await userData.forgetFailedLogins('alice@example.com')
   */
  forgetFailedLogins(account: string): Promise<void>
  /** The user of an access token, for sockets and jobs. Rejects with a `CustomUserDataError`. */
  verifyToken(token: string): Promise<AuthenticatedUser<CustomData>>
  /**
   * Reads the data of this request's user now, for this request and those that follow with its token. Resolves to it, and
   * `req.user` holds it; where that fails `req.user` stays as it was. Rejects with a `CustomUserDataError`, and with a
   * `TypeError` where no guard of this instance made `req.user`.
   */
  refreshCustomData(req: Request): Promise<CustomData>
  /**
   * Drops the snapshots of a user in this process, and repeats loads that are running.
   * @throws TypeError if `userId` cannot be a user id, see {@link forUser}
   */
  invalidate(userId: string): void
  /**
   * Takes new keys. Tokens that a removed key signed are refused at once, cached or not.
   * @throws OptionError if `keys` is not a list of keys
   */
  replaceKeys(keys: readonly KeyOptions[]): void
  /** Route: the public keys as a JWK Set, for others to verify our tokens with. */
  jwks(): RequestHandler
  /** Makes the indexes and opens the change streams once, then pings. Rejects while the instance cannot serve. */
  ready(): Promise<void>
  /** What was counted since the instance was created. The channels of `node:diagnostics_channel` tell each case. */
  stats(): Stats
  /** Empties the cache, closes the change streams and refuses new loads. The MongoDB client is the app's to close. */
  close(): void
  /** What happens inside; see {@link CustomUserDataEvents}. */
  readonly events: EventEmitter<CustomUserDataEvents>
}
