/**
 * The headers of a request. `headers` decides which values count, because middleware may have set or deleted a header
 * there. `rawHeaders` only serves to find a header that a client sent twice. Adapters such as serverless-http leave it
 * empty, and requests that a test makes by hand may lack it.
 */
export interface RequestHeaders {
  readonly headers?: Readonly<Record<string, unknown>>
  /** Names and values alternate, as in Node. */
  readonly rawHeaders?: readonly string[] | null
}

/**
 * Whether the client sent a header twice and Node made `value` from both. Node keeps the first value of some headers, and
 * joins the values of others. A proxy in front of the app may have looked at the second value.
 *
 * If `value` is neither one of the sent values nor all of them joined, middleware has set it, and it counts.
 */
export function isSentTwice(
  { rawHeaders }: Pick<RequestHeaders, 'rawHeaders'>,
  lowerCaseName: string,
  value: string,
): boolean {
  // Requests of adapters and tests may hold something else.
  if (!isList(rawHeaders)) return false
  let isSeen = false
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length !== lowerCaseName.length || name.toLowerCase() !== lowerCaseName) continue
    if (isSeen) return isMadeOf(valuesOf(rawHeaders, lowerCaseName), value)
    isSeen = true
  }
  return false
}

/**
 * A header as rules see it: a text, or a list if the client sent it several times. So a rule such as `$ne` cannot be passed by
 * a second header, which stands beside the one that a proxy has set.
 */
export function readHeaderValues(
  request: RequestHeaders,
  lowerCaseName: string,
): string | readonly string[] | undefined {
  const { headers } = request
  const held = headers && Object.hasOwn(headers, lowerCaseName) ? headers[lowerCaseName] : undefined
  const value = onlyValue(held)
  if (Array.isArray(value)) return value.filter(element => typeof element === 'string')
  if (typeof value !== 'string') return undefined
  return isSentTwice(request, lowerCaseName, value)
    ? valuesOf(request.rawHeaders ?? [], lowerCaseName)
    : value
}

/** A header's value. Node gives a list for `Set-Cookie`, and an adapter may give a list of one for any header. */
export function onlyValue(header: unknown): unknown {
  return Array.isArray(header) && header.length === 1 ? header[0] : header
}

function isList(rawHeaders: RequestHeaders['rawHeaders']): rawHeaders is readonly string[] {
  return Array.isArray(rawHeaders)
}

function valuesOf(rawHeaders: readonly string[], lowerCaseName: string): readonly string[] {
  return rawHeaders.filter(
    (_value, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === lowerCaseName,
  )
}

/** Node joins values by a comma, but cookies by a semicolon. It joins Authorization only with `joinDuplicateHeaders`. */
function isMadeOf(values: readonly string[], value: string): boolean {
  return values.includes(value) || value === values.join(', ') || value === values.join('; ')
}
