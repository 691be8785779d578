import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** A strong entity tag (RFC 9110 8.8.3): the digest of the text that is sent. */
export function toEntityTag(text: string): string {
  return `"${hash('sha256', text, 'base64url')}"`
}

/** A request, whose headers may hold conditions. */
interface Conditional {
  readonly headers: IncomingHttpHeaders
}

/** RFC 9110 8.8.3: a tag is in quotes, and has no quotes or spaces in it. */
const TAGS = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g

/**
 * Whether the conditions of a request hold for data with these tags, one for each format; there are none without data.
 * `If-Match` compares strongly, so a weak tag matches nothing (RFC 9110 13.1.1). `If-None-Match: *` holds only if there is no
 * data (13.1.2).
 */
export function meetsPreconditions({ headers }: Conditional, tags: readonly string[]): boolean {
  const ifMatch = headers['if-match']
  if (ifMatch !== undefined && !matches(ifMatch, tags)) return false
  const ifNoneMatch = headers['if-none-match']
  return ifNoneMatch === undefined || !matches(ifNoneMatch.replaceAll('W/"', '"'), tags)
}

/** Whether a request has conditions on the data that it changes. */
export function hasPreconditions({ headers }: Conditional): boolean {
  return headers['if-match'] !== undefined || headers['if-none-match'] !== undefined
}

function matches(condition: string, tags: readonly string[]): boolean {
  if (tags.length === 0) return false
  return condition.trim() === '*' || [...condition.matchAll(TAGS)].some(([given]) => tags.includes(given))
}
