import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** A strong entity tag (RFC 9110 8.8.3): the digest of the text that is sent. */
export function toEntityTag(text: string): string {
  return `"${hash('sha256', text, 'base64url')}"`
}

/** A request, whose headers may hold conditions. */
interface Conditional {
  readonly method: string
  readonly headers: IncomingHttpHeaders
}

/** An element of a list of tags. RFC 9110 8.8.3: a tag is in quotes, and has no quotes or spaces in it. Only `W/` may precede. */
const TAG_IN_LIST = /[ \t,]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$)/gy

/**
 * The status of the answer if the conditions of a request do not hold for data with these tags (RFC 9110 13.2.2): 304 if a
 * reader has the data already, otherwise 412. `undefined` if they hold.
 *
 * `If-Match` compares strongly, so a weak tag matches nothing (13.1.1). `If-None-Match: *` holds only if there is no data
 * (13.1.2). Express's own check is not used: it never answers 304 to `fetch`, which sends `Cache-Control: no-cache` too.
 *
 * @param tags one for each format in which the client may have read the data; none without data
 */
export function failedPrecondition(
  { method, headers }: Conditional,
  tags: readonly string[],
): 304 | 412 | undefined {
  const ifMatch = headers['if-match']
  if (ifMatch !== undefined && !matches(ifMatch, tags, given => given)) return 412
  const ifNoneMatch = headers['if-none-match']
  if (ifNoneMatch === undefined || !matches(ifNoneMatch, tags, withoutWeakness)) return undefined
  return method === 'GET' || method === 'HEAD' ? 304 : 412
}

/** Whether a request has conditions on the data that it changes. */
export function hasPreconditions({ headers }: Pick<Conditional, 'headers'>): boolean {
  return headers['if-match'] !== undefined || headers['if-none-match'] !== undefined
}

function matches(condition: string, tags: readonly string[], toCompared: (given: string) => string): boolean {
  if (tags.length === 0) return false
  if (condition.trim() === '*') return true
  return [...condition.matchAll(TAG_IN_LIST)].some(([, given = '']) => tags.includes(toCompared(given)))
}

function withoutWeakness(tag: string): string {
  return tag.replace(/^W\//, '')
}
