import type { Request } from 'express'
import type { Collection, Db, Document } from 'mongodb'
import { createIssuers } from './access-tokens/issuers.js'
import { createKeyRing } from './access-tokens/key-ring.js'
import { createTrustedIssuer } from './access-tokens/trusted-issuers.js'
import { createAllow } from './authenticate/allow.js'
import { createAttachMiddleware } from './authenticate/attach.js'
import { createAttachments } from './authenticate/attachments.js'
import { createAuthenticator } from './authenticate/authenticator.js'
import { createErrorHandler } from './authenticate/error-handler.js'
import { createGuard } from './authenticate/middleware.js'
import { createReload } from './authenticate/reload.js'
import { createStrategy } from './authenticate/strategy.js'
import { createTokenReader } from './authenticate/token-places.js'
import { createTokenVerifier } from './authenticate/token-verifier.js'
import { createPasswordCredentials } from './credentials/password-credentials.js'
import { createChangeFeeds } from './change-feeds.js'
import { createDocumentCodec } from './custom-data/document-codec.js'
import { createUserDocument } from './custom-data/for-user.js'
import { createLoader } from './custom-data/loader.js'
import type { Loader } from './custom-data/loader.js'
import { createSnapshots } from './custom-data/snapshots.js'
import type { Snapshots } from './custom-data/snapshots.js'
import { createTokenSnapshots } from './custom-data/token-snapshots.js'
import type { TokenSnapshots } from './custom-data/token-snapshots.js'
import { createUserDocuments } from './custom-data/user-documents.js'
import { createUserIdIndex } from './custom-data/user-id-index.js'
import { createWriter } from './custom-data/writer.js'
import type { CustomUserData } from './custom-user-data.js'
import { OptionError } from './errors.js'
import { createEvents } from './events.js'
import { openTeamDatabase } from './mongo/team-database.js'
import type { CustomUserDataOptions, TrustedIssuersOnlyOptions } from './options.js'
import { parseNewKeys, parseOptions } from './parse-options.js'
import {
  createTransport,
  toIssuer,
  toRevocationTtls,
  toSessionSecrets,
  toSnapshotsConfig,
  toTokenSnapshotsConfig,
} from './part-configs.js'
import { createObserver } from './observer.js'
import { createReadiness } from './readiness.js'
import { createHookCalls } from './routes/hooks.js'
import { createJwksRoute } from './routes/jwks.js'
import { createLoginFlow } from './routes/login-flow.js'
import { createLoginRoute } from './routes/login.js'
import { createOwnDataRouter } from './routes/own-data.js'
import { createLogoutAllRoute, createOwnSessionsRouter } from './routes/own-sessions.js'
import { createLogoutRoute, createRefreshRoute } from './routes/refresh-and-logout.js'
import { createDisabledUsers } from './sessions/disabled-users.js'
import { createRevocations } from './sessions/revocations.js'
import { createSessionChecks } from './sessions/session-checks.js'
import { createSessionStore } from './sessions/session-store.js'
import { createSessions } from './sessions/sessions.js'
import { createLoginThrottle } from './throttle/login-throttle.js'
import { createTokenIssuer } from './token-issuer.js'
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
  const database = openTeamDatabase(config.collection)
  const index = createUserIdIndex(config, events)
  const sessionStore = createSessionStore(config, openSessions, events, clock)
  const documents = createUserDocuments(config, database, index)
  const codec = config.userDataInToken && createDocumentCodec(config.userDataInToken, config, database)
  const loaderParts = { documents, events, clock, observer, encoder: codec?.encoder }
  const loader = startedBy(createLoader(config, loaderParts), () => readiness.start())
  const tokenSnapshots =
    codec &&
    createTokenSnapshots(toTokenSnapshotsConfig(config), {
      codec,
      documents,
      namespace: database.namespace,
      isUpToDate: () => config.changeStreams === 'off' || changeFeeds.isOpen(),
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
  const revocationTtls = toRevocationTtls(config)
  const revocations = createRevocations(revocationTtls, config.own?.issuer, clock)
  const changeFeeds = createChangeFeeds(
    { ...config, accessTokenMs: revocationTtls.sessionMs },
    { database, openSessions, sessionStore, snapshots, revocations, events, clock },
  )
  const readiness = createReadiness(
    { database, index, sessions: sessionStore, changeFeeds, events },
    config.loadTimeoutMs,
  )
  const sessionChecks = createSessionChecks(
    config.sessionCheckIntervalMs,
    config.own?.issuer,
    sessionStore,
    revocations,
    clock,
  )
  const authenticator = createAuthenticator(config, {
    verifyToken,
    snapshots,
    revocations,
    sessionChecks,
    tokenSnapshots,
    observer,
  })

  const attachments = createAttachments(config, snapshots, observer)
  const reload = createReload({ authenticator, attachments, snapshots, tokens }, realm)

  const disabledUsers = createDisabledUsers(config.sessionTimeoutMs, openSessions, clock)
  const sessions = createSessions(config, {
    store: sessionStore,
    disabledUsers,
    secrets: toSessionSecrets(config, ownKeys),
    revocations,
    events,
    clock,
  })
  const transport = createTransport(config)
  const parts = { issuers, authenticator, snapshots, sessions, revocations, clock, events, tokenSnapshots }
  const tokenIssuer =
    config.own && ownKeys && createTokenIssuer({ ...config, ...config.own }, { ...parts, keys: ownKeys })
  const throttle = config.loginThrottle
    ? createLoginThrottle(config.loginThrottle, openDatabase, config.sessionTimeoutMs, events)
    : undefined

  async function openDatabase(): Promise<Db> {
    return (await database.open()).db
  }

  function openSessions<T extends Document>(): Promise<Collection<T>> {
    const { sessionCollection } = config
    return sessionCollection ? openTeamDatabase(sessionCollection).collection() : database.sibling('sessions')
  }

  return {
    authenticate: options => createGuard({ authenticator, snapshots, observer }, tokens, realm, options),
    attach: options => createAttachMiddleware(config, { attachments, snapshots, observer }, options),
    allow: (rule, options) => createAllow({ attachments, reload, realm, observer }, rule, options),
    strategy: () => createStrategy(authenticator, tokens, realm, observer.refused),
    login(verifyCredentials, options) {
      const issuer = needOwn(tokenIssuer, 'login()')
      const flow = createLoginFlow(config, {
        tokenIssuer: issuer,
        sessions,
        disabledUsers,
        throttle,
        hooks,
        events,
      })
      return createLoginRoute(flow, transport, verifyCredentials, options)
    },
    refresh: () => createRefreshRoute(needOwn(tokenIssuer, 'refresh()'), transport, hooks),
    logout: () => createLogoutRoute(sessions, transport, hooks),
    logoutAll: () => createLogoutAllRoute({ sessions, transport, hooks }, realm),
    ownSessions: () => createOwnSessionsRouter({ sessions, transport, hooks }, realm),
    ownData: options => createOwnDataRouter(config, { documents, writer }, options),
    forUser: userId =>
      createUserDocument(userId, {
        ...config,
        writer,
        loader,
        onDeleted: id => hooks.after('afterDelete', { id }, 'customData'),
      }),
    errorHandler: createErrorHandler,
    passwordCredentials: options => createPasswordCredentials(options, config.loadTimeoutMs, events),
    user: requireUser,
    issueTokens: (userId, origin) =>
      needOwn(tokenIssuer, 'issueTokens()').issue(
        userId,
        origin,
        hooks.creationFor({ id: userId }, undefined),
      ),
    verifyToken: token => authenticator.authenticate(token).catch(observer.rethrow),
    refreshCustomData: req => reload(req, 0),
    stats: () => ({ ...observer.counted(), ...snapshots.size() }),
    invalidate: snapshots.invalidate,
    sessions: sessions.list,
    async revoke(target) {
      if (typeof target === 'string') await sessions.revokeUser(target)
      else await sessions.revokeSession(target.sid)
    },
    async disable(userId) {
      await disabledUsers.add(userId)
      await sessions.revokeUser(userId)
    },
    enable: disabledUsers.remove,
    async deleteSessions(userId) {
      await sessions.deleteUser(userId)
      hooks.after('afterDelete', { id: userId }, 'sessions')
    },
    replaceKeys: keys => {
      needOwn(ownKeys, 'replaceKeys()').replace(parseNewKeys(keys))
    },
    jwks: () => createJwksRoute(needOwn(ownKeys, 'jwks()').toJwkSet),
    ready: readiness.ready,
    close() {
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
