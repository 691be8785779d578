import type { Request, Response } from 'express'

/** How long a browser may keep the answer to a preflight. Chromium keeps it for two hours at most. */
const PREFLIGHT_SECONDS = '7200'
const METHODS = 'GET, POST, PUT, DELETE'
const HEADERS = 'authorization, content-type, accept'

/** The origins of pages that may call the routes. `*`: any, because no request carries a cookie. */
export type AllowedClientOrigins = '*' | readonly string[]

/**
 * Sets the headers that let pages of allowed origins read an answer, errors included.
 * @returns whether the request was a preflight, which is answered
 */
export function answerCors(req: Request, res: Response, allowed: AllowedClientOrigins): boolean {
  const { origin } = req.headers
  if (allowed !== '*') res.appendHeader('Vary', 'Origin')
  const isAllowed = origin !== undefined && (allowed === '*' || allowed.includes(origin))
  if (isAllowed) {
    res.setHeader('Access-Control-Allow-Origin', allowed === '*' ? '*' : origin)
    res.setHeader('Access-Control-Expose-Headers', 'Retry-After')
  }
  if (req.method !== 'OPTIONS') return false
  if (isAllowed) {
    res.setHeader('Access-Control-Allow-Methods', METHODS)
    res.setHeader('Access-Control-Allow-Headers', HEADERS)
    res.setHeader('Access-Control-Max-Age', PREFLIGHT_SECONDS)
  }
  res.statusCode = 204
  res.end()
  return true
}
