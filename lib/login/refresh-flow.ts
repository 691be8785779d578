import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { parseRefreshToken } from '../sessions/refresh-token.js'
import { invalidGrant } from '../sessions/session-errors.js'
import type { Sessions } from '../sessions/sessions.js'
import type { Client } from './client.js'
import type { HookCalls } from './hooks.js'
import type { MadeUpTokens } from './made-up-tokens.js'
import type { Deliver, IssuedTokens, TokenIssuer } from './token-issuer.js'

interface RefreshFlowParts {
  readonly tokenIssuer: Pick<TokenIssuer, 'refresh'>
  readonly sessions: Pick<Sessions, 'recognise' | 'inspect' | 'isLongOver'>
  readonly madeUpTokens: MadeUpTokens
  readonly hooks: HookCalls
  readonly events: Pick<Events, 'emit'>
}

/** One request to refresh. */
export interface RefreshRequest {
  readonly client: Client
  /** The refresh tokens that the client presents, one or more. Only cookies present more than one. */
  readonly presented: readonly string[]
  /** Gives the tokens to the client. If it rejects, the old refresh token gets the same successor again. */
  readonly deliver?: Deliver
  /** Called if the client could never refresh again with the tokens that it presents. */
  readonly onOfNoUse?: () => void
}

/** The most refresh tokens of one request that are looked up, because each costs a query. */
export const MAX_CANDIDATES = 4

/** Refreshes, in this order: find the token of a live session, exchange it, issue tokens, deliver them, look
 * whether the session has ended meanwhile, call the hook. */
export class RefreshFlow {
  readonly #parts: RefreshFlowParts

  constructor(parts: RefreshFlowParts) {
    this.#parts = parts
  }

  /** Runs a refresh. Rejects as `TokenIssuer.refresh()` does, and with `too_many_attempts` or `invalid_request`. */
  async run({ client, presented, deliver, onOfNoUse }: RefreshRequest): Promise<IssuedTokens> {
    const ours = new Set<string>()
    const issued = await this.#exchange(presented, client, ours).catch(async (error: unknown) => {
      this.#reportRefusal(error, presented, client)
      if (onOfNoUse && (await this.#areOfNoUse([...ours], error))) onOfNoUse()
      throw error
    })
    const { id } = issued.answer.user
    await deliver?.(issued)
    try {
      issued.requireAlive()
    } catch (error) {
      this.#reportRefusal(error, presented, client)
      throw error
    }
    this.#parts.hooks.after('afterRefresh', { id }, client)
    return issued
  }

  /** `ours` gets the tokens that are not made up. */
  async #exchange(presented: readonly string[], client: Client, ours: Set<string>): Promise<IssuedTokens> {
    const { tokenIssuer, sessions, madeUpTokens } = this.#parts
    const different = toDifferent(presented)
    for (const token of await madeUpTokens.remove(different, client)) ours.add(token)
    const isAlone = new Set(presented).size === 1
    return tokenIssuer.refresh(await chooseToken([...ours], isAlone, sessions), client.address ?? undefined)
  }

  #reportRefusal(error: unknown, presented: readonly string[], { address }: Client): void {
    if (asCustomUserDataError(error)?.code !== 'invalid_grant') return
    const { sessions, events } = this.#parts
    const sid = presented.map(token => sessions.inspect(token)).find(found => found?.isSealed)?.sid
    const reason = sid === undefined ? 'unknown' : 'ended'
    events.emit('refresh_refused', { reason, sid, address: address ?? undefined })
  }

  /**
   * Whether the client could never refresh again with its cookies, so that they are cleared. A cookie whose session ended
   * just now stays: the login that ended the session may just have set a new cookie, and this answer would clear that one.
   * Tokens that are made up are of no use at once.
   */
  async #areOfNoUse(ours: readonly string[], error: unknown): Promise<boolean> {
    if (error instanceof AmbiguousTokens) return true
    if (asCustomUserDataError(error)?.code !== 'invalid_grant') return false
    try {
      const areOver = await Promise.all(ours.map(token => this.#parts.sessions.isLongOver(token)))
      return areOver.every(Boolean)
    } catch {
      // Without an answer of MongoDB nobody knows, and the refusal of the refresh is the answer all the same.
      return false
    }
  }
}

/** The request has too many refresh cookies, or cookies of several sessions, so the server cannot know the user's session. */
class AmbiguousTokens extends CustomUserDataError {
  constructor(found: string) {
    super('invalid_request', `The request has ${found}. They are cleared. Log in again.`)
  }
}

/** The different tokens of a request. Values that cannot be a refresh token do not count for the limit. */
function toDifferent(presented: readonly string[]): string[] {
  const different = [...new Set(presented)].filter(token => parseRefreshToken(token) !== undefined)
  if (different.length <= MAX_CANDIDATES) return different
  throw new AmbiguousTokens(`more than ${MAX_CANDIDATES} refresh cookies`)
}

/**
 * The refresh token to exchange. A browser that holds several cookies with one name sends all of them. They are looked up
 * without an exchange, because exchanging an old one would end its session as a stolen token does.
 *
 * @param isAlone whether the request presents only one value, so that an old token is a sign of theft
 */
async function chooseToken(
  [first, ...others]: readonly string[],
  isAlone: boolean,
  sessions: Pick<Sessions, 'recognise'>,
): Promise<string> {
  if (first === undefined) throw invalidGrant()
  if (isAlone) return first
  const recognised = await Promise.all(
    [first, ...others].map(async token => ({ token, session: await sessions.recognise(token) })),
  )
  const alive = recognised.filter(({ session }) => session !== undefined)
  if (new Set(alive.map(({ session }) => session?.sid)).size > 1)
    throw new AmbiguousTokens('refresh cookies of several sessions')
  const usable =
    alive.find(({ session }) => session?.state === 'current') ??
    alive.find(({ session }) => session?.state === 'exchanged')
  if (!usable) throw invalidGrant()
  return usable.token
}
