import type { TokenVerifier } from '../access-tokens/token-verifier.js'

/** Resolves to the ids of the sessions of access tokens that are ours and valid, without duplicates. Never rejects. */
export type FindSessions = (accessTokens: readonly string[]) => Promise<string[]>

/** Creates the function that finds the sessions to end of a browser that holds access tokens in a cookie. */
export function createSessionFinder(verifyToken: TokenVerifier, ownIssuer: string | undefined): FindSessions {
  async function sidOf(token: string): Promise<string | undefined> {
    try {
      const { iss, sid } = (await verifyToken(token)).claims
      return iss === ownIssuer && typeof sid === 'string' ? sid : undefined
    } catch {
      // Nobody may end a session by a token that is not valid.
      return undefined
    }
  }

  return async accessTokens => {
    const sids = await Promise.all(accessTokens.map(sidOf))
    return [...new Set(sids.filter(sid => sid !== undefined))]
  }
}
