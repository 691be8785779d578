import { COMPARED } from './candidates.js'
import type { Candidate } from './candidates.js'
import type { PairPlan } from './fresh-pair.js'

/** How alternating slots of a loop are run. */
export interface LoopPlan {
  /** Fresh processes: what V8 makes of the code in one of them is good for some 2 %. */
  readonly launches: number
  /** Slots of each loop in a launch. */
  readonly rounds: number
  readonly slotMs: number
  readonly concurrency: number
}

/** One measurement of the memory that a token takes. */
export interface MemoryPlan {
  readonly tokens: number
  readonly users: number
  /** Whether all users have the same document, because so many documents are not stored. */
  readonly oneDocument: boolean
}

/** How much of everything is measured. */
export interface Plan {
  /** Of candidates over HTTP, by their kind. */
  readonly pairs: Readonly<Record<Candidate['kind'], PairPlan>>
  /** No further round over HTTP begins after so many milliseconds, and no further candidate. */
  readonly httpUntilMs: number
  /** No further section begins after so many milliseconds. */
  readonly sectionsUntilMs: number
  /** The candidates, or all of them. */
  readonly candidates: readonly string[] | undefined
  /** The calls that are timed in process, or all of them. */
  readonly calls: readonly string[] | undefined
  readonly minCpuMs: number
  readonly memory: readonly MemoryPlan[]
  /** The time limit for caching tokens. Figures are for each token that is cached by then. */
  readonly fillLimitMs: number
  /** Users with a document that the plans of `memory` and the bound need. */
  readonly memoryUsers: number
  readonly bound: { readonly tokens: number; readonly maxSnapshotBytes: number }
  readonly herds: number
  readonly herdWarmUpMs: number
  readonly misses: LoopPlan
  readonly refreshes: LoopPlan
  readonly starts: number
  readonly firstRequests: number
}

const CONCURRENCY = 16

/** What `npm run bench` does. */
export const FULL: Plan = {
  pairs: {
    reference: { launches: 3, rounds: 6, slotMs: 1_000, warmUpMs: 1_500 },
    // One launch is good to some 6 %.
    ours: { launches: 5, rounds: 6, slotMs: 1_000, warmUpMs: 1_500 },
    peer: { launches: 3, rounds: 3, slotMs: 1_000, warmUpMs: 1_000 },
  },
  httpUntilMs: Infinity,
  sectionsUntilMs: Infinity,
  candidates: undefined,
  calls: undefined,
  minCpuMs: 1_000,
  memory: [
    { tokens: 10_000, users: 10_000, oneDocument: false },
    { tokens: 100_000, users: 100_000, oneDocument: false },
    { tokens: 100_000, users: 10_000, oneDocument: false },
    { tokens: 1_000_000, users: 1_000_000, oneDocument: true },
  ],
  fillLimitMs: 480_000,
  memoryUsers: 100_000,
  bound: { tokens: 60_000, maxSnapshotBytes: 64 * 2 ** 20 },
  herds: 7,
  herdWarmUpMs: 1_500,
  misses: { launches: 4, rounds: 30, slotMs: 150, concurrency: CONCURRENCY },
  refreshes: { launches: 2, rounds: 30, slotMs: 150, concurrency: CONCURRENCY },
  starts: 10,
  firstRequests: 5,
}

const PICTURE_PAIR: PairPlan = { launches: 3, rounds: 5, slotMs: 1_000, warmUpMs: 1_500 }

/** What `npm run bench -- --picture` does: the candidates of the picture. */
export const PICTURE: Plan = {
  ...FULL,
  pairs: { reference: PICTURE_PAIR, ours: PICTURE_PAIR, peer: PICTURE_PAIR },
  candidates: COMPARED.map(({ name }) => name),
}

const QUICK_PAIR: PairPlan = { launches: 1, rounds: 4, slotMs: 250, warmUpMs: 500 }

/** What `npm run bench -- --quick` does: coarser, and within a minute. */
export const QUICK: Plan = {
  pairs: { reference: QUICK_PAIR, ours: QUICK_PAIR, peer: { ...QUICK_PAIR, rounds: 2, warmUpMs: 300 } },
  httpUntilMs: 24_000,
  sectionsUntilMs: 40_000,
  candidates: [
    'bare',
    'ours HS256',
    'passport-jwt + findOne',
    'base',
    'ours RS256',
    'ours ES256',
    'express-oauth2-jwt-bearer (HS256) + findOne',
    'better-auth, cookie cache on',
  ],
  calls: ['hit', 'hitInPassport', 'passportAlone'],
  minCpuMs: 200,
  memory: [{ tokens: 10_000, users: 10_000, oneDocument: false }],
  fillLimitMs: 4_000,
  memoryUsers: 10_000,
  bound: { tokens: 10_000, maxSnapshotBytes: 12 * 2 ** 20 },
  herds: 2,
  herdWarmUpMs: 400,
  misses: { launches: 1, rounds: 10, slotMs: 120, concurrency: CONCURRENCY },
  refreshes: { launches: 1, rounds: 8, slotMs: 120, concurrency: CONCURRENCY },
  starts: 3,
  firstRequests: 1,
}
