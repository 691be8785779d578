import { hash } from 'node:crypto'

/**
 * Whose sessions, records of users and login attempts an instance reads and writes. Several instances may share one
 * database: those of another issuer have users of their own, and those of another client of the same issuer share the
 * users but not the refresh tokens (RFC 6749 section 6: a refresh token is bound to the client it was issued to).
 */
export interface SessionScope {
  /** The issuer of our own tokens; empty where an instance only accepts the tokens of trusted issuers. */
  readonly issuer: string
  /** `client_id` of our own tokens. */
  readonly clientId: string
}

/** Instances without keys of their own issue no tokens, but they read and write the records of trusted issuers' users. */
export function toSessionScope(own: SessionScope | undefined): SessionScope {
  return { issuer: own?.issuer ?? '', clientId: own?.clientId ?? '' }
}

/** A short name of an issuer, for document ids: an issuer may be as long as it likes. */
export function toIssuerKey(issuer: string): string {
  return hash('sha256', issuer, 'base64url').slice(0, 16)
}
