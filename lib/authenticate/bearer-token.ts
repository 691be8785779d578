import { CustomUserDataError } from '../errors.js'

/** What is read of a request to find its token: Node's `rawHeaders`, names and values in turn. */
export interface RequestHeaders {
  readonly rawHeaders: readonly string[]
}

const AUTHORIZATION = 'authorization'
const SCHEME = /^bearer(?:$|[^!#$%&'*+.^_`|~\w-])/i
/** RFC 6750 2.1, RFC 9110 11.4: the scheme, one or more spaces, and a token68. */
const CREDENTIALS = /^bearer +([\w.~+/-]+=*)$/i

/**
 * The token of `Authorization: Bearer …`; `undefined` where no Authorization header was sent.
 * Throws `invalid_request` for two headers or a malformed one, `missing_token` for another scheme.
 */
export function readBearerToken(request: RequestHeaders): string | undefined {
  const header = readAuthorization(request)
  if (header === undefined) return undefined
  const token = CREDENTIALS.exec(header)?.[1]
  if (token !== undefined) return token
  if (SCHEME.test(header))
    throw invalid('The Authorization header is malformed: write "Bearer" and the access token.')
  throw missingToken()
}

const USUAL_START = 'Bearer '

/**
 * What is the token of a request that is written as nearly all are; not checked at all. Good for looking up what was
 * checked before, and for nothing else: what is not found is to be read by {@link readBearerToken}.
 */
export function guessBearerToken(request: RequestHeaders): string | undefined {
  const header = readAuthorization(request)
  return header?.startsWith(USUAL_START) === true ? header.slice(USUAL_START.length) : undefined
}

/**
 * The one Authorization header of a request, if any. Found in `rawHeaders`, because `headers` keeps the first
 * of two silently: a proxy in front of the app may have looked at the second.
 */
export function readAuthorization({ rawHeaders }: RequestHeaders): string | undefined {
  let found: string | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length !== AUTHORIZATION.length || name.toLowerCase() !== AUTHORIZATION) continue
    if (found !== undefined) throw invalid('There are two Authorization headers: send one.')
    found = rawHeaders[index + 1]
  }
  return found
}

/** Nothing that could be a token was presented. */
export function missingToken(): CustomUserDataError {
  return new CustomUserDataError('missing_token', 'Send an access token: "Authorization: Bearer …".')
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
