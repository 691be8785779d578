import type { RequestHandler } from 'express'
import { parseRefreshToken } from '../sessions/refresh-token.js'
import type { SessionStore } from '../sessions/session-store.js'
import type { TokenAnswer } from '../types.js'
import { createTokenEndpoint, requireText } from './token-endpoint.js'
import type { RequestBody } from './token-endpoint.js'

const MAX_REFRESH_TOKEN_LENGTH = 1_024

/** Creates the refresh route: `{ "refresh_token": "…" }` for a new pair of tokens. */
export function createRefreshRoute(
  refresh: (refreshToken: string) => Promise<TokenAnswer<object>>,
): RequestHandler {
  return createTokenEndpoint('refresh', body => refresh(readRefreshToken(body)))
}

/** Creates the logout route. A token that is not good any more is no error (RFC 7009 section 2.2). */
export function createLogoutRoute(sessions: SessionStore): RequestHandler {
  return createTokenEndpoint('logout', async body => {
    const token = parseRefreshToken(readRefreshToken(body))
    if (token) await sessions.revoke(token)
    return undefined
  })
}

function readRefreshToken(body: RequestBody): string {
  return requireText(body, 'refresh_token', MAX_REFRESH_TOKEN_LENGTH)
}
