import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { SessionSecret } from './session-secrets.js'

/** A refresh token taken apart. */
export interface RefreshToken {
  /** Names the session; not secret. */
  readonly sid: string
  /** How many exchanges came before. */
  readonly generation: number
  /** The part that makes the token: 256 bits. */
  readonly secret: string
  /** The whole token, as the client holds it. */
  readonly text: string
}

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

/** The first token of a session. */
export function createRefreshToken(sid: string, secret: SessionSecret): RefreshToken {
  return seal({ sid, generation: 0, secret: randomBytes(SECRET_BYTES).toString('base64url') }, secret)
}

/**
 * The token that follows another: the same for whoever derives it with the same session secret, so that a lost
 * answer, a second tab or another process gets no second one (security page 3.1).
 */
export function deriveSuccessor(token: RefreshToken, secret: SessionSecret): RefreshToken {
  const generation = token.generation + 1
  const derived = mac(secret, `successor.${token.sid}.${generation}.${token.text}`)
  return seal({ sid: token.sid, generation, secret: derived.toString('base64url') }, secret)
}

/** The token that `text` is, or `undefined` where it cannot be one of ours. */
export function parseRefreshToken(text: string): RefreshToken | undefined {
  const [, sid, generation, secret] = GRAMMAR.exec(text) ?? []
  if (sid === undefined || generation === undefined || secret === undefined) return undefined
  return { sid, generation: Number(generation), secret, text }
}

/** What is stored of a token: its SHA-256. A token has 256 random bits, so no salt is needed. */
export function hashRefreshToken(token: RefreshToken): string {
  return createHash('sha256').update(token.text).digest('base64url')
}

/**
 * Whether we made a token, by the seal that it carries. Only then is an old one a sign of theft: a session's id is no
 * secret, and whoever knows it could otherwise end the session with a token of their own making.
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
