/** The parts of a request that its path and its pattern are read from. A test or an adapter may lack each of them. */
export interface RequestPath {
  readonly originalUrl?: string | undefined
  /** The route of Express that took the request, with its pattern. It is kept when an error handler runs. */
  readonly route?: unknown
}

/** No token is shorter. */
export const MIN_TOKEN = 8

/** A segment that names a part of the app, such as `login`, `password-reset` or `v1`. Others may be tokens. */
const WORD = /^(?:[a-z._-]{1,16}|[a-z]{1,6}\d)$/i
const REMOVED = '[removed]'

/**
 * The path of a request for logs, without its query. Names of parameters stand for their values, which may be tokens. Behind a
 * router only the end of the path is known as a pattern. Of the rest, each segment that may be a token is replaced.
 */
export function toShownPath(req: RequestPath): string {
  const segments = segmentsOf(req)
  const pattern = patternOf(req) ?? []
  const shown = segments.slice(0, segments.length - pattern.length).map(toShownSegment)
  return `/${[...shown, ...pattern].join('/')}`
}

/**
 * The values in the path that may be tokens: those of parameters, and all long segments that are no words. Express clears
 * `req.params` before an error handler runs, and those of a router when the router has passed the request on. So the values
 * are read from the path.
 */
export function secretsInPath(req: RequestPath): string[] {
  const segments = segmentsOf(req)
  const pattern = patternOf(req) ?? []
  const start = segments.length - pattern.length
  const values = pattern.flatMap((part, index) => valuesOf(part, segments[start + index] ?? ''))
  const others = segments.filter(segment => segment.length >= MIN_TOKEN && !WORD.test(segment))
  return [...values, ...others].flatMap(value => [value, decoded(value)])
}

/** Texts in an address are often encoded. A text that is not is returned as it is. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function segmentsOf({ originalUrl = '' }: RequestPath): string[] {
  return toSegments(originalUrl.split('?', 1)[0] ?? '')
}

function toSegments(path: string): string[] {
  return path.split('/').filter(segment => segment !== '')
}

/**
 * The segments of the route's pattern, without expressions such as `(\\d+)`. `undefined` if it need not fit the end of the
 * path segment by segment, because it is an expression or has wildcards or optional parts.
 */
function patternOf(req: RequestPath): string[] | undefined {
  const path = (req.route as { readonly path?: unknown } | undefined)?.path
  if (typeof path !== 'string') return undefined
  const plain = path.replaceAll(/\([^()./*]*\)/g, '')
  if (/[*?+(){}[\]]/.test(plain)) return undefined
  const segments = toSegments(plain)
  return segments.length > segmentsOf(req).length ? undefined : segments
}

/** The value of a parameter. Several in one segment, such as `:user.:token`, are removed as a whole and each by itself. */
function valuesOf(part: string, segment: string): string[] {
  if (!part.includes(':')) return []
  return /^:\w+$/.test(part) ? [segment] : [segment, ...segment.split(/[.~-]/)]
}

function toShownSegment(segment: string): string {
  return WORD.test(segment) ? segment : REMOVED
}
