import type { Request, Response } from 'express'

/** How long a browser may keep the answer to a preflight. Chromium keeps it for two hours at most. */
const PREFLIGHT_SECONDS = '7200'
const METHODS = 'GET, POST, PUT, DELETE'
const HEADERS = 'authorization, content-type, accept'

/** The origins of pages that may call the routes. `*`: any, because no request carries a cookie. */
export type AllowedClientOrigins = '*' | readonly string[]

/**
 * Sets the headers that let pages of allowed origins read an answer, errors included. The app's own `cors()` may have set
 * some of them before, and they stay: a browser refuses an answer with two values of one header.
 *
 * @returns whether the request was a preflight, which is answered
 */
export function answerCors(req: Request, res: Response, allowed: AllowedClientOrigins): boolean {
  const { origin } = req.headers
  if (allowed !== '*') addToList(res, 'Vary', 'Origin')
  const isAllowed = origin !== undefined && (allowed === '*' || allowed.includes(origin))
  if (isAllowed) {
    const given = res.getHeader('Access-Control-Allow-Origin')
    if (given !== origin && given !== '*')
      res.setHeader('Access-Control-Allow-Origin', allowed === '*' ? '*' : origin)
    addToList(res, 'Access-Control-Expose-Headers', 'Retry-After')
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

/** Adds a value to a header that holds a list, unless it is there. */
function addToList(res: Response, name: string, value: string): void {
  const given = [res.getHeader(name) ?? []].flat().join(', ')
  const values = given.split(',').map(item => item.trim().toLowerCase())
  if (values.includes(value.toLowerCase()) || values.includes('*')) return
  res.setHeader(name, given === '' ? value : `${given}, ${value}`)
}
