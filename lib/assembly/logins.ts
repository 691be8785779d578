import { createLoginClientChecks } from '../checks/login-clients.js'
import { createExactDecoder } from '../documents/find-document.js'
import { AddressLimit } from '../login/address-limit.js'
import { createSessionFinder } from '../login/access-token-session.js'
import { countAttempt } from '../login/count-attempt.js'
import type { AttemptToCount } from '../login/count-attempt.js'
import { createEndSessions } from '../login/end-sessions.js'
import { createHookCalls } from '../login/hooks.js'
import { LoginFlow } from '../login/login-flow.js'
import { createLoginThrottle } from '../login/login-throttle.js'
import { MadeUpTokens } from '../login/made-up-tokens.js'
import { RefreshFlow } from '../login/refresh-flow.js'
import { createEndReplacedSessions } from '../login/replaced-sessions.js'
import { TokenIssuer } from '../login/token-issuer.js'
import type { AnswerFormat } from '../login/token-issuer.js'
import { createTokenSigner } from '../login/token-signer.js'
import { requireTeamBson } from '../mongo/team-bson.js'
import { toExtendedJson } from '../token-data/extended-json.js'
import type { ExtendedJsonFormat } from '../token-data/extended-json.js'
import { Writer } from '../writing/writer.js'
import { needOwn } from './access-tokens.js'
import type { AccessTokens } from './access-tokens.js'
import type { Core } from './core.js'
import type { Documents } from './documents.js'
import type { GuardParts } from './guards.js'
import type { LoginAttempts } from './login-attempts.js'
import type { SessionParts } from './sessions.js'
import type { SnapshotParts } from './snapshots.js'

/** The parts that logins, refreshes and writes need. */
export type Logins = ReturnType<typeof createLogins>

/** Creates the parts that log users in, and the writer, because a hook may create the document of a new user. */
export function createLogins(
  core: Core,
  { issuers, ownKeys, verifyToken }: AccessTokens,
  { documents, startSetUp }: Documents,
  { snapshots, claimSnapshots }: SnapshotParts,
  { sessions, userSessions, revocations, userRecords }: SessionParts,
  { authenticator }: GuardParts,
  loginAttempts: LoginAttempts,
) {
  const { config, clock, events, database, invalidations, backgroundWork, requestChecks } = core
  const writer = new Writer(config, { database, documents, invalidate: invalidations.invalidate })
  const hooks = createHookCalls(config, writer, events)
  // Shared by the issuers of all answer formats, so that each of its warnings comes once.
  const sign =
    config.own &&
    ownKeys &&
    createTokenSigner({ ...config, ...config.own }, { keys: ownKeys, clock, events, claimSnapshots })
  const parts = { issuers, authenticator, snapshots, sessions, revocations, backgroundWork }
  const createIssuer = (answerFormat?: AnswerFormat) =>
    sign && new TokenIssuer(config, { ...parts, sign, answerFormat })
  const tokenIssuer = createIssuer()

  /** The token issuer of a route that answers in a format. `feature` is the option in the error message. */
  function tokenIssuerFor(format: ExtendedJsonFormat | false, feature: string): TokenIssuer | undefined {
    if (format === false) return tokenIssuer
    const bson = requireTeamBson(database.bson, feature)
    return createIssuer({
      decodeExactly: createExactDecoder(bson),
      toJson: data => toExtendedJson(bson, data, format),
    })
  }

  const { loginThrottle, sessionTimeoutMs: timeoutMs } = config
  const throttle = loginThrottle
    ? createLoginThrottle({
        config: loginThrottle,
        ...loginAttempts,
        timeoutMs,
        events,
        clock,
        backgroundWork,
        startSetUp,
      })
    : undefined
  const { nameAccounts } = loginAttempts
  const findSessions = createSessionFinder(verifyToken, config.own?.issuer)
  const endReplaced = createEndReplacedSessions({ sessions, findSessions, events })
  const flowParts = {
    throttle,
    loginClientChecks: createLoginClientChecks(core.warnings),
    requestChecks,
    nameAccounts,
    sessions,
    endReplaced,
    userRecords,
    hooks,
    events,
  }
  // Shared by all routes and functions, so that each address has one limit.
  const madeUpTokens = new MadeUpTokens({ sessions, limit: createAddressLimit(core), events, requestChecks })

  /** The token issuer of a route or function. Throws an `OptionError` without keys of our own. */
  function needIssuer(callee: string, format = config.extendedJson): TokenIssuer {
    return needOwn(tokenIssuerFor(format, `${callee}: option "extendedJson"`), callee)
  }

  return {
    writer,
    hooks,
    tokenIssuer,
    tokenIssuerFor,
    sessions,
    userSessions,
    userRecords,
    endReplaced,
    countAttempt: (attempt: AttemptToCount) => countAttempt(attempt, throttle, nameAccounts),
    endSessions: createEndSessions({ sessions, findSessions, madeUpTokens, hooks }),
    /** The login flow of a route or function. Without a format it answers as the instance says. */
    loginFlowFor: (callee: string, format?: ExtendedJsonFormat | false): LoginFlow =>
      new LoginFlow(config, { ...flowParts, tokenIssuer: needIssuer(callee, format) }),
    /** The refresh flow of a route or function. Without a format it answers as the instance says. */
    refreshFlowFor: (callee: string, format?: ExtendedJsonFormat | false): RefreshFlow =>
      new RefreshFlow({ ...flowParts, madeUpTokens, tokenIssuer: needIssuer(callee, format) }),
  }
}

/** The limit of refresh tokens that nobody issued; `undefined` if the team limits requests by other means. */
function createAddressLimit({ config, clock }: Core): AddressLimit | undefined {
  const { loginThrottle } = config
  if (!loginThrottle) return undefined
  const { addressFailures: failures, windowSeconds } = loginThrottle
  return new AddressLimit({ failures, windowMs: windowSeconds * 1000 }, clock)
}
