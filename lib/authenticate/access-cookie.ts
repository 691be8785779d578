import type { Request, Response } from 'express'
import { asCustomUserDataError } from '../errors.js'
import { refusalOf } from '../refusals.js'
import type { Clock } from '../util/clock.js'
import { placeOf } from '../util/cookies.js'
import type { CookieIdentity, TokenCookie } from '../util/cookies.js'
import { clearTokenCookie, readTokenCookie } from './token-cookie.js'
import { createTokenReader } from './token-places.js'
import type { ParsedTokenPlaces } from './token-places.js'

/** The cookie of access tokens. The routes of this package set it, or the app does. This package reads and clears both. */
export interface AccessCookie {
  /**
   * Whether an error says that the only token of a request is in the cookie and not valid. Browsers go on sending a cookie
   * whose token has expired.
   */
  isStale: (req: Request, error: unknown) => boolean
  /**
   * Clears the cookie after the error of a stale token. It stays if the answer may cross a new cookie: for a minute after the
   * token has expired, and after a revocation.
   */
  clearStale: (res: Response | undefined, error: unknown) => void
  clear: (res: Response) => void
  /** The tokens in the cookie, valid or not. A browser may hold several cookies with one name. */
  read: (req: Request) => readonly string[]
}

/** A refresh that was sent when the token expired has been answered by then. */
const MINUTE_MS = 60_000

/**
 * Creates the cookie of access tokens; `undefined` if no cookie is read.
 *
 * @param own the cookie that the routes set; `undefined` if the app sets it
 */
export function createAccessCookie(
  { cookie, ...elsewhere }: ParsedTokenPlaces,
  own: TokenCookie | undefined,
  clock: Pick<Clock, 'now'>,
): AccessCookie | undefined {
  if (cookie === undefined) return undefined
  const readElsewhere = createTokenReader(elsewhere, () => undefined)

  /** Of two cookies with the name, one may be good. */
  function isOnlyToken(req: Request): boolean {
    try {
      return (
        cookie !== undefined && readTokenCookie(req, cookie).length === 1 && readElsewhere(req) === undefined
      )
    } catch {
      return false
    }
  }

  /** Nothing makes a forged or malformed token good. Of a revoked one nobody knows here since when it is revoked. */
  function isLongOver(error: unknown): boolean {
    const { reason, expiresAt } = refusalOf(Object(error) as object)
    if (reason === 'revoked' || reason === 'disabled') return false
    return expiresAt === undefined || clock.now() >= expiresAt + MINUTE_MS
  }

  const clear = (res: Response): void => {
    // A guard may run without a response of Express, for example at the handshake of a socket.
    if ((res as Partial<Response>).headersSent !== false || typeof res.clearCookie !== 'function') return
    if (own) clearTokenCookie(res, own)
    else clearByName(res, cookie)
  }

  return {
    isStale: (req, error) =>
      ['invalid_token', 'invalid_request'].includes(String(asCustomUserDataError(error)?.code)) &&
      isOnlyToken(req),
    clearStale: (res, error) => {
      if (res && isLongOver(asCustomUserDataError(error))) clear(res)
    },
    clear,
    read: req => readTokenCookie(req, cookie),
  }
}

function clearByName(res: Response, { name, ...place }: CookieIdentity): void {
  // Browsers refuse to change a cookie whose name has a prefix without Secure (RFC 6265bis 4.1.3).
  const secure = /^__(?:host|secure)-/i.test(name)
  res.clearCookie(name, { httpOnly: true, secure, ...placeOf(place) })
}
