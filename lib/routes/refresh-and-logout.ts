import type { RequestHandler } from 'express'
import type { FailureReports } from '../authenticate/failure-reports.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { invalidGrant } from '../sessions/session-errors.js'
import type { Sessions } from '../sessions/sessions.js'
import type { TokenIssuer } from '../login/token-issuer.js'
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
  readonly sessions: Pick<Sessions, 'recognise' | 'end' | 'sidOf'>
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
  return createTokenEndpoint({ name: 'refresh', needsBody, failures }, async (body, req, res) => {
    transport.requireKnownOrigin(req)
    requireRefreshGrant(body)
    const presented = transport.read(req, body)
    const address = toShownAddress(req.ip)
    const report = (error: unknown): never => {
      if (asCustomUserDataError(error)?.code === 'invalid_grant') {
        const sid = presented.map(token => sessions.sidOf(token)).find(found => found !== undefined)
        events.emit('refresh_refused', { reason: sid === undefined ? 'unknown' : 'ended', sid, address })
      }
      throw error
    }
    const choice = await chooseToken(presented, sessions, tokens =>
      madeUpTokens.remove(tokens, req.ip),
    ).catch(report)
    if (choice instanceof AmbiguousTokens) {
      // With these cookies the client could never refresh again, and it is unknown which session is the user's.
      transport.clear(res)
      throw choice.refusal
    }
    const answer = await tokenIssuer.refresh(choice, address).catch(report)
    hooks.after('afterRefresh', { id: answer.user.id }, req)
    return transport.hand(res, answer)
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

/** The result for several refresh tokens if none of them may be used, with the error to answer. */
class AmbiguousTokens {
  constructor(readonly refusal: CustomUserDataError) {}
}

/**
 * The refresh token to exchange. A browser that holds several cookies with one name sends all of them. They are looked up
 * without an exchange, because exchanging an old one would end its session as a stolen token does.
 */
async function chooseToken(
  presented: readonly string[],
  sessions: Pick<Sessions, 'recognise'>,
  removeMadeUp: (tokens: readonly string[]) => Promise<string[]>,
): Promise<string | AmbiguousTokens> {
  const different = [...new Set(presented)]
  if (presented.length > MAX_CANDIDATES) return ambiguous(`more than ${MAX_CANDIDATES} refresh cookies`)
  const [first, ...others] = await removeMadeUp(different)
  if (first === undefined) throw invalidGrant()
  if (different.length === 1) return first
  const recognised = await Promise.all(
    [first, ...others].map(async token => ({ token, session: await sessions.recognise(token) })),
  )
  const alive = recognised.filter(({ session }) => session !== undefined)
  if (new Set(alive.map(({ session }) => session?.sid)).size > 1)
    return ambiguous('refresh cookies of several sessions')
  const usable =
    alive.find(({ session }) => session?.state === 'current') ??
    alive.find(({ session }) => session?.state === 'exchanged')
  // A refresh that fails never clears cookies: a login or refresh at the same time may just have set a new one.
  if (!usable) throw invalidGrant()
  return usable.token
}

function ambiguous(found: string): AmbiguousTokens {
  const message = `The request has ${found}. They are cleared. Log in again.`
  return new AmbiguousTokens(new CustomUserDataError('invalid_request', message))
}
