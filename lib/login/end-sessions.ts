import type { Sessions } from '../sessions/sessions.js'
import type { FindSessions } from './access-token-session.js'
import type { Client } from './client.js'
import type { HookCalls } from './hooks.js'
import type { MadeUpTokens } from './made-up-tokens.js'

interface EndSessionsParts {
  readonly sessions: Pick<Sessions, 'end' | 'endSid'>
  readonly findSessions: FindSessions
  readonly madeUpTokens: MadeUpTokens
  readonly hooks: HookCalls
}

/**
 * Ends the sessions of refresh tokens for their client. Without a refresh token it ends those of valid access tokens. A token
 * that is not valid any more is no error.
 */
export type EndSessions = ReturnType<typeof createEndSessions>

/** Creates the function behind `logout()` and `endSession()`. */
export function createEndSessions({ sessions, findSessions, madeUpTokens, hooks }: EndSessionsParts) {
  return async (
    refreshTokens: readonly string[],
    client: Client,
    accessTokens: readonly string[] = [],
  ): Promise<void> => {
    const ours = await madeUpTokens.remove(refreshTokens, client)
    const sids = refreshTokens.length === 0 ? await findSessions(accessTokens) : []
    const userIds = await Promise.all([
      ...ours.map(token => sessions.end(token, 'logout')),
      ...sids.map(sid => sessions.endSid(sid, 'logout')),
    ])
    for (const id of userIds) if (id !== undefined) hooks.after('afterLogout', { id }, client)
  }
}
