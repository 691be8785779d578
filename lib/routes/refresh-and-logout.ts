import type { Request, RequestHandler } from 'express'
import type { FailureReports } from '../authenticate/failure-reports.js'
import { CustomUserDataError } from '../errors.js'
import { clientOf } from '../login/client.js'
import type { EndSessions } from '../login/end-sessions.js'
import type { RefreshFlow } from '../login/refresh-flow.js'
import type { Operations } from '../operations.js'
import type { ExtendedJsonFormat } from '../token-data/extended-json.js'
import type { AnswerTokens } from '../types.js'
import type { RefreshTransport } from './refresh-transport.js'
import type { RequestBody } from './request-body.js'
import { createTokenAnswer } from './token-answer.js'
import type { AnswerCallback } from './token-answer.js'
import { createTokenEndpoint } from './token-endpoint.js'

/** Options of `logout()`. */
export interface LogoutOptions {
  /**
   * The field of the body that holds the refresh token, as the option `refreshTokenField` of the instance. Without
   * `refreshTokenTransport: 'body'` it has no effect.
   * @default the option of the instance
   */
  readonly refreshTokenField?: string | undefined
}

/** Options of `refresh()`. */
export interface RefreshOptions<CustomData = object> extends LogoutOptions {
  /**
   * The Extended JSON of MongoDB in which the answer has `user.customData`, as the option `extendedJson` of the instance.
   * `false` writes plain JSON.
   * @default the option of the instance
   */
  readonly extendedJson?: ExtendedJsonFormat | false | undefined
  /**
   * Returns the body of the answer, or a promise of it, as the option `answer` of `login()`. If it throws, the answer is 500
   * `callback_failed`, and the session stays: the same refresh token gets the same successor again.
   * @default the body of RFC 6749 section 5.1, with `user`
   * @example userData.refresh({ answer: ({ access_token, refresh_token }) => ({ token: access_token, refreshToken: refresh_token }) })
   */
  readonly answer?: ((tokens: AnswerTokens<CustomData>, req: Request) => unknown) | undefined
}

interface RouteParts {
  readonly transport: RefreshTransport
  readonly failures: FailureReports
  readonly operations: Operations
  /** The field of the body that holds the refresh token. */
  readonly field: string
}

interface RefreshParts extends RouteParts {
  readonly flow: RefreshFlow
  readonly answer: AnswerCallback | undefined
  readonly timeoutMs: number
}

interface LogoutParts extends RouteParts {
  readonly endSessions: EndSessions
}

/** Creates the refresh route, which exchanges a refresh token for a new pair of tokens. */
export function createRefreshRoute({
  flow,
  transport,
  failures,
  operations,
  field,
  answer,
  timeoutMs,
}: RefreshParts): RequestHandler {
  const { needsBody } = transport
  const withAnswer = createTokenAnswer({ name: 'refresh', transport, answer, timeoutMs })
  return createTokenEndpoint(
    { name: 'refresh', needsBody, failures, operations },
    async (body, req, res, secrets) => {
      transport.requireKnownOrigin(req)
      requireRefreshGrant(body)
      return withAnswer({ req, res, secrets }, deliver =>
        flow.run({
          client: clientOf(req),
          presented: transport.read(req, body, field),
          deliver,
          onOfNoUse: () => {
            if (!needsBody) transport.clear(res)
          },
        }),
      )
    },
  )
}

/**
 * Creates the logout route. It also takes the names of RFC 7009: `token`, and `token_type_hint`, which it ignores. A token that
 * is not valid any more is no error (RFC 7009 section 2.2). A browser with an access token in a cookie can log out without a
 * refresh token, which its page may have lost.
 */
export function createLogoutRoute({
  endSessions,
  transport,
  failures,
  operations,
  field,
}: LogoutParts): RequestHandler {
  const holdsCookie = (req: Request) => transport.heldAccessTokens(req).length > 0
  const needsBody = (req: Request) => transport.needsBody && (hasBody(req) || !holdsCookie(req))
  return createTokenEndpoint({ name: 'logout', needsBody, failures, operations }, async (given, req, res) => {
    transport.requireKnownOrigin(req)
    const body = toLogoutBody(given, field)
    // A client that keeps its token must send it. A browser without a cookie is logged out already.
    const mustSend = transport.needsBody && !holdsCookie(req)
    const tokens = mustSend ? transport.read(req, body, field) : transport.readToEnd(req, body, field)
    await endSessions(tokens, clientOf(req), transport.heldAccessTokens(req))
    transport.clear(res)
    return undefined
  })
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** Refuses what a refresh cannot give: another grant, or a scope, since no scope is ever granted (RFC 6749 section 6). */
function requireRefreshGrant(body: RequestBody): void {
  const grantType = readParameter(body, 'grant_type')
  if (grantType !== undefined && grantType !== 'refresh_token') {
    const message = 'This route takes the grant_type refresh_token.'
    throw new CustomUserDataError('unsupported_grant_type', message)
  }
  if (readParameter(body, 'scope') === undefined) return
  throw new CustomUserDataError('invalid_scope', 'The session has no scopes: leave out the scope.')
}

/** The body of a logout, with the refresh token under its own name. */
function toLogoutBody(body: RequestBody, field: string): RequestBody {
  const token = readParameter(body, 'token')
  if (token === undefined) return body
  const refreshToken = readParameter(body, field)
  if (refreshToken !== undefined && refreshToken !== token) {
    const message = `The body has two different tokens, token and ${field}: send one.`
    throw new CustomUserDataError('invalid_request', message)
  }
  return { ...body, [field]: token }
}

/** A parameter of OAuth. One without a value counts as missing, and one that came twice is refused (RFC 6749 3.2). */
function readParameter(body: RequestBody, name: string): string | undefined {
  const value = Object.hasOwn(body, name) ? body[name] : undefined
  if (value === undefined || value === '') return undefined
  if (typeof value === 'string') return value
  throw new CustomUserDataError('invalid_request', `"${name}" must be a text.`)
}
