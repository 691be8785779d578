import type { Collection, Document } from 'mongodb'
import { createOwnCollection } from '../mongo/own-collection.js'
import { openTeamDatabase } from '../mongo/team-database.js'
import type { Config } from '../options/parse-options.js'
import { createRevocations } from '../sessions/revocations.js'
import { toSessionScope } from '../sessions/session-scope.js'
import { createSessionSecrets } from '../sessions/session-secrets.js'
import { SESSION_INDEXES } from '../sessions/session-collection.js'
import { createSessionStore } from '../sessions/session-store.js'
import { createSessions } from '../sessions/sessions.js'
import { createUserRecords } from '../sessions/user-records.js'
import type { AccessTokens } from './access-tokens.js'
import type { Core } from './core.js'

/** Sessions, the records of users, and revocations. */
export type SessionParts = ReturnType<typeof createSessionParts>

/** Trusted issuers decide how long their access tokens live. A longer life than this is not expected. */
const FOREIGN_TOKEN_MS = 60 * 24 * 3_600_000

/** Creates sessions over the collection of sessions. */
export function createSessionParts(core: Core, { ownKeys }: AccessTokens) {
  const { config, events, clock, invalidations, backgroundWork } = core
  const scope = toSessionScope(config.own)
  const lifetimes = toLifetimes(config)
  const collection = createSessionCollection(core)
  const open = async <T extends Document>(): Promise<Collection<T>> =>
    (await collection.open()) as unknown as Collection<T>
  const store = createSessionStore({ ...config, ...scope }, open, events, clock)
  const recordsConfig = { ...config, ...scope, recordTtlMs: lifetimes.userMs }
  const userRecords = createUserRecords(recordsConfig, open, events)
  const revocations = createRevocations(lifetimes, config.own?.issuer, clock, invalidations.invalidate)
  const secrets = createSessionSecrets(config.sessionSecrets, ownKeys?.signer().signingKey)
  const sessions = createSessions(
    { ...config, ...scope, accessTokenMs: lifetimes.sessionMs },
    { store, userRecords, secrets, revocations, events, clock, backgroundWork },
  )
  return { scope, lifetimes, collection, open, store, userRecords, revocations, sessions }
}

/** The collection of sessions: the option's, or one in the database of custom data. */
function createSessionCollection({ config, database, events }: Core) {
  const optionName = 'sessionCollection'
  const given = config.sessionCollection && openTeamDatabase(config.sessionCollection, { optionName })
  return createOwnCollection<Document>(
    {
      optionName,
      indexes: SESSION_INDEXES,
      missingIndexCode: 'session_index_missing',
      timeoutMs: config.sessionTimeoutMs,
    },
    () => given?.collection() ?? database.sibling('custom_user_data_sessions'),
    events,
  )
}

/** How long revocations are remembered: until every token from before a revocation has expired. */
function toLifetimes({ accessTokenTtlSeconds, refreshTokenTtlSeconds, clockToleranceMs }: Config) {
  return {
    sessionMs: accessTokenTtlSeconds * 1000 + clockToleranceMs,
    userMs: Math.max(refreshTokenTtlSeconds * 1000, FOREIGN_TOKEN_MS),
    clockToleranceMs,
  }
}
