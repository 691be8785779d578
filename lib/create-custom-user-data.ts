import type { EventEmitter } from 'node:events'
import type { ErrorRequestHandler, Request, RequestHandler } from 'express'
import type { Collection } from 'mongodb'
import type { Strategy } from 'passport'
import { createKeyRing } from './access-tokens/key-ring.js'
import type { KeyOptions } from './access-tokens/keys.js'
import { createAttachMiddleware } from './authenticate/attach.js'
import type { AttachOptions } from './authenticate/attach.js'
import { createAuthenticator } from './authenticate/authenticator.js'
import { createErrorHandler } from './authenticate/error-handler.js'
import { createAuthenticateMiddleware } from './authenticate/middleware.js'
import type { AuthenticateOptions } from './authenticate/middleware.js'
import { createStrategy } from './authenticate/strategy.js'
import { createTokenVerifier } from './authenticate/token-verifier.js'
import { createPasswordCredentials } from './credentials/password-credentials.js'
import type { PasswordCredentialsOptions } from './credentials/password-credentials.js'
import { createLoader } from './custom-data/loader.js'
import type { Loader } from './custom-data/loader.js'
import { createSnapshots } from './custom-data/snapshots.js'
import { createUserIdIndex } from './custom-data/user-id-index.js'
import { createEvents } from './events.js'
import type { CustomUserDataEvents } from './events.js'
import { openTeamDatabase } from './mongo/team-database.js'
import { parseNewKeys, parseOptions } from './options.js'
import type { Config, CustomUserDataOptions } from './options.js'
import { createReadiness } from './readiness.js'
import type { Readiness } from './readiness.js'
import { createLoginRoute } from './routes/login.js'
import type { LoginOptions, Scalar, VerifyCredentials } from './routes/login.js'
import { createLogoutRoute, createRefreshRoute } from './routes/refresh-and-logout.js'
import { createSessionStore } from './sessions/session-store.js'
import type { SessionDocument, SessionStore } from './sessions/session-store.js'
import { createTokenIssuer } from './token-issuer.js'
import type { AuthenticatedUser, CustomDataOf, DeepReadonly, DefaultDocument, TokenAnswer } from './types.js'

/** One instance: middleware, route factories and functions over one collection of custom data. */
export interface CustomUserData<CustomData> {
  /** The guard of what follows it: sets `req.user`, or hands an error to `next`. */
  authenticate(options?: AuthenticateOptions): RequestHandler
  /** For apps that authenticate already: adds `customData` to the `req.user` that is there. */
  attach(options?: AttachOptions): RequestHandler
  /** For apps that use passport: `passport.use(userData.strategy())`, named `custom-user-data`. */
  strategy(): Strategy
  /** `POST`: credentials for a token pair. */
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
  /** A ready `verifyCredentials` over a users collection with argon2id hashes; see `hashPassword`. */
  passwordCredentials(options: PasswordCredentialsOptions): VerifyCredentials
  /** The `req.user` of a guarded request, with this instance's type. Throws a `TypeError` where no guard ran. */
  user(req: Request): AuthenticatedUser<CustomData>
  /** Starts a session for a user whom the app has authenticated by itself; the id is 1 to 255 characters. */
  issueTokens(userId: string): Promise<TokenAnswer<CustomData>>
  /** The user of an access token, for sockets and jobs. Rejects with a `CustomUserDataError`. */
  verifyToken(token: string): Promise<AuthenticatedUser<CustomData>>
  /** Drops the copies of a user in this process, and has loads that are under way repeated. */
  invalidate(userId: string): void
  /** Takes new keys; what a removed key signed is refused at once, cached or not. */
  replaceKeys(keys: readonly KeyOptions[]): void
  /** Makes the indexes once, then pings. Rejects while the instance cannot serve. */
  ready(): Promise<void>
  /** Empties the cache and refuses new loads. The MongoDB client is the app's to close. */
  close(): void
  /** What happens inside; see {@link CustomUserDataEvents}. */
  readonly events: EventEmitter<CustomUserDataEvents>
}

/**
 * Creates an instance. `collection`, `issuer`, `audience` and `secret` (or `keys`) are the team's to know; every
 * other option has a default. Throws an `OptionError` that says what to write instead.
 *
 * @typeParam Document the documents of the collection, as `req.user.customData` is to be typed
 */
export function createCustomUserData<Document extends object = DefaultDocument>(
  options: CustomUserDataOptions<Document> & { readonly requireDocument: true },
): CustomUserData<DeepReadonly<Document>>
export function createCustomUserData<Document extends object = DefaultDocument>(
  options: CustomUserDataOptions<Document>,
): CustomUserData<CustomDataOf<Document>>
export function createCustomUserData(options: CustomUserDataOptions<object>): CustomUserData<object> {
  const config = parseOptions(options)
  const { clock } = config
  const events = createEvents()
  const database = openTeamDatabase(config.collection)
  const keys = createKeyRing(config.ownKeys)
  const index = createUserIdIndex(config, events)
  const sessions = createSessions(config)
  const readiness = createReadiness({ database, index, sessions, events }, config.loadTimeoutMs)
  const loader = createLoader(config, database, index, events)
  const snapshots = createSnapshots(config, startedBy(loader, readiness), clock)
  const verify = createTokenVerifier(config, keys, clock)
  const authenticator = createAuthenticator(config, verify, snapshots)
  const issuer = createTokenIssuer(config, { keys, authenticator, snapshots, sessions, clock })

  function createSessions(from: Config): SessionStore {
    const given = from.sessionCollection && openTeamDatabase(from.sessionCollection)
    const open = (): Promise<Collection<SessionDocument>> =>
      given?.collection() ?? database.sibling('sessions')
    return createSessionStore(from, open, events, clock)
  }

  return {
    authenticate: options => createAuthenticateMiddleware(authenticator, config.realm, options),
    attach: options => createAttachMiddleware(config, snapshots, options),
    strategy: () => createStrategy(authenticator, config.realm),
    login: (verifyCredentials, options) => createLoginRoute(config, issuer.issue, verifyCredentials, options),
    refresh: () => createRefreshRoute(issuer.refresh),
    logout: () => createLogoutRoute(sessions),
    errorHandler: createErrorHandler,
    passwordCredentials: options => createPasswordCredentials(options, config.loadTimeoutMs, events),
    user: requireUser,
    issueTokens: issuer.issue,
    verifyToken: authenticator.authenticate,
    invalidate: snapshots.invalidate,
    replaceKeys(next) {
      keys.replace(parseNewKeys(next))
    },
    ready: readiness.ready,
    close: snapshots.close,
    events: events.emitter,
  }
}

/** The first load starts what `ready()` does, so that forgetting to call it costs nothing. */
function startedBy(loader: Loader, readiness: Readiness): Loader {
  return {
    load(userId) {
      readiness.start()
      return loader.load(userId)
    },
  }
}

function requireUser(req: Request): AuthenticatedUser<object> {
  if (req.user) return req.user
  throw new TypeError('user(req): no req.user on this request; mount authenticate() before the handler.')
}
