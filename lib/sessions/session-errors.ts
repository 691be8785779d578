import { CustomUserDataError } from '../errors.js'

/** The answer to a login if its session was revoked, or its user disabled, while it was in progress. */
export function endedMeanwhile(): CustomUserDataError {
  return new CustomUserDataError('invalid_credentials', 'The credentials are wrong.')
}

/** The answer to a login if nobody can tell whether it began before a revocation. */
export function unclearOrder(): CustomUserDataError {
  return new CustomUserDataError(
    'sessions_unavailable',
    "The user's sessions were revoked at about the time when this login began. Log in again.",
  )
}

/** The one answer to every refresh token that is refused. It does not tell why. */
export function invalidGrant(): CustomUserDataError {
  return new CustomUserDataError('invalid_grant', 'The refresh token is unknown, used, expired or revoked.')
}

/** The answer to a request about a session that has ended, that never was, or that is another user's. */
export function noSuchSession(): CustomUserDataError {
  return new CustomUserDataError(
    'session_not_found',
    'The user has no session with this sid. It may have ended.',
  )
}

/** The answer to a refresh token of a session whose secret this process lacks. Another process of the app may have it. */
export function secretUnknown(): CustomUserDataError {
  return new CustomUserDataError(
    'session_secret_unknown',
    'This server lacks the session secret of the session. Another server may have it, so try again.',
  )
}
