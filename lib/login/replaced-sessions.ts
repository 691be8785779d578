import type { Events } from '../events.js'
import type { Sessions } from '../sessions/sessions.js'
import { describeForLog } from '../util/redaction.js'

/**
 * Ends the sessions that a login replaces (ASVS 7.2.4). Waits, so that they have ended when the client gets its answer. A
 * failure does not withhold the answer.
 *
 * @param replaced refresh tokens that the client held so far
 */
export async function endReplacedSessions(
  replaced: readonly string[],
  { sessions, events }: { readonly sessions: Pick<Sessions, 'end'>; readonly events: Pick<Events, 'warn'> },
): Promise<void> {
  const end = (token: string) =>
    sessions.end(token, 'login').catch((error: unknown) => {
      const message =
        'A login could not end the session that it replaces. The session stays until its user ends it or it expires: ' +
        describeForLog(error)
      events.warn({ code: 'session_not_removed', message })
    })
  await Promise.all(replaced.map(end))
}
