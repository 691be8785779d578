import type { AttackContext, ContextAlgorithm } from './context.js'

/** A request as it goes over the wire. A client library would correct it. */
export interface AttackRequest {
  readonly method?: string
  /** `/` has the default guard, and `/anywhere` also reads tokens from the query and from forms. */
  readonly path?: string
  /** Whole header lines, in order. */
  readonly headers: readonly string[]
  readonly body?: string
}

/** One row of the table. */
export interface Attack {
  readonly title: string
  /** The kinds of keys with which the attack makes sense. */
  readonly contexts: readonly ContextAlgorithm[]
  /** The status that the standards require. It is 200 where a stricter guard would refuse legitimate clients. */
  readonly expected: number
  /** Whether the rule is one of RFC 9068 or of this package, which other packages do not claim to keep. */
  readonly isBeyondPeers: boolean
  readonly request: (context: AttackContext) => AttackRequest | Promise<AttackRequest>
}

/** Details that most rows leave at their defaults. */
export type AttackDetails = Partial<Pick<Attack, 'contexts' | 'expected' | 'isBeyondPeers'>>

const ALL_CONTEXTS: readonly ContextAlgorithm[] = ['HS256', 'RS256', 'ES256']

/** Makes a row about a whole request. */
export function attack(
  title: string,
  request: Attack['request'],
  { contexts = ALL_CONTEXTS, expected = 401, isBeyondPeers = false }: AttackDetails = {},
): Attack {
  return { title, contexts, expected, isBeyondPeers, request }
}

/** Makes a row about a token in an ordinary request. */
export function tokenAttack(
  title: string,
  token: (context: AttackContext) => string | Promise<string>,
  details?: AttackDetails,
): Attack {
  return attack(title, async context => withToken(await token(context)), details)
}

/** Makes a request with a token in its Authorization header. */
export function withToken(token: string): AttackRequest {
  return { headers: [`Authorization: Bearer ${token}`] }
}

/** Types a list of titles and their values. */
export function rowsOf<T>(rows: readonly (readonly [title: string, value: T])[]): typeof rows {
  return rows
}
