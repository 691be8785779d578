import type { Request, Response } from 'express'
import type { EndReplacedSessions } from '../login/replaced-sessions.js'
import type { Deliver } from '../login/token-issuer.js'
import type { AnswerTokens } from '../types.js'
import type { RefreshTransport } from './refresh-transport.js'
import { noteCookies } from './response-cookies.js'
import { answeredAlready, NO_STORE } from './token-endpoint.js'

/**
 * Does what the login route does around a login whose user the app has checked by itself: refuses requests of other pages,
 * sets the cookies, and then ends the sessions that are replaced. If it rejects, no session has begun, and the response has the
 * cookies from before.
 *
 * @param issue begins the session, and gives its tokens to `deliver` before it tells anybody of the session
 */
export async function issueWithCookies(
  res: Response,
  issue: (deliver: Deliver) => Promise<unknown>,
  parts: {
    readonly transport: RefreshTransport
    readonly endReplaced: EndReplacedSessions
    readonly refreshTokenField: string
  },
): Promise<AnswerTokens<object> | undefined> {
  const { transport, endReplaced, refreshTokenField } = parts
  const req: Request = res.req
  transport.requireKnownOrigin(req)
  transport.requireKept(req, false)
  const replaced = transport.readToEnd(req, {}, refreshTokenField)
  const held = transport.heldAccessTokens(req)
  const restore = noteCookies(res)
  let tokens: AnswerTokens<object> | undefined
  try {
    await issue(async issued => {
      if (res.headersSent) throw answeredAlready('issueTokens')
      res.set(NO_STORE)
      transport.clearReplaced(res)
      tokens = transport.hand(res, issued)
      return Promise.resolve()
    })
  } catch (error) {
    if (tokens) restore()
    throw error
  }
  await endReplaced(replaced, held)
  return tokens
}
