import { median, spreadOf } from './statistics.js'
import type { Spread } from './statistics.js'
import { startWorker } from './worker.js'
import type { Worker } from './worker.js'

/** How long and how often. */
export interface PairPlan {
  /** Fresh pairs of processes; each gives one figure. */
  readonly launches: number
  /** Slots of each server in a launch. */
  readonly rounds: number
  readonly slotMs: number
  readonly warmUpMs: number
}

/** A candidate that is compared with the base or with another candidate. */
export interface PairResult {
  readonly name: string
  /** Requests a second, as a ratio to the base: one figure a launch. */
  readonly ofBase: Spread
  readonly requestsPerSecond: Spread
  /** Processor time of the server that a request costs, beyond the base's. */
  readonly extraMicros: Spread
  /** Queries that MongoDB answered for 1,000 requests, after a warm-up in which each user made requests. */
  readonly readsPerThousand: number
  /** The least share of one core that a server of the pair was busy: far below 1 and it was not the bottleneck. */
  readonly busy: number
}

/** Where servers find their data. */
export interface DatabaseAddress {
  readonly mongoUri: string
  readonly database: string
}

/** A running server and how to ask it. */
interface Server {
  readonly worker: Worker
  readonly port: number
}

interface Started {
  readonly port: number
  /** The headers of the candidate's clients, one set for each client. */
  readonly headers: readonly object[]
}

interface Slot {
  readonly requests: number
  readonly perSecond: number
  readonly microsPerRequest: number
  readonly busy: number
}

/** What the load generator counted. A request that is answered after the end of the slot is no answer of it. */
interface SlotAnswers {
  readonly answers: number
  readonly requests: number
  readonly failures: object
}

interface LaunchPlan extends PairPlan {
  readonly untilMs: number
}

interface Launch {
  readonly ratio: number
  readonly perSecond: number
  readonly extraMicros: number
  readonly readsPerThousand: number
  readonly busy: number
}

/** Connections of the load generator to each server. */
const CONNECTIONS = 50
const START_LIMIT_MS = 60_000

/**
 * Measures a candidate by fresh pairs; `undefined` where this build does not have it. After `untilMs` of this process
 * no further round begins, but there is always one.
 */
export async function measurePair(
  name: string,
  plan: PairPlan,
  address: DatabaseAddress,
  { untilMs = Infinity, base = 'base' }: { readonly untilMs?: number; readonly base?: string } = {},
): Promise<PairResult | undefined> {
  const launches: Launch[] = []
  while (launches.length < plan.launches) {
    const launch = await launchPair({ base, candidate: name }, { ...plan, untilMs }, address)
    if (launch === undefined) return undefined
    launches.push(launch)
  }
  return {
    name,
    ofBase: spreadOf(launches.map(({ ratio }) => ratio)),
    requestsPerSecond: spreadOf(launches.map(({ perSecond }) => perSecond)),
    extraMicros: spreadOf(launches.map(({ extraMicros }) => extraMicros)),
    readsPerThousand: median(launches.map(launch => launch.readsPerThousand)),
    busy: Math.min(...launches.map(({ busy }) => busy)),
  }
}

async function launchPair(
  names: { readonly base: string; readonly candidate: string },
  plan: LaunchPlan,
  address: DatabaseAddress,
): Promise<Launch | undefined> {
  const workers = [startWorker('server.js'), startWorker('server.js'), startWorker('load.js')] as const
  const [baseWorker, candidateWorker, load] = workers
  try {
    const input = (server: string) => ({ name: server, ...address })
    const [base, candidate] = await Promise.all([
      baseWorker.ask<Started>('start', input(names.base), START_LIMIT_MS),
      candidateWorker.ask<Started>('start', input(names.candidate), START_LIMIT_MS),
    ])
    // The base is sent the same bytes.
    const { headers } = candidate
    for (const { port } of [base, candidate])
      await load.ask('open', { port, headers, connections: CONNECTIONS })
    const pair = [
      { worker: baseWorker, port: base.port },
      { worker: candidateWorker, port: candidate.port },
    ] as const
    for (const server of pair) await runSlot(server, load, plan.warmUpMs)
    return await compare(pair, load, plan)
  } catch (error) {
    if (error instanceof Error && error.message.includes('not in this build')) return undefined
    throw error
  } finally {
    await Promise.all(workers.map(worker => worker.stop()))
  }
}

/** Adjacent slots, first the one and then the other first: a drift of the machine falls on both. */
async function compare(pair: readonly [Server, Server], load: Worker, plan: LaunchPlan): Promise<Launch> {
  const [base, candidate] = pair
  const rounds: { base: Slot; candidate: Slot }[] = []
  // Asked of the base's server, because the bare route has no client. Neither of them reads anything for a request.
  const readsBefore = await base.worker.ask<number>('reads')
  for (let round = 0; round < plan.rounds; round++) {
    if (round > 0 && performance.now() > plan.untilMs) break
    const run = (server: Server) => runSlot(server, load, plan.slotMs)
    if (round % 2 === 0) {
      const first = await run(base)
      rounds.push({ base: first, candidate: await run(candidate) })
    } else {
      const first = await run(candidate)
      rounds.push({ candidate: first, base: await run(base) })
    }
  }
  const reads = (await base.worker.ask<number>('reads')) - readsBefore
  const requests = rounds.reduce((sum, round) => sum + round.candidate.requests, 0)
  return {
    readsPerThousand: (reads / requests) * 1000,
    ratio: median(rounds.map(round => round.candidate.perSecond / round.base.perSecond)),
    perSecond: median(rounds.map(round => round.candidate.perSecond)),
    extraMicros: median(rounds.map(round => round.candidate.microsPerRequest - round.base.microsPerRequest)),
    busy: Math.min(
      median(rounds.map(round => round.base.busy)),
      median(rounds.map(round => round.candidate.busy)),
    ),
  }
}

async function runSlot({ worker, port }: Server, load: Worker, ms: number): Promise<Slot> {
  const before = await worker.ask<number>('usage')
  const { answers, requests, failures } = await load.ask<SlotAnswers>('slot', { port, ms })
  const micros = (await worker.ask<number>('usage')) - before
  if (answers === 0 || Object.keys(failures).length > 0) {
    throw new Error(`Not all answers were 200: ${JSON.stringify({ answers, failures })}`)
  }
  return {
    requests,
    perSecond: (answers / ms) * 1000,
    microsPerRequest: micros / answers,
    busy: micros / (ms * 1000),
  }
}
