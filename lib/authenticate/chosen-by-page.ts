import type { Request } from 'express'

/** Levels of the body in which a token is looked for. Forms and JSON have it at the first or second. */
const MAX_LEVELS = 4

/**
 * Whether a token stands in a place that a page must fill itself: a header other than `Cookie`, the address or the body. A
 * browser adds a token by itself in every other place: in cookies, whatever their form, and in what a server keeps for a cookie,
 * such as a session.
 */
export function isChosenByPage(req: Partial<Request>, token: string): boolean {
  const { cookie, ...others } = req.headers ?? {}
  // A token that is also in a cookie may have been copied from there by middleware.
  if (String(cookie).includes(token)) return false
  return (
    Object.values(others).some(value => String(value).includes(token)) ||
    isInAddress(req.originalUrl ?? req.url ?? '', token) ||
    isInBody(req.body, token, MAX_LEVELS)
  )
}

function isInAddress(address: string, token: string): boolean {
  if (address.includes(token)) return true
  try {
    return decodeURIComponent(address).includes(token)
  } catch {
    return false
  }
}

function isInBody(value: unknown, token: string, levels: number): boolean {
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value.includes(token)
  if (typeof value !== 'object' || value === null || levels === 0) return false
  return Object.values(value).some(member => isInBody(member, token, levels - 1))
}
