import type { Request, Response } from 'express'
import { asCustomUserDataError } from '../errors.js'
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
  clear: (res: Response) => void
}

/** Creates the cookie that `tokenPlaces` names; `undefined` if it names none. */
export function createAccessCookie({ cookie, ...elsewhere }: ParsedTokenPlaces): AccessCookie | undefined {
  if (cookie === undefined) return undefined
  const readElsewhere = createTokenReader(elsewhere, () => undefined)

  /** Of two cookies with the name, one may be good. */
  function isOnlyToken(req: Request): boolean {
    try {
      return (
        readCookies(req.headers.cookie, cookie?.name ?? '').length === 1 && readElsewhere(req) === undefined
      )
    } catch {
      return false
    }
  }

  return {
    isStale: (req, error) =>
      ['invalid_token', 'invalid_request'].includes(String(asCustomUserDataError(error)?.code)) &&
      isOnlyToken(req),
    clear: res => clear(res, cookie),
  }
}

/** A guard may run without a response of Express, for example at the handshake of a socket. */
function clear(res: Partial<Response>, { name, ...place }: CookieIdentity): void {
  // Browsers refuse to change a cookie whose name has a prefix without Secure (RFC 6265bis 4.1.3).
  const secure = /^__(?:host|secure)-/i.test(name)
  if (res.headersSent === false) res.clearCookie?.(name, { httpOnly: true, secure, ...placeOf(place) })
}
