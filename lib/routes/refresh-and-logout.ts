import type { Request, RequestHandler } from 'express'
import type { FailureReports } from '../authenticate/failure-reports.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { invalidGrant } from '../sessions/session-errors.js'
import type { Sessions } from '../sessions/sessions.js'
import type { IssuedTokens, TokenIssuer } from '../login/token-issuer.js'
import type { HookCalls } from '../login/hooks.js'
import type { MadeUpTokens } from '../login/made-up-tokens.js'
import { MAX_CANDIDATES } from './refresh-transport.js'
import type { RefreshTransport } from './refresh-transport.js'
import { createTokenEndpoint } from './token-endpoint.js'

interface RefreshParts {
  readonly sessions: Pick<Sessions, 'recognise' | 'end' | 'isLongOver'>
  readonly madeUpTokens: MadeUpTokens
  readonly transport: RefreshTransport
  readonly hooks: HookCalls
  readonly failures: FailureReports
}

/** Creates the refresh route, which exchanges a refresh token for a new pair of tokens. */
export function createRefreshRoute(
  tokenIssuer: TokenIssuer,
  { sessions, madeUpTokens, transport, hooks, failures }: RefreshParts,
): RequestHandler {
  const { needsBody } = transport

  async function refresh(presented: readonly string[], req: Request): Promise<IssuedTokens> {
    const token = await chooseToken(presented, sessions, tokens => madeUpTokens.remove(tokens, req.ip))
    return tokenIssuer.refresh(token)
  }

  return createTokenEndpoint({ name: 'refresh', needsBody, failures }, async (body, req, res) => {
    transport.requireKnownOrigin(req)
    const presented = transport.read(req, body)
    const issued = await refresh(presented, req).catch(async (error: unknown) => {
      if (!needsBody && (await isOfNoUse(presented, sessions, error))) transport.clear(res)
      throw error
    })
    hooks.after('afterRefresh', { id: issued.answer.user.id }, req)
    return transport.hand(res, issued)
  })
}

/** Creates the logout route. A token that is not valid any more is no error (RFC 7009 section 2.2). */
export function createLogoutRoute(parts: RefreshParts): RequestHandler {
  const { sessions, madeUpTokens, transport, hooks, failures } = parts
  const { needsBody } = transport
  return createTokenEndpoint({ name: 'logout', needsBody, failures }, async (body, req, res) => {
    transport.requireKnownOrigin(req)
    // A client that keeps its token must send it. A browser without the cookie is logged out already.
    const tokens = needsBody ? transport.read(req, body) : transport.readToEnd(req, body)
    const ours = await madeUpTokens.remove(tokens, req.ip)
    const userIds = await Promise.all(ours.map(token => sessions.end(token)))
    for (const id of userIds) if (id !== undefined) hooks.after('afterLogout', { id }, req)
    transport.clear(res)
    return undefined
  })
}

/**
 * Whether the client could never refresh again with its cookies, so that they are cleared. A cookie whose session ended just
 * now stays: the login that ended the session may just have set a new cookie, and this answer would clear that one.
 */
async function isOfNoUse(
  presented: readonly string[],
  sessions: Pick<Sessions, 'isLongOver'>,
  error: unknown,
): Promise<boolean> {
  if (error instanceof AmbiguousTokens) return true
  if (asCustomUserDataError(error)?.code !== 'invalid_grant') return false
  try {
    const areOver = await Promise.all(
      presented.slice(0, MAX_CANDIDATES).map(token => sessions.isLongOver(token)),
    )
    return areOver.every(Boolean)
  } catch {
    // Without an answer of MongoDB nobody knows, and the refusal of the refresh is the answer all the same.
    return false
  }
}

/** Several refresh tokens of which none may be used. It is unknown which session is the user's. */
class AmbiguousTokens extends CustomUserDataError {
  constructor(found: string) {
    super('invalid_request', `The request has ${found}. They are cleared. Log in again.`)
  }
}

/**
 * The refresh token to exchange. A browser that holds several cookies with one name sends all of them. They are looked up
 * without an exchange, because exchanging an old one would end its session as a stolen token does.
 */
async function chooseToken(
  presented: readonly string[],
  sessions: Pick<Sessions, 'recognise'>,
  removeMadeUp: (tokens: readonly string[]) => Promise<string[]>,
): Promise<string> {
  const different = [...new Set(presented)]
  if (presented.length > MAX_CANDIDATES)
    throw new AmbiguousTokens(`more than ${MAX_CANDIDATES} refresh cookies`)
  const [first, ...others] = await removeMadeUp(different)
  if (first === undefined) throw invalidGrant()
  if (different.length === 1) return first
  const recognised = await Promise.all(
    [first, ...others].map(async token => ({ token, session: await sessions.recognise(token) })),
  )
  const alive = recognised.filter(({ session }) => session !== undefined)
  if (new Set(alive.map(({ session }) => session?.sid)).size > 1)
    throw new AmbiguousTokens('refresh cookies of several sessions')
  const usable =
    alive.find(({ session }) => session?.state === 'current') ??
    alive.find(({ session }) => session?.state === 'previous')
  if (!usable) throw invalidGrant()
  return usable.token
}
