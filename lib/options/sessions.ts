import * as v from 'valibot'
import { MAX_REUSE_TOLERANCE_SECONDS } from '../sessions/session-document.js'
import { MAX_TIMER_MS } from '../util/deadline.js'
import { collectionNamed } from './collection-option.js'
import { refreshTokenTransport } from './token-cookies.js'
import { optionsObject, objectOr } from './options-object.js'
import {
  callback,
  DAY_SECONDS,
  maxSessions,
  refreshTokenField,
  secret,
  trueOrFalse,
  whole,
  YEAR_SECONDS,
} from './value-schemas.js'

/** The longest time that a team may let sessions live. */
export const MAX_REFRESH_TOKEN_TTL_SECONDS = 5 * YEAR_SECONDS

/** Seconds that a session lives from its login. */
export const refreshTokenTtlSeconds = whole(30 * 60, MAX_REFRESH_TOKEN_TTL_SECONDS)

/** Seconds that a session lives without a refresh. */
export const refreshTokenIdleSeconds = whole(60, MAX_REFRESH_TOKEN_TTL_SECONDS)

const THROTTLE =
  'write false or { accountAndAddressFailures, addressFailures, windowSeconds, accountFailures }'

const throttle = optionsObject(THROTTLE, {
  accountAndAddressFailures: v.optional(whole(1, 100), 10),
  addressFailures: v.optional(whole(1, 1_000_000), 100),
  windowSeconds: v.optional(whole(1, DAY_SECONDS), 15 * 60),
  accountFailures: v.optional(whole(1, 100), 100),
})

const hooks = optionsObject('write { beforeLogin, createCustomData, afterLogin, … }', {
  beforeLogin: v.optional(callback),
  createCustomData: v.optional(callback),
  afterLogin: v.optional(callback),
  afterRefresh: v.optional(callback),
  afterLogout: v.optional(callback),
  afterDelete: v.optional(callback),
})

/** Options of sessions, logins and writes. */
export const sessionOptions = {
  sessionCollection: v.optional(collectionNamed('custom_user_data_sessions')),
  refreshTokenTtlSeconds: v.optional(refreshTokenTtlSeconds, 60 * DAY_SECONDS),
  refreshTokenIdleSeconds: v.optional(refreshTokenIdleSeconds),
  maxSessionsPerUser: v.optional(maxSessions, 100),
  rotateRefreshTokens: v.optional(trueOrFalse, true),
  reuseToleranceSeconds: v.optional(whole(0, MAX_REUSE_TOLERANCE_SECONDS), 30),
  sessionSecrets: v.optional(
    v.pipe(v.array(secret, 'write a list of secrets'), v.minLength(1, 'write one secret or more')),
  ),
  refreshTokenTransport,
  refreshTokenField: v.optional(refreshTokenField, 'refresh_token'),
  sessionCheckIntervalMs: v.optional(whole(0, DAY_SECONDS * 1000)),
  loginAttemptCollection: v.optional(collectionNamed('custom_user_data_login_attempts')),
  loginThrottle: v.optional(objectOr(throttle, v.literal(false, THROTTLE)), {}),
  accountsInEvents: v.optional(v.picklist(['digest', 'clear'], 'write "digest" or "clear"'), 'digest'),
  hooks: v.optional(hooks, {}),
  sessionTimeoutMs: v.optional(whole(1, MAX_TIMER_MS), 3_000),
  writeTimeoutMs: v.optional(whole(1, MAX_TIMER_MS), 3_000),
  verifyCredentialsTimeoutMs: v.optional(whole(1, MAX_TIMER_MS), 10_000),
}
