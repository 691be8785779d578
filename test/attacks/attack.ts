import type { AttackContext, ContextAlgorithm } from './context.js'

/** A request as it goes over the wire: nothing of a client library's manners stands in the way. */
export interface AttackRequest {
  readonly method?: string
  /** `/` is guarded as the package comes; `/anywhere` also reads tokens from the query and from forms. */
  readonly path?: string
  /** Whole lines, in their order. */
  readonly headers: readonly string[]
  readonly body?: string
}

/** One row of the table. */
export interface Attack {
  /** The requirement or the hole in a peer that it stands for: B, T, A, O and P of the standards, V of peers. */
  readonly id: string
  readonly title: string
  /** Where the row says something: all kinds of keys, unless it names some. */
  readonly contexts: readonly ContextAlgorithm[]
  /** The status that the standards ask for. 200 where a stricter guard would lock somebody out. */
  readonly expected: number
  /** A rule of RFC 9068 or of this package that a peer does not set out to keep: shown, and counted apart. */
  readonly isBeyondPeers: boolean
  readonly request: (context: AttackContext) => AttackRequest | Promise<AttackRequest>
}

/** What most rows leave as it is. */
export type AttackDetails = Partial<Pick<Attack, 'contexts' | 'expected' | 'isBeyondPeers'>>

const ALL_CONTEXTS: readonly ContextAlgorithm[] = ['HS256', 'RS256', 'ES256']

/** A row about a whole request. */
export function attack(
  id: string,
  title: string,
  request: Attack['request'],
  { contexts = ALL_CONTEXTS, expected = 401, isBeyondPeers = false }: AttackDetails = {},
): Attack {
  return { id, title, contexts, expected, isBeyondPeers, request }
}

/** A row about a token that is sent as it should be. */
export function tokenAttack(
  id: string,
  title: string,
  token: (context: AttackContext) => string | Promise<string>,
  details?: AttackDetails,
): Attack {
  return attack(id, title, async context => withToken(await token(context)), details)
}

/** A request with a token in its Authorization header. */
export function withToken(token: string): AttackRequest {
  return { headers: [`Authorization: Bearer ${token}`] }
}

/** Titles with what makes each row different. */
export function rowsOf<T>(rows: readonly (readonly [title: string, value: T])[]): typeof rows {
  return rows
}
