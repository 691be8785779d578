import { isDate } from 'node:util/types'
import { deriveSuccessor, hashRefreshToken, isSealed } from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'
import type { TokenIssue } from './session-document.js'
import type { SessionSecret, SessionSecrets } from './session-secrets.js'
import type { TimedSession } from './session-store.js'

/** What to do about a refresh token that is not the current token of its session. */
export type Judgement =
  /** The client gets the current token: it lost an answer, or another tab was faster. */
  | { readonly outcome: 'answer'; readonly current: RefreshToken; readonly isSuccessorUsed: boolean }
  /** Another process may have the session secret that this process lacks. */
  | { readonly outcome: 'secret_unknown' }
  /** The token was exchanged too long ago, so somebody else used its successor. */
  | { readonly outcome: 'stolen' }
  | { readonly outcome: 'invalid' }

/**
 * How long a session whose secret is unknown here is answered with 503 after its last exchange: longer than most deploys
 * take. Afterwards the secret is taken for lost.
 */
const DEPLOY_MS = 15 * 60_000

const INVALID: Judgement = { outcome: 'invalid' }

/**
 * Judges a refresh token that is not the current token of its session. Sends no query.
 *
 * - The token before the current one gets the current one at any time, because nobody has used its successor.
 * - A token that was exchanged less than the tolerance ago gets the current one too: several tabs of one browser send the
 *   token that they have, and a request may be on its way while other tabs exchange the token twice.
 * - Any other token that this package made is stolen, or its successor is (RFC 9700 section 4.14.2).
 */
export function judgeExchangedToken(
  token: RefreshToken,
  session: TimedSession,
  { secrets, toleranceMs }: { readonly secrets: SessionSecrets; readonly toleranceMs: number },
): Judgement {
  const hash = hashRefreshToken(token)
  if (hash === session.current) return INVALID
  const issues = readIssues(session)
  const isPrevious = hash === session.previous
  // A session's id is no secret, so a token that an attacker made with it must not count as a token of the session.
  if (!isPrevious && !isSealed(token, secrets)) return judgeUnsealed(session, issues, secrets)

  // The token was exchanged when its successor was issued, so its depth is the number of issues since then.
  const depth = isPrevious ? 1 : session.generation - token.generation
  const since = issues.slice(0, Math.max(depth, 0))
  const exchange = since.length === depth ? since.at(-1) : undefined
  const isInTolerance = exchange !== undefined && ageOf(exchange, session) < toleranceMs
  if (!isPrevious && !isInTolerance) return { outcome: 'stolen' }
  const current = deriveCurrent(token, since, secrets)
  if (!current) return judgeUnknownSecret(session, issues)
  if (hashRefreshToken(current) === session.current) {
    return { outcome: 'answer', current, isSuccessorUsed: !isPrevious }
  }
  return isPrevious ? INVALID : { outcome: 'stolen' }
}

/** Derives the current token from an older one. Each token was derived from the one before by the secret of its issue. */
function deriveCurrent(
  token: RefreshToken,
  since: readonly TokenIssue[],
  secrets: SessionSecrets,
): RefreshToken | undefined {
  let derived = token
  for (const { secretName } of since.toReversed()) {
    const secret = findSecret(secretName, secrets)
    if (!secret) return undefined
    derived = deriveSuccessor(derived, secret)
  }
  return since.length > 0 ? derived : undefined
}

/** A token without our seal is invented, unless another process made it with a session secret that this one lacks. */
function judgeUnsealed(
  session: TimedSession,
  issues: readonly TokenIssue[],
  secrets: SessionSecrets,
): Judgement {
  const isKnown = issues.every(({ secretName }) => findSecret(secretName, secrets))
  return isKnown ? INVALID : judgeUnknownSecret(session, issues)
}

function judgeUnknownSecret(session: TimedSession, [latest]: readonly TokenIssue[]): Judgement {
  return latest && ageOf(latest, session) < DEPLOY_MS ? { outcome: 'secret_unknown' } : INVALID
}

function findSecret(name: string, secrets: readonly SessionSecret[]): SessionSecret | undefined {
  return secrets.find(secret => secret.name === name)
}

function ageOf({ issuedAt }: TokenIssue, { serverTime }: TimedSession): number {
  return serverTime.getTime() - issuedAt.getTime()
}

/** The issues, as far as they were written by this package. */
function readIssues({ issues }: { readonly issues?: unknown }): TokenIssue[] {
  if (!Array.isArray(issues)) return []
  const end = issues.findIndex(issue => !isIssue(issue))
  return (end === -1 ? issues : issues.slice(0, end)) as TokenIssue[]
}

function isIssue(value: unknown): value is TokenIssue {
  const { issuedAt, secretName } = (value ?? {}) as Partial<TokenIssue>
  return isDate(issuedAt) && typeof secretName === 'string'
}
