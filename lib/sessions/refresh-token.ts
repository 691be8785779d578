import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { SessionSecret } from './session-secrets.js'

/** The parts of a refresh token. */
export interface RefreshToken {
  /** The session's id, which is not secret. */
  readonly sid: string
  /** The number of exchanges before this token. */
  readonly generation: number
  /** The secret part: 256 random bits. */
  readonly secret: string
  /** The whole token, as the client holds it. */
  readonly text: string
}

/** Longer texts are no refresh tokens. */
export const MAX_REFRESH_TOKEN_LENGTH = 1_024

const SID_BYTES = 16
/** 256 bits (ASVS 7.2.3 asks for 128). */
const SECRET_BYTES = 32
const SEAL_BYTES = 16
/** sid, generation, secret, seal. */
const GRAMMAR = /^([\w-]{22})\.(0|[1-9]\d{0,8})\.([\w-]{43})\.[\w-]{22}$/

/** A new session id: 128 random bits in base64url. */
export function createSid(): string {
  return randomBytes(SID_BYTES).toString('base64url')
}

/** Whether a text has the form of a session id. A refresh token has not, so one that is in its place is not logged. */
export function isSid(text: string): boolean {
  return /^[\w-]{22}$/.test(text)
}

/** The first token of a session. */
export function createRefreshToken(sid: string, secret: SessionSecret): RefreshToken {
  return seal({ sid, generation: 0, secret: randomBytes(SECRET_BYTES).toString('base64url') }, secret)
}

/**
 * The successor of a token. It is derived, so that every process with the same session secret gives the same successor, also
 * after a lost answer or to a second tab.
 */
export function deriveSuccessor(token: RefreshToken, secret: SessionSecret): RefreshToken {
  const generation = token.generation + 1
  const derived = mac(secret, `successor.${token.sid}.${generation}.${token.text}`)
  return seal({ sid: token.sid, generation, secret: derived.toString('base64url') }, secret)
}

/** Parses a refresh token. Returns `undefined` if the text cannot be a token of ours. */
export function parseRefreshToken(text: string): RefreshToken | undefined {
  const [, sid, generation, secret] = GRAMMAR.exec(text) ?? []
  if (sid === undefined || generation === undefined || secret === undefined) return undefined
  return { sid, generation: Number(generation), secret, text }
}

/** The SHA-256 of a token, which is stored instead of the token. A token has 256 random bits, so no salt is needed. */
export function hashRefreshToken(token: RefreshToken): string {
  return createHash('sha256').update(token.text).digest('base64url')
}

/**
 * Whether this package made a token, according to its seal. Only then an old token is a sign of theft. A session's id is not
 * secret, so without the seal anybody who knows it could end the session by an invented token.
 */
export function isSealed(token: RefreshToken, secrets: readonly SessionSecret[]): boolean {
  const given = Buffer.from(token.text)
  return secrets.some(secret => timingSafeEqual(given, Buffer.from(seal(token, secret).text)))
}

function seal(token: Omit<RefreshToken, 'text'>, secret: SessionSecret): RefreshToken {
  const unsealed = `${token.sid}.${token.generation}.${token.secret}`
  const tag = mac(secret, `seal.${unsealed}`).subarray(0, SEAL_BYTES).toString('base64url')
  return { ...token, text: `${unsealed}.${tag}` }
}

function mac({ key }: SessionSecret, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
