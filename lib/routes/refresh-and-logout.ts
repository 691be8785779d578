import type { RequestHandler } from 'express'
import type { Sessions } from '../sessions/sessions.js'
import type { TokenIssuer } from '../token-issuer.js'
import type { HookCalls } from './hooks.js'
import type { RefreshTransport } from './refresh-transport.js'
import { createTokenEndpoint } from './token-endpoint.js'

/** Creates the refresh route: a refresh token for a new pair of tokens. */
export function createRefreshRoute(
  tokenIssuer: TokenIssuer,
  transport: RefreshTransport,
  hooks: HookCalls,
): RequestHandler {
  return createTokenEndpoint({ name: 'refresh', needsBody: transport.needsBody }, async (body, req, res) => {
    transport.requireSameSite(req)
    const answer = await tokenIssuer.refresh(transport.read(req, body))
    hooks.after('afterRefresh', { id: answer.user.id }, req)
    return transport.hand(res, answer)
  })
}

/** Creates the logout route. A token that is not good any more is no error (RFC 7009 section 2.2). */
export function createLogoutRoute(
  sessions: Pick<Sessions, 'end'>,
  transport: RefreshTransport,
  hooks: HookCalls,
): RequestHandler {
  return createTokenEndpoint({ name: 'logout', needsBody: transport.needsBody }, async (body, req, res) => {
    transport.requireSameSite(req)
    // A client that holds its token in the body must send it; a browser whose cookie is gone is logged out already.
    const tokens = transport.needsBody ? [transport.read(req, body)] : transport.readAll(req, body)
    for (const token of tokens) {
      const userId = await sessions.end(token)
      if (userId !== undefined) hooks.after('afterLogout', { id: userId }, req)
    }
    transport.clear(res)
    return undefined
  })
}
