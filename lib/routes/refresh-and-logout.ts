import type { RequestHandler } from 'express'
import type { FailureReports } from '../authenticate/failure-reports.js'
import { CustomUserDataError } from '../errors.js'
import { invalidGrant } from '../sessions/session-errors.js'
import type { Sessions } from '../sessions/sessions.js'
import type { TokenIssuer } from '../login/token-issuer.js'
import type { HookCalls } from '../login/hooks.js'
import type { MadeUpTokens } from '../login/made-up-tokens.js'
import { MAX_CANDIDATES } from './refresh-transport.js'
import type { RefreshTransport } from './refresh-transport.js'
import { createTokenEndpoint } from './token-endpoint.js'

interface RefreshParts {
  readonly sessions: Pick<Sessions, 'recognise' | 'end'>
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
  return createTokenEndpoint({ name: 'refresh', needsBody, failures }, async (body, req, res) => {
    transport.requireKnownOrigin(req)
    const choice = await chooseToken(transport.read(req, body), sessions, tokens =>
      madeUpTokens.remove(tokens, req.ip),
    )
    if (choice instanceof AmbiguousTokens) {
      // With these cookies the client could never refresh again, and it is unknown which session is the user's.
      transport.clear(res)
      throw choice.refusal
    }
    const issued = await tokenIssuer.refresh(choice)
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
    alive.find(({ session }) => session?.state === 'previous')
  // A refresh that fails never clears cookies: a login or refresh at the same time may just have set a new one.
  if (!usable) throw invalidGrant()
  return usable.token
}

function ambiguous(found: string): AmbiguousTokens {
  const message = `The request has ${found}. They are cleared. Log in again.`
  return new AmbiguousTokens(new CustomUserDataError('invalid_request', message))
}
