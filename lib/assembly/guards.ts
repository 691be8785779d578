import { createAccessCookie } from '../authenticate/access-cookie.js'
import { createAllow } from '../authenticate/allow.js'
import { createAttachMiddleware } from '../authenticate/attach.js'
import { createAttachments } from '../authenticate/attachments.js'
import { createAuthenticator } from '../authenticate/authenticator.js'
import { createCacheHeaders, headersWithTokens } from '../authenticate/cache-headers.js'
import { withChallenge } from '../authenticate/challenge.js'
import { createErrorHandler } from '../authenticate/error-handler.js'
import { createAuthenticateMiddleware } from '../authenticate/middleware.js'
import { toGuard } from '../authenticate/guard.js'
import { createFailureReports } from '../authenticate/failure-reports.js'
import { createReportFailure } from '../authenticate/report-failure.js'
import { createReload } from '../authenticate/reload.js'
import { createSnapshotAge } from '../authenticate/snapshot-age.js'
import { createRequestUsers } from '../authenticate/request-users.js'
import { createStrategy } from '../authenticate/strategy.js'
import { createOriginCheck } from '../authenticate/request-origin.js'
import { createMissingToken, createTokenReader } from '../authenticate/token-places.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { CustomUserData } from '../instance.js'
import { refuseArguments } from '../options/arguments.js'
import { parseVerifyTokenOptions } from '../options/guards.js'
import { createSessionChecks } from '../sessions/session-checks.js'
import { createLoadCheck, createTokenStatus } from '../sessions/token-status.js'
import type { AuthenticatedUser } from '../types.js'
import type { AccessTokens } from './access-tokens.js'
import type { Checks } from './checks.js'
import type { Core } from './core.js'
import type { SessionParts } from './sessions.js'
import type { SnapshotParts } from './snapshots.js'
import { requestUser } from '../authenticate/request-user.js'
import { isObject } from '../util/plain-object.js'

/** The parts that turn requests and access tokens into users. */
export type GuardParts = ReturnType<typeof createGuardParts>

/** Creates the parts that turn requests and access tokens into users. */
export function createGuardParts(
  core: Core,
  { issuers, requireIssuers, verifyToken }: AccessTokens,
  { snapshots, claimSnapshots }: SnapshotParts,
  sessions: SessionParts,
  checks: Checks,
) {
  const { config, clock, events, metrics, handlers, requestChecks } = core
  const { realm } = config
  const authenticator = createAuthenticator(config, {
    verifyToken,
    issuers,
    snapshots,
    revocations: sessions.revocations,
    ...createTokenChecks(core, sessions, checks),
    claimSnapshots,
    metrics,
  })
  const attachments = createAttachments(config, snapshots, metrics)
  const requireKnownOrigin = createOriginCheck(config.allowedOrigins)
  const tokens = createTokenReader(config.tokenPlaces, requireKnownOrigin)
  const accessCookie = createAccessCookie(config.tokenPlaces, config.accessCookie, clock)
  const { cacheControl, tokenPlaces } = config
  const setCacheHeaders = createCacheHeaders(cacheControl, headersWithTokens(tokenPlaces))
  // The middleware before attach() may read the user from a token or from the cookie of a session.
  const setCacheHeadersOfAttached = createCacheHeaders(cacheControl, ['Authorization', 'Cookie'])
  const missingToken = createMissingToken(config.tokenPlaces)
  const requestUsers = createRequestUsers({
    authenticator,
    attachments,
    tokens,
    missingToken,
    ownIssuer: config.own?.issuer,
    realm,
    requestChecks,
  })
  const reload = createReload({ authenticator, attachments, requestUsers, tokens, realm })
  const snapshotAgeMs = createSnapshotAge({ authenticator, attachments, snapshots, requestUsers, tokens })
  const failures = createFailureReports(events, metrics, config.tokenPlaces)
  return {
    authenticator,
    attachments,
    requestUsers,
    tokens,
    setCacheHeaders,
    setCacheHeadersOfAttached,
    requireKnownOrigin,
    accessCookie,
    reload,
    snapshotAgeMs,
    issuers,
    requireIssuers,
    metrics,
    realm,
    failures,
    handlers,
    requestChecks,
    missingToken,
  }
}

/** Creates the checks whether an access token was revoked: at an interval, and at the same time as a load. */
function createTokenChecks(
  { config, clock }: Core,
  { store, userRecords, revocations }: SessionParts,
  { changeFeeds }: Checks,
) {
  const { clockToleranceMs, changeStreams, sessionCheckIntervalMs } = config
  const ownIssuer = config.own?.issuer
  const requireActive = createTokenStatus({ store, userRecords, revocations, ownIssuer, clockToleranceMs })
  return {
    sessionChecks: createSessionChecks(sessionCheckIntervalMs, ownIssuer, requireActive, clock),
    loadCheck: createLoadCheck(
      requireActive,
      ownIssuer,
      (userId, claims) =>
        (changeStreams === 'auto' && !changeFeeds.isOpen()) || revocations.mayBeRevoked(userId, claims),
    ),
  }
}

/** The guards, and the methods that give the user of a request or a token. */
type Guards = Pick<
  CustomUserData<object>,
  | 'authenticate'
  | 'attach'
  | 'allow'
  | 'strategy'
  | 'errorHandler'
  | 'reportFailure'
  | 'user'
  | 'userIfAny'
  | 'verifyToken'
  | 'refreshCustomData'
  | 'snapshotAgeMs'
>

/** Creates the guards of an instance. */
export function createGuards(parts: GuardParts): Guards {
  const { authenticator, reload, snapshotAgeMs, metrics, failures, realm, requireIssuers, handlers } = parts
  return {
    authenticate(options) {
      requireIssuers('authenticate()')
      return toGuard(createAuthenticateMiddleware(parts, options))
    },
    attach: options => toGuard(createAttachMiddleware(parts, options)),
    allow: (rule, options) => handlers.add('user', toGuard(createAllow(parts, rule, options))),
    strategy(...given) {
      refuseArguments('strategy()', given)
      requireIssuers('strategy()')
      handlers.noteOtherAuthentication()
      return createStrategy(parts)
    },
    reportFailure: createReportFailure(failures),
    errorHandler: options => handlers.add('error handler', createErrorHandler(failures, options)),
    user: requireUser,
    userIfAny: req => (requestUser(req) ?? undefined) as AuthenticatedUser<object> | undefined,
    async verifyToken(token, options) {
      const { maxAgeMs } = parseVerifyTokenOptions(options)
      requireIssuers('verifyToken()')
      handlers.noteOtherAuthentication()
      try {
        if (token === undefined || token === null || token === '')
          throw new CustomUserDataError('missing_token')
        return await authenticator.loadUser(token, maxAgeMs)
      } catch (error) {
        const ours = asCustomUserDataError(error)
        if (!ours) throw error
        metrics.refused(ours)
        failures.countThrown('verifyToken()', ours)
        throw withChallenge(ours, realm)
      }
    },
    refreshCustomData: req => reload(req, 0),
    snapshotAgeMs,
  }
}

function requireUser(req: object): AuthenticatedUser<object> {
  const user = requestUser(req)
  if (isObject(user)) return user as AuthenticatedUser<object>
  throw new TypeError('user(req): no req.user on this request; mount authenticate() before the handler.')
}
