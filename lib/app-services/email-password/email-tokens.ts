import { createHash, randomBytes } from 'node:crypto'

/** How long a token for a confirmation or a reset works, as in App Services. */
const TOKEN_MS = 30 * 60_000
const TOKEN_BYTES = 32
/** As long as an ObjectId, which App Services used. */
const TOKEN_ID_BYTES = 12

/** A token as stored: somebody who reads the collection cannot use it. */
export interface StoredToken {
  readonly id: string
  /** The SHA-256 of the token, in hex. The token is random, so nobody can guess it from the hash. */
  readonly hash: string
  readonly expiresAt: Date
}

/** A new token, and the part of it that is stored. */
export interface NewToken {
  readonly token: string
  readonly tokenId: string
  readonly stored: StoredToken
}

/** Makes a token. */
export function createToken(nowMs: number): NewToken {
  const token = randomBytes(TOKEN_BYTES).toString('hex')
  const tokenId = randomBytes(TOKEN_ID_BYTES).toString('hex')
  const stored = { id: tokenId, hash: hashToken(token), expiresAt: new Date(nowMs + TOKEN_MS) }
  return { token, tokenId, stored }
}

/** The form in which a token is stored. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
