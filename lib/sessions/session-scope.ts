import { hash } from 'node:crypto'

/**
 * Limits the sessions, records of users and login attempts that an instance reads and writes, because several instances may
 * share one database. Instances with another issuer have other users. Instances with the same issuer and another client
 * share the users, but not the refresh tokens: a refresh token is bound to its client (RFC 6749 section 6).
 */
export interface SessionScope {
  /** The issuer of our own tokens. Empty if an instance only accepts the tokens of trusted issuers. */
  readonly issuer: string
  /** `client_id` of our own tokens. */
  readonly clientId: string
}

/** Instances without keys of their own issue no tokens, but they read and write the records of trusted issuers' users. */
export function toSessionScope(own: SessionScope | undefined): SessionScope {
  return { issuer: own?.issuer ?? '', clientId: own?.clientId ?? '' }
}

/** A short digest of an issuer for document ids, because an issuer can be a long text. */
export function toIssuerKey(issuer: string): string {
  return hash('sha256', issuer, 'base64url').slice(0, 16)
}
