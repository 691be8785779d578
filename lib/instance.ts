import type { IncomingMessage } from 'node:http'
import type { BSON } from 'mongodb'
import type { ErrorRequestHandler, Request, RequestHandler, Router } from 'express'
import type { TokenVerifierOptions, VerifyForeignToken } from './access-tokens/foreign-tokens.js'
import type { KeyOptions } from './access-tokens/keys.js'
import type { TrustedIssuer } from './access-tokens/trusted-issuers.js'
import type { AllowOptions, GuardRule } from './authenticate/allow.js'
import type { AttachOptions } from './authenticate/attach.js'
import type { ErrorHandlerOptions } from './authenticate/error-handler.js'
import type { Guard } from './authenticate/guard.js'
import type { AuthenticateOptions, MaxAgeOption } from './authenticate/middleware.js'
import type { PassportStrategy } from './authenticate/strategy.js'
import type { Scalar, VerifyCredentials } from './login/credentials.js'
import type { PasswordCredentials, PasswordCredentialsOptions } from './login/password-credentials.js'
import type { AuthenticateLoginOptions, RefreshTokenClient } from './login/without-request.js'
import type { UserDocument } from './writing/for-user.js'
import type { CustomUserDataEmitter } from './events.js'
import type { IndexStates } from './checks/set-up.js'
import type { ChangeStreamStates } from './mongo/change-feeds.js'
import type { Stats } from './metrics.js'
import type { AttemptToCount, CountedAttempt } from './login/count-attempt.js'
import type { LoginOptions } from './routes/login.js'
import type { LogoutOptions, RefreshOptions } from './routes/refresh-and-logout.js'
import type { OwnDataOptions } from './routes/own-data-options.js'
import type { SessionInfo } from './sessions/sessions.js'
import type { ErasedUser, StoredData, StoredDataOptions } from './login/stored-data.js'
import type {
  IssueTokensOptions,
  IssueTokensWithCookiesOptions,
  SessionOfUser,
} from './login/issue-tokens-options.js'
import type { SessionOwner } from './sessions/refresh-exchange.js'
import type { ExtendedJsonFormat } from './token-data/extended-json.js'
import type { Clock } from './util/clock.js'
import type { AccessTokenAnswer, AnswerTokens, AuthenticatedUser, TokenAnswer } from './types.js'

/** Settings of an instance, as its options gave them. */
export interface InstanceSettings {
  /** The name of the collection of custom data, without its database. */
  readonly collectionName: string
  /** The field that holds the user's id. */
  readonly userIdField: string
  /** The format of the custom data in access tokens; `false` if they have none. */
  readonly userDataInToken: ExtendedJsonFormat | false
  /** Whether the instance issues tokens of its own. */
  readonly issuesTokens: boolean
  /** The issuer of these tokens, their claim `iss`; `undefined` if the instance issues none. */
  readonly issuer: string | undefined
  /** The source of time. */
  readonly clock: Clock
  /** The `$project` stage of the option `projection`; `undefined` if handlers see all fields. */
  readonly projection: Readonly<Record<string, unknown>> | undefined
  /** The largest document that is loaded, in BSON bytes. */
  readonly maxDocumentBytes: number
}

/** One instance: middleware, route factories and functions over one collection of custom data. */
export interface CustomUserData<CustomData> {
  /**
   * Creates the guard of the routes that follow it. It sets `req.user`, or hands a `CustomUserDataError` to `next`: 400 or 401
   * for a bad or missing token, 403 if the user may not pass, 503 if a server that it needs does not answer in time. The answer
   * gets `Cache-Control` and `Vary` (option `cacheControl`). `guard.run(req, res)` is the same as a promise, see {@link Guard}.
   * @throws OptionError for a wrong or unknown option
   * @example app.use(userData.authenticate())
   */
  authenticate(this: void, options?: AuthenticateOptions): Guard
  /**
   * Creates the middleware for apps that authenticate by other means. It adds `customData` to the `req.user` that another
   * middleware set, and no `claims`. If it cannot tell the user, it hands a 500 `attach_misconfigured` to `next`.
   * @throws OptionError for a wrong or unknown option
   * @example app.use(theirGuard, userData.attach({ userId: req => req.user.accountId }))
   */
  attach(this: void, options?: AttachOptions): Guard
  /**
   * Creates a guard by a rule. It is mounted after `authenticate()`, `strategy()` or `attach()`. The rule is a function of the
   * user, or an expression as App Services had it. If the rule does not hold, the answer is 403 `forbidden`. For a `req.user` that no
   * guard of this instance made, the answer is 500 `attach_misconfigured`.
   * @throws OptionError for a wrong or unknown option, or an invalid expression
   * @example app.use('/admin', userData.allow(user => user.customData.role === 'admin'))
   */
  allow(this: void, rule: GuardRule<CustomData>, options?: AllowOptions): Guard
  /**
   * Creates a strategy for passport, with the name `custom-user-data`.
   * @throws OptionError for any argument
   * @example
   * passport.use(userData.strategy())
   * app.use(passport.authenticate('custom-user-data', { session: false }))
   */
  strategy(this: void): PassportStrategy
  /**
   * Creates the route `POST` that exchanges credentials for an access token and a refresh token. Mount it before the guard.
   * @throws OptionError if `verifyCredentials` is not a function, for a wrong or unknown option, or without keys of your own
   * @example app.post('/login', userData.login(userData.passwordCredentials({ collection: users })))
   */
  login<Credentials = Readonly<Record<string, Scalar>>>(
    this: void,
    verifyCredentials: VerifyCredentials<Credentials>,
    options?: LoginOptions<Credentials, CustomData>,
  ): RequestHandler
  /**
   * Creates the route `POST` that exchanges a refresh token for new tokens. Mount it before the guard.
   * @throws OptionError for a wrong or unknown option, or without keys of your own
   * @example app.post('/refresh', userData.refresh())
   */
  refresh(this: void, options?: RefreshOptions<CustomData>): RequestHandler
  /**
   * Creates the route `POST` that ends the session of a refresh token. Mount it before the guard.
   * @throws OptionError for a wrong or unknown option
   * @example app.post('/logout', userData.logout())
   */
  logout(this: void, options?: LogoutOptions): RequestHandler
  /**
   * Logs a user in as the route of `login()` does, with its throttle, hooks and events, for GraphQL, sockets and other
   * transports. Resolves to the body that the route answers with by default, with both tokens in it, also where the routes set
   * cookies. `address` is the address of the client: without it failed logins are counted for their
   * account alone. `device` describes the client in the user's list of sessions. Hooks get no request, see {@link Hooks}.
   *
   * If your own code has verified the user, call {@link issueTokens} instead.
   * @throws OptionError for a wrong or unknown option, or without keys of your own. Otherwise the errors that the route
   * answers: `invalid_request` (400) or `payload_too_large` (413) if the credentials have the wrong form;
   * `invalid_credentials` (401); `too_many_attempts` (429), with `Retry-After` in `headers`; `custom_data_missing` (403);
   * `credentials_unavailable`, `sessions_unavailable`, `custom_data_unavailable` or `closed` (503); `callback_failed` (500),
   * if a function of yours fails, or another code of a set-up that cannot work (500). A `CustomUserDataError` that
   * `verifyCredentials` or a hook throws is passed on. No event `request_failed` tells of the error, because you have it.
   * @example
   * const { access_token, refresh_token } = await userData.authenticateLogin({
   *   verifyCredentials,
   *   credentials: { email, password }, // as the client sent them
   *   address: socket.handshake.address,
   *   device: 'Firefox on Linux',
   * })
   */
  authenticateLogin<Credentials = Readonly<Record<string, Scalar>>>(
    this: void,
    options: AuthenticateLoginOptions<Credentials>,
  ): Promise<TokenAnswer<CustomData>>
  /**
   * Exchanges a refresh token as the route of `refresh()` does, with its hook and events. Resolves to the body that the route
   * answers with by default, with both tokens in it, also where the route sets cookies.
   * @throws OptionError for a wrong or unknown option, or without keys of your own. Otherwise the errors that the route
   * answers: `invalid_request` (400) if the refresh token is no text of 1 to 1,024 characters; `invalid_grant` (400) if it is
   * unknown, used, expired or revoked; `too_many_attempts` (429) if too many refresh tokens that nobody issued came from
   * `address`; `custom_data_missing` (403); `sessions_unavailable`, `session_secret_unknown`, `custom_data_unavailable` or
   * `closed` (503), after which the same refresh token works again; or another code of a set-up that cannot work (500)
   * @example const tokens = await userData.exchangeRefreshToken(refreshToken, { address: socket.handshake.address })
   */
  exchangeRefreshToken(
    this: void,
    refreshToken: string,
    options?: RefreshTokenClient,
  ): Promise<TokenAnswer<CustomData>>
  /**
   * Ends the session of a refresh token as the route of `logout()` does, with its hook and events. A token that is not valid
   * any more is no error (RFC 7009 section 2.2).
   * @throws OptionError for a wrong or unknown option, or without keys of your own; `invalid_request` (400) if the refresh
   * token is no text of 1 to 1,024 characters; `too_many_attempts` (429) as {@link exchangeRefreshToken};
   * `sessions_unavailable` or `session_secret_unknown` (503)
   * @example await userData.endSession(refreshToken)
   */
  endSession(this: void, refreshToken: string, options?: RefreshTokenClient): Promise<void>
  /**
   * Creates the handler that answers this package's errors as `application/problem+json` (RFC 9457). Mount it last. It leaves
   * other errors to the next handler. Each 5xx is the event `request_failed`, or goes to `onError` if you give it.
   * @throws OptionError for a wrong or unknown option
   * @example app.use(userData.errorHandler({ onError: (error, req) => req.log.error(error) }))
   */
  errorHandler(this: void, options?: ErrorHandlerOptions): ErrorRequestHandler
  /**
   * Reports an error that your own code answers with 5xx, as {@link errorHandler} does: by the event `request_failed`, its channel
   * and a count in `stats()`. The secrets of the request are removed from the description. If nobody listens, Node prints it.
   * An error of this package with a status below 500 is not reported. Any other value is, with the code
   * `unexpected_error`, so call it only where you answer 5xx. Leave `req` out for work without a request, such as a job. An error
   * that you then pass on to `errorHandler()` is reported once.
   * @param error what was thrown: any value
   * @param req the request of Express or Node
   * @throws OptionError if `req` is no such request
   * @example
   * app.use((error, req, res, next) => {
   *   const status = error.status ?? 500
   *   if (status >= 500) userData.reportFailure(error, req)
   *   res.status(status).json({ problem: error.code ?? 'unknown' })
   * })
   */
  reportFailure(this: void, error: unknown, req?: IncomingMessage): void
  /**
   * Creates a `verifyCredentials` over a users collection with argon2id hashes, see `hashPassword()`, or with hashes that the option
   * `verifyPassword` verifies, such as those of bcrypt.
   * @throws OptionError for a wrong or unknown option
   * @example userData.passwordCredentials({ collection: client.db('app').collection('users') })
   */
  passwordCredentials(this: void, options: PasswordCredentialsOptions): PasswordCredentials
  /**
   * Returns the `req.user` of a guarded request, with this instance's type. The request can be of Express or of Node, such as
   * `socket.request`. Behind `attach()` it is the `req.user` of the other middleware: its `claims` are `undefined` or belong to
   * that middleware, and its `id` is missing if that middleware gave it another name.
   * @throws TypeError if no guard ran
   * @example const { customData } = userData.user(req)
   */
  user(this: void, req: IncomingMessage): AuthenticatedUser<CustomData>
  /**
   * The user of a request, typed like `user(req)`; `undefined` for a request that a guard let through without a user, as
   * `authenticate({ optional: true })` does.
   *
   * @example const language = userData.userIfAny(req)?.customData.language
   */
  userIfAny(this: void, req: IncomingMessage): AuthenticatedUser<CustomData> | undefined
  /**
   * Creates the route `POST` that ends all sessions of a user. Mount it behind a guard of this instance: it acts on the
   * user that the guard set.
   * @throws OptionError for any argument
   */
  logoutAll(this: void): RequestHandler
  /**
   * Creates the routes for a page "my devices". Mount them behind a guard of this instance: `GET /` lists the sessions of the
   * user that the guard set, and `DELETE /:sid` ends one of them. Behind `attach()` no session is marked as `current`.
   * @throws OptionError for any argument
   * @example app.use('/me/sessions', userData.ownSessions())
   */
  ownSessions(this: void): Router
  /**
   * Creates the routes `GET`, `PATCH` and `PUT` for the fields that users may change of their own data. Mount them behind a
   * guard of this instance. Behind `authenticate()` they change the document of the token's user, and behind `attach()` the
   * document of the user id that `attach({ userId })` returned.
   * @throws OptionError for a wrong or unknown option
   * @example app.use('/me/settings', userData.ownData({ fields: ['language'] }))
   */
  ownData(this: void, options: OwnDataOptions<CustomData>): Router
  /**
   * Returns the access to one user's document, for server code to read, update, replace, delete and watch.
   * @throws TypeError if `userId` is not a text of 1 to 255 characters after its issuer's prefix
   * @example await userData.forUser(userId).update({ role: 'admin' })
   */
  forUser(this: void, userId: string): UserDocument<CustomData>
  /**
   * Creates the check of a JWT that another service issued, for logins by such a token: a partner's token, or the token of an old
   * login service. The check resolves to the claims, which are frozen. It accepts JWTs with `typ: JWT`, `at+jwt` or none, and they
   * must have `exp`, `sub` and `aud`. `nbf` and `exp` are compared with `clockToleranceSeconds`. Tokens that are longer than
   * `maxTokenLength`, and tokens that are bound to a key (`cnf`), are refused. Create the check once, at the start.
   *
   * Until it expires, a token can be presented again and again. Its `sub` is an id at the other service, so put a prefix before it
   * if your users have ids of another origin too.
   * @returns a function that takes the token, and rejects with `invalid_token` (401) for any value that is no valid token, or
   * with `keys_unavailable` (503) if the keys of the service could not be fetched
   * @throws OptionError for a wrong or unknown option, and for a weak, private or unfit key
   * @example
   * const verifyPartnerToken = userData.tokenVerifier({
   *   jwksUri: 'https://partner.example.com/jwks.json',
   *   algorithms: ['RS256'],
   *   issuer: 'https://partner.example.com',
   *   audience: 'https://api.example.com',
   * })
   * const verifyCredentials = async ({ token }) => {
   *   const { sub } = await verifyPartnerToken(token)
   *   return { id: `partner:${sub}` }
   * }
   * app.post('/login/partner', userData.login(verifyCredentials))
   */
  tokenVerifier(this: void, options: TokenVerifierOptions): VerifyForeignToken
  /**
   * Begins a session as below, and sets the cookies of `accessTokenTransport` and `refreshTokenTransport`. Tokens in cookies are
   * not in the result.
   *
   * @throws as below; also OptionError if no token travels in a cookie, `foreign_origin` (403) if a page of another origin sent
   * the request, `cookie_not_kept` (400), `callback_failed` (500) if the request was answered meanwhile. Then no session begins
   * @example res.json(await userData.issueTokens(user.id, { startedAt, address: req.ip, res }))
   */
  issueTokens(
    this: void,
    userId: string,
    options: IssueTokensWithCookiesOptions,
  ): Promise<AnswerTokens<CustomData>>
  /**
   * Begins a session after your own code has authenticated the user. `device` and `address` describe the session in
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
  issueTokens(this: void, userId: string, options?: IssueTokensOptions): Promise<TokenAnswer<CustomData>>
  /**
   * Returns the session of a refresh token, its user and its claims, without an exchange. The token must be the current one of
   * its session, or one that was exchanged just now. Returns `undefined` for any other value.
   * @throws OptionError without keys of your own; `sessions_unavailable` or `session_secret_unknown` (503)
   * @example
   * const session = await userData.sessionOf(req.body.refresh_token)
   * if (!session) res.sendStatus(401)
   */
  sessionOf(this: void, refreshToken: string): Promise<SessionOwner | undefined>
  /**
   * Issues a further access token for a session, with a new snapshot. The refresh token of the session stays as it is. Use it
   * after a change that the user should see at once, such as a new role.
   * @throws `session_not_found` (404) if the session has ended, or is another user's; OptionError for another argument;
   * TypeError if `userId` cannot be a user id; the errors of a load; `sessions_unavailable` (503)
   * @example
   * const { sid } = userData.user(req).claims
   * res.json(await userData.reissue({ userId: userData.user(req).id, sid }))
   */
  reissue(this: void, session: SessionOfUser): Promise<AccessTokenAnswer<CustomData>>
  /**
   * Lists a user's sessions, newest first, at most 1,000.
   * @throws TypeError if `userId` cannot be a user id, see {@link forUser}; `sessions_unavailable` (503) if MongoDB is away
   */
  sessions(this: void, userId: string): Promise<SessionInfo[]>
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
  revoke(this: void, target: string | { readonly sid: string }): Promise<void>
  /**
   * Revokes a user's sessions, and refuses new logins until `enable()`. If a trusted issuer signs the user in, all tokens of
   * the user are refused until then. Throws like `revoke()`.
   */
  disable(this: void, userId: string): Promise<void>
  /**
   * Lets a disabled user log in again, in every process. Tokens from before `disable()` stay refused.
   * @throws TypeError if `userId` cannot be a user id, see {@link forUser}; `sessions_unavailable` (503) if MongoDB is away
   */
  enable(this: void, userId: string): Promise<void>
  /**
   * Revokes a user's sessions, and removes their documents after it has resolved. The user's id and the time of the
   * revocation stay. Throws like `revoke()`.
   */
  deleteSessions(this: void, userId: string): Promise<void>
  /**
   * Lists what this package stores of a user in its own collections: sessions, the record of a revocation, and failed logins
   * of the accounts that you name. The user's document of custom data is yours, see {@link forUser}. Sessions of other issuers
   * in the same collection are not listed.
   * @throws TypeError if `userId` cannot be a user id, see {@link forUser}, or an account is no name; OptionError for a wrong
   * option, and for `accounts` without keys of your own; `sessions_unavailable` or `credentials_unavailable` (503) if MongoDB
   * does not answer in time
   * @example res.json(await userData.storedAbout(user.id, { accounts: [user.email] }))
   */
  storedAbout(this: void, userId: string, options?: StoredDataOptions): Promise<StoredData>
  /**
   * Erases what {@link storedAbout} lists. It first revokes the user's sessions, and resolves when all documents are removed.
   * Only the record of the revocation stays, with the user's id and the time, until the last access token from before has
   * expired: 25 hours, or 60 days for a trusted issuer's user. Call it after you have removed the user's credentials and
   * custom data, because a user who is erased is not disabled any more. Throws like {@link storedAbout}. The call can be
   * repeated.
   * @example
   * await users.deleteOne({ _id: user._id })
   * await userData.forUser(user.id).delete()
   * await userData.eraseUser(user.id, { accounts: [user.email] })
   */
  eraseUser(this: void, userId: string, options?: StoredDataOptions): Promise<ErasedUser>
  /**
   * Counts an attempt as `login()` counts one, and refuses it over the same limits. Call it before your own check of a code, a
   * password or a registration. With `loginThrottle: false` it counts nothing.
   * @returns a handle that takes the attempt out of the counts
   * @throws `too_many_attempts` (429) with `Retry-After`; `credentials_unavailable` (503) if MongoDB does not answer in time;
   * OptionError for another argument, and without keys of your own
   * @example
   * const attempt = await userData.countAttempt({ account: `sign:${email}`, address: req.ip })
   * if (await isPassword(user, req.body.password)) attempt.giveBack()
   */
  countAttempt(this: void, attempt: AttemptToCount): Promise<CountedAttempt>
  /**
   * Forgets the failed logins of an account, so that a user who was locked out can try again. This covers all addresses and
   * all spellings of the name. Failures that are counted for an address stay.
   * @param account the name as it is typed at a login: the e-mail, the username, or the result of the option `account`
   * @throws OptionError without keys of your own; TypeError if `account` cannot name an account; `credentials_unavailable`
   * (503) if MongoDB does not answer in time, `foreign_collection` (500) if the collection of login attempts is not ours
   * @example await userData.forgetFailedLogins('alice@example.com')
   */
  forgetFailedLogins(this: void, account: string): Promise<void>
  /**
   * Returns the digest by which the events `login_refused` and `throttled` name an account, so that you can find the events of
   * an account that you know. It is the same for all spellings that are counted as one. It changes when another session secret
   * becomes the first.
   * @param account the name, as for {@link forgetFailedLogins}
   * @returns 43 characters of base64url
   * @throws OptionError without keys of your own; TypeError if `account` cannot name an account
   * @example const isAlice = accounts.includes(userData.accountDigest('alice@example.com'))
   */
  accountDigest(this: void, account: string): string
  /**
   * Returns the user of an access token, for sockets and jobs. The errors have the same `headers` as those of the guard. With
   * `maxAgeMs` the custom data is at most so old, and 0 loads it now, as the option of `authenticate()`.
   * @throws OptionError for a wrong or unknown option; `missing_token` (401) if there is none, `invalid_token` (401),
   * `custom_data_missing` (403), `keys_unavailable`, `custom_data_unavailable` or `sessions_unavailable` (503),
   * `custom_data_too_large` or `custom_data_invalid` (500)
   * @example const user = await userData.verifyToken(socket.handshake.auth.token)
   */
  verifyToken(
    this: void,
    token: string | null | undefined,
    options?: MaxAgeOption,
  ): Promise<AuthenticatedUser<CustomData>>
  /**
   * Loads the custom data of this request's user now, for this request and later requests with the same token. Resolves to
   * the data, which `req.user` then holds. If the load fails, `req.user` stays as it was.
   * @throws TypeError if no guard of this instance made `req.user`; otherwise the errors of {@link verifyToken}
   * @example
   * await orders.insertOne(order)
   * const { plan } = await userData.refreshCustomData(req)
   */
  refreshCustomData(this: void, req: Request): Promise<CustomData>
  /**
   * Returns the age of this request's custom data: the milliseconds since its load began, by the clock that shows the longer
   * time. Returns `undefined` if `req.user` holds other data than the snapshot of its token, for example after `ownData()` has
   * written, or after another request has loaded a changed document.
   * @throws TypeError if no guard of this instance made `req.user`
   * @example res.set('X-Data-Age-Ms', String(userData.snapshotAgeMs(req) ?? 'unknown'))
   */
  snapshotAgeMs(this: void, req: Request): number | undefined
  /**
   * Returns the BSON library of the driver that the collection belongs to. Use its classes for values that you store, because a
   * driver refuses values of another major.
   * @throws OptionError if the library cannot be found. Then give it by the option `bson`
   * @example
   * const { ObjectId } = userData.bson()
   * await userData.forUser(id).update({ $set: { teamId: new ObjectId() } })
   */
  bson(this: void): typeof BSON
  /**
   * Drops the snapshots of a user in this process, and repeats loads that are running. Call it after you have changed the
   * user's document by other means than {@link forUser}.
   * @throws TypeError if `userId` cannot be a user id, see {@link forUser}
   */
  invalidate(this: void, userId: string): void
  /**
   * Replaces the keys of this instance. The first key signs from now on. Tokens that a removed key signed are refused at once,
   * also if their snapshots are cached. Session secrets follow the HS keys, unless none of the new keys is an HS key.
   * @throws OptionError if `keys` is not a list of keys, or without keys of your own
   */
  replaceKeys(this: void, keys: readonly KeyOptions[]): void
  /**
   * Accepts the tokens of another issuer from now on, for example of a new tenant. It is checked like an entry of the option
   * `trustedIssuers`. It concerns this process only, so call it in each process, and give `trustedIssuers` at the start.
   * @throws OptionError for a wrong or unknown option, if the issuer is trusted already, or if the ids of its users could be those of
   * another issuer
   * @example userData.addTrustedIssuer({ issuer: tenant.issuer, audience: 'https://api.example.com', algorithms: ['RS256'] })
   */
  addTrustedIssuer(this: void, issuer: TrustedIssuer): void
  /**
   * Refuses the tokens of a trusted issuer from now on, also if their snapshots are cached, and fetches its keys no longer. It
   * concerns this process only.
   * @param issuer the `issuer` of the entry, compared exactly
   * @throws OptionError if no such issuer is trusted
   * @example userData.removeTrustedIssuer(tenant.issuer)
   */
  removeTrustedIssuer(this: void, issuer: string): void
  /**
   * Creates the route `GET` that publishes the public keys as a JWK Set, with which other servers verify your tokens.
   * @throws OptionError for any argument, or without keys of your own
   * @example app.get('/.well-known/jwks.json', userData.jwks())
   */
  jwks(this: void): RequestHandler
  /**
   * Makes the indexes, tries the query of loads, looks at the set-up and opens the change streams. It looks at the rights that the options and
   * the routes need that were created so far, not at those of the functions without a route. Later calls send a ping,
   * and look at the indexes once a minute: a missing index is made again in the background. What it finds is the event
   * `warning`. Rejects while the instance cannot serve. Resolves to the states of the change streams and of the indexes. A
   * stream that is not `open` is tried again, so it is no reason to reject. Without the index on the user id it rejects only
   * if a load does not end in time.
   * @throws `custom_data_unavailable`, `sessions_unavailable` or `credentials_unavailable` (503) if MongoDB does not answer in
   * time (`readyTimeoutMs`); the message names the step and the host. `foreign_collection` (500) if a collection of this
   * package holds documents of your app, `user_id_index_conflict` (500) if duplicates prevent the unique index, and
   * `projection_refused`, `database_unauthorized` or another code of a set-up that cannot work (500)
   * @example
   * await userData.ready()
   * app.listen(3000)
   */
  ready(this: void): Promise<{ readonly changeStreams: ChangeStreamStates; readonly indexes: IndexStates }>
  /**
   * Returns the counters since the instance was created. The channels of `node:diagnostics_channel` report each single case,
   * see `ChannelMessages`.
   */
  stats(this: void): Stats
  /**
   * Empties the cache, closes the change streams and refuses new loads with 503 `closed`. Resolves when the work that follows
   * the answers to logins is done, after a few seconds at most, even if MongoDB is away. Close the MongoDB client afterwards.
   * It never rejects unless it is given options.
   * @example
   * process.once('SIGTERM', () => server.close(async () => {
   *   await userData.close()
   *   await client.close()
   * }))
   */
  close(this: void): Promise<void>
  /**
   * Settings of this instance, for code that builds on it, such as a router of another protocol. Code that checks filters of
   * clients needs `projection`, because filters of {@link forUser} also see fields that it hides.
   * @example const { userIdField } = userData.settings
   */
  readonly settings: InstanceSettings
  /**
   * Emits the events of this instance, see {@link CustomUserDataEvents}.
   * @example userData.events.on('load_failed', ({ userId, error }) => log.error({ userId, error }))
   */
  readonly events: CustomUserDataEmitter
}
