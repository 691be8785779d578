import type { Request } from 'express'
import type { Collection, Document } from 'mongodb'
import { createIssuers } from './access-tokens/issuers.js'
import { createKeyRing } from './access-tokens/key-ring.js'
import { createTrustedIssuer } from './access-tokens/trusted-issuers.js'
import { requireUserId, toRevokedSid } from './access-tokens/user-id.js'
import { createAllow } from './authenticate/allow.js'
import { createAttachMiddleware } from './authenticate/attach.js'
import { createAttachments } from './authenticate/attachments.js'
import { createAuthenticator } from './authenticate/authenticator.js'
import { createErrorHandler } from './authenticate/error-handler.js'
import { createGuard } from './authenticate/middleware.js'
import { createReload } from './authenticate/reload.js'
import { createRequestUsers } from './authenticate/request-users.js'
import { createStrategy } from './authenticate/strategy.js'
import { createTokenReader } from './authenticate/token-places.js'
import { createTokenVerifier } from './access-tokens/token-verifier.js'
import { createPasswordCredentials } from './login/password-credentials.js'
import { createChangeFeeds } from './mongo/change-feeds.js'
import { createDocumentCodec } from './token-data/document-codec.js'
import { createUserDocument } from './writing/for-user.js'
import { createLoader } from './documents/loader.js'
import type { Loader } from './documents/loader.js'
import { createCustomDataFeed } from './snapshots/custom-data-feed.js'
import { createSnapshots } from './snapshots/snapshots.js'
import type { Snapshots } from './snapshots/snapshots.js'
import { createTokenSnapshots } from './token-data/claim-snapshots.js'
import type { TokenSnapshots } from './token-data/claim-snapshots.js'
import { createUserDocuments } from './documents/user-documents.js'
import { createUserIdIndex } from './documents/user-id-index.js'
import { createWriter } from './writing/writer.js'
import type { CustomUserData } from './instance.js'
import { OptionError } from './errors.js'
import { createEvents } from './events.js'
import { createOwnCollection } from './mongo/own-collection.js'
import { openTeamDatabase } from './mongo/team-database.js'
import type { CustomUserDataOptions, TrustedIssuersOnlyOptions } from './options/options.js'
import { refuseArguments, refuseOptions } from './options/arguments.js'
import { parseIssueTokensOptions } from './options/logins.js'
import { parseNewKeys, parseOptions } from './options/parse-options.js'
import {
  createTransport,
  toIssuer,
  toRevocationsConfig,
  toSessionScope,
  toSessionSecrets,
  toSnapshotsConfig,
  toTokenSnapshotsConfig,
} from './options/part-configs.js'
import { createObserver } from './metrics.js'
import { createReadiness } from './checks/readiness.js'
import { createHookCalls } from './login/hooks.js'
import { createJwksRoute } from './routes/jwks.js'
import { createLoginFlow } from './login/login-flow.js'
import { createLoginRoute } from './routes/login.js'
import { createOwnDataRouter } from './routes/own-data.js'
import { createLogoutAllRoute, createOwnSessionsRouter } from './routes/own-sessions.js'
import { createLogoutRoute, createRefreshRoute } from './routes/refresh-and-logout.js'
import { createRevocations } from './sessions/revocations.js'
import { createSessionChecks } from './sessions/session-checks.js'
import { createSessionFeed } from './sessions/session-feed.js'
import { createSessionStore, SESSION_INDEXES } from './sessions/session-store.js'
import { createSessions } from './sessions/sessions.js'
import { createLoadCheck, createTokenStatus } from './sessions/token-status.js'
import { createUserRecords } from './sessions/user-records.js'
import { requireAccountName } from './login/account-name.js'
import { createAttemptStore } from './login/attempt-store.js'
import { createLoginThrottle, toAccountKey } from './login/login-throttle.js'
import { createTokenIssuer } from './login/token-issuer.js'
import type { AuthenticatedUser, CustomDataOf, DeepReadonly, DefaultDocument } from './types.js'

/**
 * Creates an instance. `collection`, `issuer`, `audience` and `secret` (or `keys`) are the team's to know, or
 * `trustedIssuers` where others issue the tokens; every other option has a default. Throws an `OptionError` that says what to write instead.
 *
 * @typeParam Data the documents of the collection, as `req.user.customData` is to be typed
 */
export function createCustomUserData<Data extends object = DefaultDocument>(
  options: TrustedIssuersOnlyOptions<Data> & { readonly requireDocument: true },
): CustomUserData<DeepReadonly<Data>>
export function createCustomUserData<Data extends object = DefaultDocument>(
  options: TrustedIssuersOnlyOptions<Data>,
): CustomUserData<CustomDataOf<Data>>
export function createCustomUserData<Data extends object = DefaultDocument>(
  // eslint-disable-next-line @typescript-eslint/unified-signatures -- of a union the compiler explains a wrong option badly
  options: CustomUserDataOptions<Data> & { readonly requireDocument: true },
): CustomUserData<DeepReadonly<Data>>
export function createCustomUserData<Data extends object = DefaultDocument>(
  // eslint-disable-next-line @typescript-eslint/unified-signatures -- of a union the compiler explains a wrong option badly
  options: CustomUserDataOptions<Data>,
): CustomUserData<CustomDataOf<Data>>
export function createCustomUserData(
  options: CustomUserDataOptions<object> | TrustedIssuersOnlyOptions<object>,
): CustomUserData<object> {
  const config = parseOptions(options)
  const { clock, clockToleranceMs, realm } = config
  const events = createEvents()
  const observer = createObserver(config.collection.collectionName)
  const database = openTeamDatabase(config.collection, { bson: config.bson })
  const index = createUserIdIndex(config, events)
  const revocationsConfig = toRevocationsConfig(config)
  const sessionsDatabase =
    config.sessionCollection &&
    openTeamDatabase(config.sessionCollection, { optionName: 'sessionCollection' })
  const sessionCollection = createOwnCollection<Document>(
    {
      optionName: 'sessionCollection',
      indexes: SESSION_INDEXES,
      missingIndexCode: 'session_index_missing',
      timeoutMs: config.sessionTimeoutMs,
    },
    () => sessionsDatabase?.collection() ?? database.sibling('custom_user_data_sessions'),
    events,
  )
  const scope = toSessionScope(config)
  const sessionStore = createSessionStore({ ...config, ...scope }, openSessions, events, clock)
  const userRecords = createUserRecords(
    { ...config, ...scope, recordTtlMs: revocationsConfig.userMs },
    openSessions,
    events,
  )
  const documents = createUserDocuments(config, database, index, events)
  const codec =
    config.userDataInToken && createDocumentCodec(config.userDataInToken, config.schema, database.bson)
  const loaderParts = { documents, events, clock, observer, encoder: codec?.encoder }
  const loader = startedBy(createLoader(config, loaderParts), () => readiness.start())
  const tokenSnapshots =
    codec &&
    createTokenSnapshots(toTokenSnapshotsConfig(config), {
      codec,
      documents,
      namespace: database.namespace,
      isUpToDate: () => config.changeStreams === 'off' || changeFeeds.isOpen(),
      mayBeRevoked: (userId, claims) => revocations.mayBeRevoked(userId, claims),
      clock,
    })
  const snapshots = voidingBoth(
    createSnapshots(toSnapshotsConfig(config), loader, clock, observer),
    tokenSnapshots,
  )
  const writer = createWriter(config, { database, documents, invalidate: snapshots.invalidate })
  const hooks = createHookCalls(config, writer, events)

  const ownKeys = config.own && createKeyRing(config.own.keys)
  const trusted = config.trustedIssuers.map(given =>
    createTrustedIssuer(given, clockToleranceMs, events, clock),
  )
  const ours = config.own && ownKeys ? [toIssuer(config.own, ownKeys, clockToleranceMs)] : []
  const issuers = createIssuers([...ours, ...trusted])
  const tokens = createTokenReader(config.tokenPlaces)
  const verifyToken = createTokenVerifier(config.maxTokenLength, issuers, clock)
  const ownIssuer = config.own?.issuer
  const revocations = createRevocations(revocationsConfig, ownIssuer, clock, snapshots.invalidate)
  const changeFeeds = createChangeFeeds({ ...config, maxPoolSize: database.maxPoolSize() }, events, {
    custom_data: report => createCustomDataFeed(config, { database, snapshots, clock, report }),
    sessions: report =>
      createSessionFeed(
        { ...config, accessTokenMs: revocationsConfig.sessionMs },
        { openCollection: openSessions, store: sessionStore, userRecords, revocations, clock, report },
      ),
  })
  const attemptDatabase =
    config.loginAttemptCollection &&
    openTeamDatabase(config.loginAttemptCollection, { optionName: 'loginAttemptCollection' })
  const loginAttempts = createAttemptStore(
    { ...scope, timeoutMs: config.sessionTimeoutMs },
    openLoginAttempts,
    events,
  )
  const countsLogins = config.own !== undefined && config.loginThrottle !== false
  const readiness = createReadiness(
    {
      database,
      index,
      sessions: sessionCollection,
      loginAttempts: countsLogins ? loginAttempts : undefined,
      changeFeeds,
      events,
    },
    config,
  )
  const requireActive = createTokenStatus({
    store: sessionStore,
    userRecords,
    revocations,
    ownIssuer,
    clockToleranceMs,
  })
  const sessionChecks = createSessionChecks(config.sessionCheckIntervalMs, ownIssuer, requireActive, clock)
  const loadCheck = createLoadCheck(
    requireActive,
    ownIssuer,
    (userId, claims) =>
      (config.changeStreams === 'auto' && !changeFeeds.isOpen()) || revocations.mayBeRevoked(userId, claims),
  )
  const authenticator = createAuthenticator(config, {
    verifyToken,
    snapshots,
    revocations,
    sessionChecks,
    loadCheck,
    tokenSnapshots,
    observer,
  })

  const attachments = createAttachments(config, snapshots, observer)
  const requestUsers = createRequestUsers({ authenticator, attachments, ownIssuer, realm })
  const reload = createReload({ authenticator, attachments, requestUsers, snapshots, tokens }, realm)

  const sessions = createSessions(
    { ...config, ...scope },
    {
      store: sessionStore,
      userRecords,
      secrets: toSessionSecrets(config, ownKeys),
      revocations,
      events,
      clock,
    },
  )
  const transport = createTransport(config)
  const parts = { issuers, authenticator, snapshots, sessions, revocations, clock, events, tokenSnapshots }
  const tokenIssuer =
    config.own && ownKeys && createTokenIssuer({ ...config, ...config.own }, { ...parts, keys: ownKeys })
  const throttle = config.loginThrottle
    ? createLoginThrottle({
        config: config.loginThrottle,
        store: loginAttempts,
        timeoutMs: config.sessionTimeoutMs,
        events,
        clock,
      })
    : undefined

  function openLoginAttempts(): Promise<Collection> {
    return attemptDatabase?.collection() ?? database.sibling('custom_user_data_login_attempts')
  }

  async function openSessions<T extends Document>(): Promise<Collection<T>> {
    return (await sessionCollection.open()) as unknown as Collection<T>
  }

  return {
    authenticate: options => createGuard({ authenticator, snapshots, observer }, tokens, realm, options),
    attach: options => createAttachMiddleware({ issuers, attachments, snapshots, observer, realm }, options),
    allow: (rule, options) => createAllow({ requestUsers, reload, realm, observer }, rule, options),
    strategy(...given) {
      refuseArguments('strategy()', given)
      return createStrategy(authenticator, tokens, realm, observer.refused)
    },
    login(verifyCredentials, options) {
      const issuer = needOwn(tokenIssuer, 'login()')
      const flow = createLoginFlow(config, {
        tokenIssuer: issuer,
        sessions,
        userRecords,
        throttle,
        hooks,
        events,
      })
      return createLoginRoute(flow, transport, verifyCredentials, options)
    },
    refresh(...given) {
      refuseArguments('refresh()', given)
      return createRefreshRoute(needOwn(tokenIssuer, 'refresh()'), sessions, transport, hooks)
    },
    logout(...given) {
      refuseArguments('logout()', given)
      return createLogoutRoute(sessions, transport, hooks)
    },
    logoutAll(...given) {
      refuseArguments('logoutAll()', given)
      return createLogoutAllRoute({ sessions, requestUsers, transport, hooks })
    },
    ownSessions(...given) {
      refuseArguments('ownSessions()', given)
      return createOwnSessionsRouter({ sessions, requestUsers, transport, hooks })
    },
    ownData: options => createOwnDataRouter(config, { documents, writer, requestUsers }, options),
    forUser(userId) {
      requireUserId('forUser()', userId, issuers)
      return createUserDocument(userId, {
        ...config,
        writer,
        loader,
        onDeleted: id => hooks.after('afterDelete', { id }, 'customData'),
      })
    },
    errorHandler(...given) {
      refuseArguments('errorHandler()', given)
      return createErrorHandler()
    },
    passwordCredentials: options => createPasswordCredentials(options, config.loadTimeoutMs, events),
    user: requireUser,
    async issueTokens(userId, options) {
      const issuer = needOwn(tokenIssuer, 'issueTokens()')
      const create = hooks.creationFor({ id: userId }, undefined)
      return issuer.issue(userId, parseIssueTokensOptions(options), create)
    },
    async verifyToken(token, ...given) {
      refuseOptions('verifyToken()', given, 'verifyToken(token)')
      return authenticator.loadUser(token).catch(observer.rethrow)
    },
    refreshCustomData: req => reload(req, 0),
    stats: () => ({ ...observer.counted(), ...snapshots.size() }),
    invalidate(userId) {
      requireUserId('invalidate()', userId, issuers)
      snapshots.invalidate(userId)
    },
    async sessions(userId) {
      requireUserId('sessions()', userId, issuers)
      return sessions.list(userId)
    },
    async revoke(target) {
      const sid = toRevokedSid(target)
      if (sid !== undefined) {
        await sessions.revokeSession(sid)
        return
      }
      requireUserId('revoke()', target, issuers)
      await sessions.revokeUser(target)
    },
    async disable(userId) {
      requireUserId('disable()', userId, issuers)
      await sessions.disableUser(userId)
    },
    async enable(userId) {
      requireUserId('enable()', userId, issuers)
      await sessions.enableUser(userId)
    },
    async deleteSessions(userId) {
      requireUserId('deleteSessions()', userId, issuers)
      await sessions.deleteUser(userId)
      hooks.after('afterDelete', { id: userId }, 'sessions')
    },
    forgetFailedLogins: async account =>
      loginAttempts.forgetAccount(toAccountKey(requireAccountName(account))),
    replaceKeys: keys => {
      needOwn(ownKeys, 'replaceKeys()').replace(parseNewKeys(keys))
    },
    jwks(...given) {
      refuseArguments('jwks()', given)
      return createJwksRoute(needOwn(ownKeys, 'jwks()').toJwkSet)
    },
    async ready(...given) {
      refuseOptions('ready()', given)
      return readiness.ready()
    },
    close(...given) {
      refuseOptions('close()', given)
      changeFeeds.close()
      snapshots.close()
      for (const { keys } of trusted) keys.close()
    },
    events: events.emitter,
  }
}

/** What is void is so wherever it may come from: the cache, or a token that nobody has shown yet. */
function voidingBoth(snapshots: Snapshots, tokenSnapshots: TokenSnapshots | undefined): Snapshots {
  if (!tokenSnapshots) return snapshots
  return {
    ...snapshots,
    invalidate(userId) {
      tokenSnapshots.invalidate(userId)
      snapshots.invalidate(userId)
    },
    changed(documentId, userIdValue) {
      tokenSnapshots.changed(documentId, userIdValue)
      snapshots.changed(documentId, userIdValue)
    },
    invalidateAll() {
      tokenSnapshots.invalidateAll()
      snapshots.invalidateAll()
    },
  }
}

/** What only an instance with keys of its own can do. */
function needOwn<T>(part: T | undefined, what: string): T {
  if (part !== undefined) return part
  throw new OptionError(`${what} needs keys of your own: give "secret" or "keys", "issuer" and "audience".`)
}

/** The first load starts what `ready()` does, so that forgetting to call it costs nothing. */
function startedBy(loader: Loader, start: () => void): Loader {
  return {
    load(userId, latest) {
      start()
      return loader.load(userId, latest)
    },
  }
}

function requireUser(req: Request): AuthenticatedUser<object> {
  if (req.user) return req.user
  throw new TypeError('user(req): no req.user on this request; mount authenticate() before the handler.')
}
