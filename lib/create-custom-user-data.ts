import type { Request } from 'express'
import type { Collection } from 'mongodb'
import { createIssuers } from './access-tokens/issuers.js'
import type { Issuer } from './access-tokens/issuers.js'
import { createKeyRing } from './access-tokens/key-ring.js'
import type { KeyRing } from './access-tokens/key-ring.js'
import { createTrustedIssuer } from './access-tokens/trusted-issuers.js'
import { createAttachMiddleware } from './authenticate/attach.js'
import { createAuthenticator } from './authenticate/authenticator.js'
import { createErrorHandler } from './authenticate/error-handler.js'
import { createAuthenticateMiddleware } from './authenticate/middleware.js'
import { createStrategy } from './authenticate/strategy.js'
import { createTokenReader } from './authenticate/token-places.js'
import { createTokenVerifier } from './authenticate/token-verifier.js'
import { createPasswordCredentials } from './credentials/password-credentials.js'
import { createLoader } from './custom-data/loader.js'
import type { Loader } from './custom-data/loader.js'
import { createSnapshots } from './custom-data/snapshots.js'
import { createUserIdIndex } from './custom-data/user-id-index.js'
import type { CustomUserData } from './custom-user-data.js'
import { OptionError } from './errors.js'
import { createEvents } from './events.js'
import { openTeamDatabase } from './mongo/team-database.js'
import type { CustomUserDataOptions, TrustedIssuersOnlyOptions } from './options.js'
import { parseNewKeys, parseOptions } from './parse-options.js'
import type { OwnIssuer } from './parse-options.js'
import { createReadiness } from './readiness.js'
import type { Readiness } from './readiness.js'
import { createJwksRoute } from './routes/jwks.js'
import { createLoginRoute } from './routes/login.js'
import { createLogoutRoute, createRefreshRoute } from './routes/refresh-and-logout.js'
import { createSessionStore } from './sessions/session-store.js'
import type { SessionDocument } from './sessions/session-store.js'
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
  const database = openTeamDatabase(config.collection)
  const index = createUserIdIndex(config, events)
  const sessions = createSessionStore(config, openSessions, events, clock)
  const readiness = createReadiness({ database, index, sessions, events }, config.loadTimeoutMs)
  const loader = startedBy(createLoader(config, database, index, events), readiness)
  const snapshots = createSnapshots(config, loader, clock)

  const ownKeys = config.own && createKeyRing(config.own.keys)
  const trusted = config.trustedIssuers.map(given =>
    createTrustedIssuer(given, clockToleranceMs, events, clock),
  )
  const ours = config.own && ownKeys ? [toIssuer(config.own, ownKeys, clockToleranceMs)] : []
  const issuers = createIssuers([...ours, ...trusted])
  const readToken = createTokenReader(config.tokenPlaces)
  const verifyToken = createTokenVerifier(config.maxTokenLength, issuers, clock)
  const authenticator = createAuthenticator(config, verifyToken, snapshots)
  const parts = { issuers, authenticator, snapshots, sessions, clock }
  const tokenIssuer =
    config.own && ownKeys && createTokenIssuer({ ...config, ...config.own }, { ...parts, keys: ownKeys })

  function openSessions(): Promise<Collection<SessionDocument>> {
    const { sessionCollection } = config
    return sessionCollection ? openTeamDatabase(sessionCollection).collection() : database.sibling('sessions')
  }

  return {
    authenticate: options => createAuthenticateMiddleware(authenticator, readToken, realm, options),
    attach: options => createAttachMiddleware(config, snapshots, options),
    strategy: () => createStrategy(authenticator, readToken, realm),
    login: (verifyCredentials, options) =>
      createLoginRoute(config, needOwn(tokenIssuer, 'login()').issue, verifyCredentials, options),
    refresh: () => createRefreshRoute(needOwn(tokenIssuer, 'refresh()').refresh),
    logout: () => createLogoutRoute(sessions),
    errorHandler: createErrorHandler,
    passwordCredentials: options => createPasswordCredentials(options, config.loadTimeoutMs, events),
    user: requireUser,
    issueTokens: userId => needOwn(tokenIssuer, 'issueTokens()').issue(userId),
    verifyToken: authenticator.authenticate,
    invalidate: snapshots.invalidate,
    replaceKeys: keys => {
      needOwn(ownKeys, 'replaceKeys()').replace(parseNewKeys(keys))
    },
    jwks: () => createJwksRoute(needOwn(ownKeys, 'jwks()').toJwkSet),
    ready: readiness.ready,
    close() {
      snapshots.close()
      for (const { keys } of trusted) keys.close()
    },
    events: events.emitter,
  }
}

/** Ourselves, as one of the issuers whose tokens are accepted: our tokens have all of RFC 9068 2.2's claims. */
function toIssuer({ issuer, audience }: OwnIssuer, keys: KeyRing, clockToleranceMs: number): Issuer {
  return {
    expectations: {
      issuer,
      audience,
      clockToleranceMs,
      profile: 'rfc9068',
      requiredClaims: ['client_id', 'iat', 'jti'],
    },
    keys,
    userIdPrefix: '',
    userIdClaim: 'sub',
  }
}

/** What only an instance with keys of its own can do. */
function needOwn<T>(part: T | undefined, what: string): T {
  if (part !== undefined) return part
  throw new OptionError(`${what} needs keys of your own: give "secret" or "keys", "issuer" and "audience".`)
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
