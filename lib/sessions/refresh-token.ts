import { createHash, randomBytes } from 'node:crypto'

/** A refresh token taken apart: which session, which exchange of it, and the secret. */
export interface RefreshToken {
  /** Names the session; not secret. */
  readonly sid: string
  /** How many exchanges came before. */
  readonly generation: number
  /** The whole token, as the client holds it. */
  readonly text: string
}

const SID_BYTES = 16
/** 256 bits (ASVS 7.2.3 asks for 128). */
const SECRET_BYTES = 32
const GRAMMAR = /^([\w-]{22})\.(0|[1-9]\d{0,8})\.[\w-]{43}$/

/** A new session id: 128 random bits in base64url. */
export function createSid(): string {
  return randomBytes(SID_BYTES).toString('base64url')
}

/** A new token of a session. */
export function createRefreshToken(sid: string, generation: number): RefreshToken {
  const secret = randomBytes(SECRET_BYTES).toString('base64url')
  return { sid, generation, text: `${sid}.${generation}.${secret}` }
}

/** The token that `text` is, or `undefined` where it cannot be one of ours. */
export function parseRefreshToken(text: string): RefreshToken | undefined {
  const [, sid, generation] = GRAMMAR.exec(text) ?? []
  return sid === undefined || generation === undefined
    ? undefined
    : { sid, generation: Number(generation), text }
}

/** What is stored of a token: its SHA-256. A token has 256 random bits, so no salt is needed. */
export function hashRefreshToken(token: RefreshToken): string {
  return createHash('sha256').update(token.text).digest('base64url')
}
