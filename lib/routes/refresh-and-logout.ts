import type { Request, RequestHandler } from 'express'
import type { FailureReports } from '../authenticate/failure-reports.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { parseRefreshToken } from '../sessions/refresh-token.js'
import { invalidGrant } from '../sessions/session-errors.js'
import type { Sessions } from '../sessions/sessions.js'
import type { IssuedTokens, TokenIssuer } from '../login/token-issuer.js'
import type { HookCalls } from '../login/hooks.js'
import type { MadeUpTokens } from '../login/made-up-tokens.js'
import type { ExtendedJsonFormat } from '../token-data/extended-json.js'
import { toShownAddress } from '../util/client-address.js'
import { MAX_CANDIDATES } from './refresh-transport.js'
import type { RefreshTransport } from './refresh-transport.js'
import type { RequestBody } from './request-body.js'
import { createTokenEndpoint } from './token-endpoint.js'

/** Options of `refresh()`. */
export interface RefreshOptions {
  /**
   * The Extended JSON of MongoDB in which the answer has `user.customData`, as the option `extendedJson` of the instance.
   * `false` writes plain JSON.
   * @default the option of the instance
   */
  readonly extendedJson?: ExtendedJsonFormat | false
}

interface RefreshParts {
  readonly sessions: Pick<Sessions, 'recognise' | 'end' | 'inspect' | 'isLongOver'>
  readonly madeUpTokens: MadeUpTokens
  readonly transport: RefreshTransport
  readonly hooks: HookCalls
  readonly failures: FailureReports
  readonly events: Pick<Events, 'emit'>
}

/** Creates the refresh route, which exchanges a refresh token for a new pair of tokens. */
export function createRefreshRoute(
  tokenIssuer: TokenIssuer,
  { sessions, madeUpTokens, transport, hooks, failures, events }: RefreshParts,
): RequestHandler {
  const { needsBody } = transport

  /** `ours` gets the tokens that are not made up. */
  async function refresh(
    presented: readonly string[],
    req: Request,
    ours: Set<string>,
  ): Promise<IssuedTokens> {
    const different = toDifferent(presented)
    for (const token of await madeUpTokens.remove(different, req.ip)) ours.add(token)
    const isAlone = new Set(presented).size === 1
    return tokenIssuer.refresh(await chooseToken([...ours], isAlone, sessions), toShownAddress(req.ip))
  }

  function reportRefusal(error: unknown, presented: readonly string[], req: Request): void {
    if (asCustomUserDataError(error)?.code !== 'invalid_grant') return
    const sid = presented.map(token => sessions.inspect(token)).find(found => found?.isSealed)?.sid
    const reason = sid === undefined ? 'unknown' : 'ended'
    events.emit('refresh_refused', { reason, sid, address: toShownAddress(req.ip) })
  }

  return createTokenEndpoint({ name: 'refresh', needsBody, failures }, async (body, req, res) => {
    transport.requireKnownOrigin(req)
    requireRefreshGrant(body)
    const presented = transport.read(req, body)
    const ours = new Set<string>()
    const issued = await refresh(presented, req, ours).catch(async (error: unknown) => {
      reportRefusal(error, presented, req)
      if (!needsBody && (await isOfNoUse([...ours], sessions, error))) transport.clear(res)
      throw error
    })
    hooks.after('afterRefresh', { id: issued.answer.user.id }, req)
    return transport.hand(res, issued)
  })
}

/**
 * Creates the logout route. It also takes the names of RFC 7009: `token`, and `token_type_hint`, which it ignores. A token that
 * is not valid any more is no error (RFC 7009 section 2.2).
 */
export function createLogoutRoute(parts: RefreshParts): RequestHandler {
  const { sessions, madeUpTokens, transport, hooks, failures } = parts
  const { needsBody } = transport
  return createTokenEndpoint({ name: 'logout', needsBody, failures }, async (given, req, res) => {
    transport.requireKnownOrigin(req)
    const body = toLogoutBody(given)
    // A client that keeps its token must send it. A browser without the cookie is logged out already.
    const tokens = needsBody ? transport.read(req, body) : transport.readToEnd(req, body)
    const ours = await madeUpTokens.remove(tokens, req.ip)
    const userIds = await Promise.all(ours.map(token => sessions.end(token, 'logout')))
    for (const id of userIds) if (id !== undefined) hooks.after('afterLogout', { id }, req)
    transport.clear(res)
    return undefined
  })
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
function toLogoutBody(body: RequestBody): RequestBody {
  const token = readParameter(body, 'token')
  if (token === undefined) return body
  const refreshToken = readParameter(body, 'refresh_token')
  if (refreshToken !== undefined && refreshToken !== token) {
    const message = 'The body has two different tokens, token and refresh_token: send one.'
    throw new CustomUserDataError('invalid_request', message)
  }
  return { ...body, refresh_token: token }
}

/** A parameter of OAuth. One without a value counts as missing, and one that came twice is refused (RFC 6749 3.2). */
function readParameter(body: RequestBody, name: string): string | undefined {
  const value = Object.hasOwn(body, name) ? body[name] : undefined
  if (value === undefined || value === '') return undefined
  if (typeof value === 'string') return value
  throw new CustomUserDataError('invalid_request', `"${name}" must be a text.`)
}

/**
 * Whether the client could never refresh again with its cookies, so that they are cleared. A cookie whose session ended just
 * now stays: the login that ended the session may just have set a new cookie, and this answer would clear that one. Tokens
 * that are made up are of no use at once.
 */
async function isOfNoUse(
  ours: readonly string[],
  sessions: Pick<Sessions, 'isLongOver'>,
  error: unknown,
): Promise<boolean> {
  if (error instanceof AmbiguousTokens) return true
  if (asCustomUserDataError(error)?.code !== 'invalid_grant') return false
  try {
    const areOver = await Promise.all(ours.map(token => sessions.isLongOver(token)))
    return areOver.every(Boolean)
  } catch {
    // Without an answer of MongoDB nobody knows, and the refusal of the refresh is the answer all the same.
    return false
  }
}

/** The request has too many refresh cookies, or cookies of several sessions, so the server cannot know the user's session. */
class AmbiguousTokens extends CustomUserDataError {
  constructor(found: string) {
    super('invalid_request', `The request has ${found}. They are cleared. Log in again.`)
  }
}

/** The different tokens of a request. Values that cannot be a refresh token do not count for the limit. */
function toDifferent(presented: readonly string[]): string[] {
  const different = [...new Set(presented)].filter(token => parseRefreshToken(token) !== undefined)
  if (different.length <= MAX_CANDIDATES) return different
  throw new AmbiguousTokens(`more than ${MAX_CANDIDATES} refresh cookies`)
}

/**
 * The refresh token to exchange. A browser that holds several cookies with one name sends all of them. They are looked up
 * without an exchange, because exchanging an old one would end its session as a stolen token does.
 *
 * @param isAlone whether the request presents only one value, so that an old token is a sign of theft
 */
async function chooseToken(
  [first, ...others]: readonly string[],
  isAlone: boolean,
  sessions: Pick<Sessions, 'recognise'>,
): Promise<string> {
  if (first === undefined) throw invalidGrant()
  if (isAlone) return first
  const recognised = await Promise.all(
    [first, ...others].map(async token => ({ token, session: await sessions.recognise(token) })),
  )
  const alive = recognised.filter(({ session }) => session !== undefined)
  if (new Set(alive.map(({ session }) => session?.sid)).size > 1)
    throw new AmbiguousTokens('refresh cookies of several sessions')
  const usable =
    alive.find(({ session }) => session?.state === 'current') ??
    alive.find(({ session }) => session?.state === 'exchanged')
  if (!usable) throw invalidGrant()
  return usable.token
}
