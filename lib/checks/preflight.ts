import type { Request } from 'express'
import type { WarningEvent } from '../events.js'
import { toShownPath } from '../util/request-path.js'
import { toShownText } from '../util/shown-text.js'
import type { Refusal } from './request-check.js'

/** An origin is a scheme and a host, so a longer text is none that a developer knows. */
const MAX_SHOWN_ORIGIN = 200

/**
 * Checks whether a guard refuses a CORS preflight. A browser sends a preflight without a token (Fetch standard,
 * CORS-preflight fetch), so a guard refuses each preflight that `cors()` has not answered before. Any client can cause the
 * warning, so the line of code in it does not name the origin of the client.
 */
export function checkPreflight({ req, error }: Refusal): WarningEvent | undefined {
  if (error.status !== 401) return undefined
  // Requests that a test or an adapter makes by hand may have no headers.
  const { 'access-control-request-method': asked, origin } = (req as Partial<Request>).headers ?? {}
  // Fetch standard, CORS-preflight fetch: the method is OPTIONS, and both headers are sent.
  if (asked === undefined || origin === undefined || req.method !== 'OPTIONS') return undefined
  return { code: 'preflight_refused', message: toMessage(req, asked, origin) }
}

function toMessage(req: Request, asked: string, origin: string): string {
  const method = /^[A-Z]{1,16}$/i.test(asked) ? asked : 'a request'
  return (
    `A browser asked whether a page of another origin may send ${method} ${toShownPath(req)} (a CORS preflight), and a guard ` +
    'answered 401, because browsers send no token with this question. So the page cannot send the request. Move the line ' +
    "app.use(cors({ origin: 'https://app.example.com' })) above the guard, for example above " +
    'app.use(userData.authenticate()). If the app has no such line, add it there, with the origin of your page. The request ' +
    `named the origin "${toShownText(origin, MAX_SHOWN_ORIGIN)}": allow it only if you know that page.`
  )
}
