/** A figure that this package sets itself. */
export interface Goal {
  readonly title: string
  readonly value: number
  readonly wanted: string
  readonly isReached: boolean
}

type Medians = Readonly<Record<string, number>>
type Rule = readonly [title: string, value: (medians: Medians) => number, low: number, high: number]

const RULES: readonly Rule[] = [
  ...['hs256', 'rs256', 'es256'].map((alg): Rule => [
    `${alg.toUpperCase()}, cached, of the base`,
    m => at(m, `http.${alg}.ofBase`),
    0.92,
    Infinity,
  ]),
  ['times passport-jwt + findOne', m => timesOf(m, 'passportJwt'), 7, Infinity],
  ['times express-oauth2-jwt-bearer + findOne (HS256)', m => timesOf(m, 'oauth2Hs256'), 4, Infinity],
  ['times express-oauth2-jwt-bearer + findOne (RS256)', m => timesOf(m, 'oauth2Rs256'), 4, Infinity],
  ['times better-auth, cookie cache on', m => timesOf(m, 'betterAuthCached'), 4, Infinity],
  ['served from the claim, of cached', m => at(m, 'http.fromClaim.ofCached'), 0.94, Infinity],
  ['a hit in process, µs', m => at(m, 'inProcess.hit'), 0, 1.5],
  ['strategy() inside passport, on one request, µs', m => at(m, 'inProcess.hitInPassport'), 0, 2],
  ['queries of a cold herd', m => at(m, 'herd.queries'), 1, 1],
  ["p99 of a cold herd, of a bare one's", m => at(m, 'herd.p99OfBare'), 0, 1.25],
  ['bytes beyond claims and document, 100,000 tokens', m => at(m, 'memory.100000.overhead'), -Infinity, 150],
  [
    'bytes beyond claims and document, 1,000,000 tokens',
    m => at(m, 'memory.1000000.overhead'),
    -Infinity,
    150,
  ],
  ['heap of a full cache, of its bound', m => at(m, 'memory.boundRatio'), 0.5, 1],
  ['a miss, of one verification and one query', m => at(m, 'miss.ofBare'), 0.9, Infinity],
  ['a refresh, of compare-and-set, findOne and sign', m => at(m, 'refresh.ofBare'), 0.8, Infinity],
  ['commands in sequence of a login with the throttle', m => at(m, 'roundTrips.login'), 1, 4],
  ['commands in sequence of a login without it', m => at(m, 'roundTrips.loginWithoutThrottle'), 1, 3],
  ['commands in sequence of a wrong password', m => at(m, 'roundTrips.wrongPassword'), 1, 3],
  ['commands in sequence of a refresh', m => at(m, 'roundTrips.refresh'), 1, 2],
  ['start, ms', m => at(m, 'start.ms'), 0, 150],
]

/** The goals with their measured values, without the goals that were not measured. */
export function toGoals(medians: Medians): Goal[] {
  return RULES.map(([title, toValue, low, high]) => {
    const value = toValue(medians)
    return { title, value, wanted: toRange(low, high), isReached: value >= low && value <= high }
  }).filter(({ value }) => !Number.isNaN(value))
}

function at(medians: Medians, key: string): number {
  return medians[key] ?? NaN
}

function timesOf(medians: Medians, peer: string): number {
  return at(medians, 'http.hs256.ofBase') / at(medians, `http.${peer}.ofBase`)
}

function toRange(low: number, high: number): string {
  if (low === high) return String(low)
  if (high === Infinity) return `at least ${low}`
  return low > 0 ? `${low} to ${high}` : `at most ${high}`
}
