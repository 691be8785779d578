import type { Request, Response } from 'express'
import { asCustomUserDataError } from '../errors.js'
import { refusalOf } from '../refusals.js'
import type { Clock } from '../util/clock.js'
import { placeOf, readCookies } from '../util/cookies.js'
import type { CookieIdentity } from '../util/cookies.js'
import { createTokenReader } from './token-places.js'
import type { ParsedTokenPlaces } from './token-places.js'

/** The cookie of access tokens. The app sets it, and this package reads and clears it. */
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
}

/** A refresh that was sent when the token expired has been answered by then. */
const MINUTE_MS = 60_000

/** Creates the cookie that `tokenPlaces` names; `undefined` if it names none. */
export function createAccessCookie(
  { cookie, ...elsewhere }: ParsedTokenPlaces,
  clock: Pick<Clock, 'now'>,
): AccessCookie | undefined {
  if (cookie === undefined) return undefined
  const readElsewhere = createTokenReader(elsewhere, () => undefined)

  /** Of two cookies with the name, one may be good. */
  function isOnlyToken(req: Request): boolean {
    try {
      // Some apps clear a cookie by setting it to an empty value.
      const values = readCookies(req.headers.cookie, cookie?.name ?? '').filter(value => value !== '')
      return values.length === 1 && readElsewhere(req) === undefined
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

  return {
    isStale: (req, error) =>
      ['invalid_token', 'invalid_request'].includes(String(asCustomUserDataError(error)?.code)) &&
      isOnlyToken(req),
    clearStale: (res, error) => {
      if (res && isLongOver(asCustomUserDataError(error))) clear(res, cookie)
    },
    clear: res => clear(res, cookie),
  }
}

/** A guard may run without a response of Express, for example at the handshake of a socket. */
function clear(res: Partial<Response>, { name, ...place }: CookieIdentity): void {
  // Browsers refuse to change a cookie whose name has a prefix without Secure (RFC 6265bis 4.1.3).
  const secure = /^__(?:host|secure)-/i.test(name)
  if (res.headersSent === false) res.clearCookie?.(name, { httpOnly: true, secure, ...placeOf(place) })
}
