import { newId } from '../../ids.js'
import { hashSecret, newSecret } from '../../secrets.js'

/** How long a token for a confirmation or a reset works, as in App Services. */
const TOKEN_MS = 30 * 60_000

/** A token as stored: somebody who reads the collection cannot use it. */
export interface StoredToken {
  readonly id: string
  /** The SHA-256 of the token, in hex. */
  readonly hash: string
  readonly expiresAt: Date
}

/** A token as its owner gets it, and as the client sends it. */
export interface SentToken {
  readonly token: string
  readonly tokenId: string
}

/** A new token, and the part of it that is stored. */
export interface NewToken extends SentToken {
  readonly stored: StoredToken
}

/** Makes a token. */
export function createToken(nowMs: number): NewToken {
  const token = newSecret()
  const tokenId = newId()
  const stored = { id: tokenId, hash: hashSecret(token), expiresAt: new Date(nowMs + TOKEN_MS) }
  return { token, tokenId, stored }
}
