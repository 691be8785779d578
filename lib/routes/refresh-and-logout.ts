import type { RequestHandler } from 'express'
import type { Sessions } from '../sessions/sessions.js'
import type { TokenIssuer } from '../token-issuer.js'
import type { RefreshTransport } from './refresh-transport.js'
import { createTokenEndpoint } from './token-endpoint.js'

/** Creates the refresh route: a refresh token for a new pair of tokens. */
export function createRefreshRoute(tokenIssuer: TokenIssuer, transport: RefreshTransport): RequestHandler {
  return createTokenEndpoint({ name: 'refresh', needsBody: transport.needsBody }, async (body, req, res) => {
    transport.requireSameSite(req)
    return transport.hand(res, await tokenIssuer.refresh(transport.read(req, body)))
  })
}

/** Creates the logout route. A token that is not good any more is no error (RFC 7009 section 2.2). */
export function createLogoutRoute(sessions: Sessions, transport: RefreshTransport): RequestHandler {
  return createTokenEndpoint({ name: 'logout', needsBody: transport.needsBody }, async (body, req, res) => {
    transport.requireSameSite(req)
    // A client that holds its token in the body must send it; a browser whose cookie is gone is logged out already.
    const tokens = transport.needsBody ? [transport.read(req, body)] : transport.readAll(req, body)
    for (const token of tokens) await sessions.end(token)
    transport.clear(res)
    return undefined
  })
}
