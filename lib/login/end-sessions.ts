import type { Sessions } from '../sessions/sessions.js'
import type { Client } from './client.js'
import type { HookCalls } from './hooks.js'
import type { MadeUpTokens } from './made-up-tokens.js'

interface EndSessionsParts {
  readonly sessions: Pick<Sessions, 'end'>
  readonly madeUpTokens: MadeUpTokens
  readonly hooks: HookCalls
}

/** Ends the sessions of refresh tokens for their client. A token that is not valid any more is no error. */
export type EndSessions = ReturnType<typeof createEndSessions>

/** Creates the function behind `logout()` and `endSession()`. */
export function createEndSessions({ sessions, madeUpTokens, hooks }: EndSessionsParts) {
  return async (refreshTokens: readonly string[], client: Client): Promise<void> => {
    const ours = await madeUpTokens.remove(refreshTokens, client.address)
    const userIds = await Promise.all(ours.map(token => sessions.end(token, 'logout')))
    for (const id of userIds) if (id !== undefined) hooks.after('afterLogout', { id }, client)
  }
}
