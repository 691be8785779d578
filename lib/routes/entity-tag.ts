import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** A strong entity tag (RFC 9110 8.8.3): the digest of what is sent. */
export function toEntityTag(text: string): string {
  return `"${hash('sha256', text, 'base64url')}"`
}

/** What conditions are read from: a request. */
interface Conditional {
  readonly headers: IncomingHttpHeaders
}

/** RFC 9110 8.8.3: a tag is quoted, and what is quoted has no quotes or spaces in it. */
const TAGS = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g

/**
 * Whether a request may change what has this tag; `undefined`: what is not there. RFC 9110 13.1.1: `If-Match` compares
 * strongly, so that a weak tag matches nothing. 13.1.2: `If-None-Match: *` is for making what is not there.
 */
export function meetsPreconditions({ headers }: Conditional, tag: string | undefined): boolean {
  const ifMatch = headers['if-match']
  if (ifMatch !== undefined && !matches(ifMatch, tag)) return false
  const ifNoneMatch = headers['if-none-match']
  return ifNoneMatch === undefined || !matches(ifNoneMatch.replaceAll('W/"', '"'), tag)
}

/** Whether a request makes its change depend on what is there. */
export function hasPreconditions({ headers }: Conditional): boolean {
  return headers['if-match'] !== undefined || headers['if-none-match'] !== undefined
}

function matches(condition: string, tag: string | undefined): boolean {
  if (tag === undefined) return false
  return condition.trim() === '*' || [...condition.matchAll(TAGS)].some(([given]) => given === tag)
}
