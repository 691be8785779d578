import type { Events } from '../events.js'
import type { Sessions } from '../sessions/sessions.js'
import { describeForLog } from '../util/redaction.js'
import type { FindSessions } from './access-token-session.js'

/** Ends the sessions of tokens that a client held until its login, valid or not. Never rejects. */
export type EndReplacedSessions = (
  refreshTokens: readonly string[],
  accessTokens?: readonly string[],
) => Promise<void>

/**
 * Creates the function that ends the sessions that a login replaces (ASVS 7.2.4). It waits, so that they have ended when the
 * client gets its answer. A failure does not withhold the answer.
 */
export function createEndReplacedSessions({
  sessions,
  findSessions,
  events,
}: {
  readonly sessions: Pick<Sessions, 'end' | 'endSid' | 'inspect'>
  readonly findSessions: FindSessions
  readonly events: Pick<Events, 'warn'>
}): EndReplacedSessions {
  function warn(error: unknown): void {
    const message =
      'A login could not end the session that it replaces. The session stays until its user ends it or it expires: ' +
      describeForLog(error)
    events.warn({ code: 'session_not_removed', message })
  }

  return async (refreshTokens, accessTokens = []) => {
    const ended = refreshTokens.map(token => sessions.inspect(token)).filter(found => found?.isSealed)
    const sids = await findSessions(accessTokens)
    // Both tokens of a browser usually belong to one session, which needs to be ended only once.
    const others = sids.filter(sid => !ended.some(found => found?.sid === sid))
    await Promise.all([
      ...refreshTokens.map(token => sessions.end(token, 'login').catch(warn)),
      ...others.map(sid => sessions.endSid(sid, 'login').catch(warn)),
    ])
  }
}
