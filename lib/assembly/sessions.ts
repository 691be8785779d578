import type { Collection, Document } from 'mongodb'
import type { SessionEndedEvent } from '../audit-events.js'
import { createOwnCollection } from '../mongo/own-collection.js'
import { openTeamDatabase } from '../mongo/team-database.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import type { Config } from '../options/parse-options.js'
import { MAX_REFRESH_TOKEN_TTL_SECONDS } from '../options/sessions.js'
import { createRevocations } from '../sessions/revocations.js'
import { toSessionScope } from '../sessions/session-scope.js'
import { MAX_REUSE_TOLERANCE_SECONDS } from '../sessions/session-document.js'
import { createSessionSecrets } from '../sessions/session-secrets.js'
import { SESSION_COLLECTION, SESSION_INDEXES } from '../sessions/session-collection.js'
import { SessionStore } from '../sessions/session-store.js'
import { createStoredSessions } from '../sessions/stored-sessions.js'
import { Sessions } from '../sessions/sessions.js'
import { UserSessions } from '../sessions/user-sessions.js'
import { createUserRecords } from '../sessions/user-records.js'
import type { AccessTokens } from './access-tokens.js'
import type { Core } from './core.js'

/** Sessions, the records of users, and revocations. */
export type SessionParts = ReturnType<typeof createSessionParts>

/** Trusted issuers decide how long their access tokens live. A longer life than this is not expected. */
export const FOREIGN_TOKEN_MS = 60 * 24 * 3_600_000

/** The longest life of our own access tokens, whatever the options of the instances are, with an hour for clocks. */
export const OWN_TOKEN_MS = 25 * 3_600_000

/**
 * How long a record of a user is kept. It must outlive every session from before it, whose document may not have been ended:
 * also those of an instance with other options, or of this one before its options were changed. The day is for clocks.
 */
const RECORD_TTL_MS = MAX_REFRESH_TOKEN_TTL_SECONDS * 1000 + 24 * 3_600_000

/** Creates sessions over the collection of sessions. */
export function createSessionParts(core: Core, { ownKeys }: AccessTokens) {
  const { config, database, events, clock, invalidations, backgroundWork } = core
  const scope = toSessionScope(config.own)
  const lifetimes = toLifetimes(config)
  const given = openSessionDatabase(core)
  const collection = createSessionCollection(core, given)
  const use = createSessionUse(core)
  const open = async <T extends Document>(purpose: 'read' | 'write'): Promise<Collection<T>> => {
    if (purpose === 'write') use.written()
    return (await collection.open()) as unknown as Collection<T>
  }
  const store = new SessionStore({ ...config, ...scope }, open, events, clock)
  const recordsConfig = { ...config, ...scope, recordTtlMs: RECORD_TTL_MS }
  const userRecords = createUserRecords(recordsConfig, open, events)
  const tellEnd = (ended: SessionEndedEvent) => {
    events.emit('session_ended', ended)
  }
  const issuer = config.own?.issuer
  const revocations = createRevocations(lifetimes, issuer, clock, invalidations.invalidate, tellEnd)
  const secrets = createSessionSecrets(config.sessionSecrets, ownKeys?.secretKeys)
  const parts = { store, userRecords, revocations, events, clock, backgroundWork }
  const sessions = new Sessions({ ...config, ...scope }, { ...parts, secrets })
  const userSessions = new UserSessions(lifetimes.sessionMs, parts)
  const listStored = createStoredSessions({ ...config, ...scope }, open, events)
  return {
    scope,
    lifetimes,
    listStored,
    /** The database that has the collection of sessions. */
    database: given ?? database,
    collection,
    use,
    store,
    userRecords,
    revocations,
    secrets,
    sessions,
    userSessions,
  }
}

/**
 * Notes whether this instance uses sessions. With keys or trusted issuers it does from the start. An instance that only has
 * `attach()` creates no collection of sessions before a route or a function needs it.
 */
function createSessionUse({ config, rights }: Core) {
  let isInUse = false
  let whenWritten: () => void = () => undefined
  function begin(): void {
    if (!isInUse) rights.add('the check for revoked sessions')
    isInUse = true
  }
  const isFromStart = config.own !== undefined || config.trustedIssuers !== undefined
  if (isFromStart) begin()
  return {
    begin,
    isInUse: () => isInUse,
    /** Calls `listener` before each write of an instance that did not use sessions from the start. */
    onWrite(listener: () => void): void {
      if (!isFromStart) whenWritten = listener
    },
    written(): void {
      begin()
      whenWritten()
    },
  }
}

const OPTION_NAME = 'sessionCollection'

/** The database of the option's collection; `undefined` without the option. */
function openSessionDatabase({ config }: Core): TeamDatabase | undefined {
  return config.sessionCollection && openTeamDatabase(config.sessionCollection, { optionName: OPTION_NAME })
}

/** The collection of sessions: the option's, or one in the database of custom data. */
function createSessionCollection({ config, database, events }: Core, given: TeamDatabase | undefined) {
  return createOwnCollection<Document>(
    {
      optionName: OPTION_NAME,
      indexes: SESSION_INDEXES,
      missingIndexCode: 'session_index_missing',
      timeoutMs: config.sessionTimeoutMs,
    },
    () => given?.collection() ?? database.sibling(SESSION_COLLECTION),
    events,
  )
}

/** How long this process remembers revocations: until every access token from before a revocation has expired. */
function toLifetimes({ accessTokenTtlSeconds, refreshTokenTtlSeconds, clockToleranceMs }: Config) {
  return {
    // An answer to an exchanged token may come this long after the last noted use of the session.
    sessionMs: (accessTokenTtlSeconds + MAX_REUSE_TOLERANCE_SECONDS) * 1000 + clockToleranceMs,
    userMs: Math.max(refreshTokenTtlSeconds * 1000, FOREIGN_TOKEN_MS),
    clockToleranceMs,
  }
}
