import { single } from './figures.js'
import type { Figure, Section, Unit } from './figures.js'
import type { DatabaseAddress } from './fresh-pair.js'
import type { LoopPlan, MemoryPlan, Plan } from './plan.js'
import { spreadOf } from './statistics.js'
import type { Spread } from './statistics.js'
import { startWorker } from './worker.js'

/** A worker's one call, and the end of the worker. */
async function runWorker<T>(
  file: string,
  call: string,
  input: object,
  { limitMs = 120_000, execArgv = [] }: { limitMs?: number; execArgv?: readonly string[] } = {},
): Promise<T> {
  const worker = startWorker(file, execArgv)
  try {
    return await worker.ask<T>(call, input, limitMs)
  } finally {
    await worker.stop()
  }
}

const CALLS: Readonly<Record<string, string>> = {
  hit: 'the whole middleware, cached token, on 512 requests in turn',
  hitNewRequest: 'the same on a request of Express that nobody has touched: `user` is a new property',
  newProperty: '`user` added to such a request, and nothing else',
  hitInPassport: 'strategy() inside passport.authenticate, cached token, on one request again and again',
  passportAlone: 'passport.authenticate around a strategy that does nothing, likewise',
  hitInPassportManyRequests: 'strategy() inside passport.authenticate, on 512 requests in turn',
  passportAloneManyRequests: 'passport.authenticate around a strategy that does nothing, likewise',
  hash: 'crypto.hash of the token alone',
  verifyHs256: 'jsonwebtoken, HS256, KeyObject',
  verifyRs256: 'jsonwebtoken, RS256, KeyObject',
  verifyEs256: 'jsonwebtoken, ES256, KeyObject',
}

/** One cached token, without HTTP. Each call in a process of its own: what V8 learns of one is no good to another. */
export async function measureInProcess(plan: Plan, address: DatabaseAddress): Promise<Section> {
  const figures: Figure[] = []
  for (const name of plan.calls ?? Object.keys(CALLS)) {
    const input = { name, minCpuMs: plan.minCpuMs, ...address }
    const spread = await runWorker<Spread>('in-process.js', 'run', input)
    figures.push({ key: `inProcess.${name}`, title: CALLS[name]!, unit: 'µs', spread })
  }
  return { title: 'In process', note: 'One call; a quarter of the samples lies above the range.', figures }
}

interface TokenMemory {
  readonly cached: number
  readonly total: number
  readonly content: number
  readonly pauseMs: number
}

/** The heap for each token, and the bound in bytes compared with the real heap. */
export async function measureMemory(
  { memory, bound, fillLimitMs }: Plan,
  address: DatabaseAddress,
): Promise<Section> {
  const execArgv = ['--expose-gc', '--max-old-space-size=16384']
  const options = { execArgv, limitMs: 600_000 }
  const figures: Figure[] = []
  for (const plan of memory) {
    const input = { ...plan, fillLimitMs, ...address }
    figures.push(
      ...toMemoryFigures(plan, await runWorker<TokenMemory>('memory.js', 'perToken', input, options)),
    )
  }
  const input = { ...bound, fillLimitMs, ...address }
  const grown = await runWorker<number | undefined>('memory.js', 'bound', input, options)
  if (grown !== undefined) {
    const title = `heap of a full cache, of maxSnapshotBytes = ${bound.maxSnapshotBytes / 2 ** 20} MiB`
    figures.push(single('memory.boundRatio', title, 'ratio', grown / bound.maxSnapshotBytes))
  }
  return { title: 'Memory', note: 'Documents of 472 bytes of BSON, tokens of 400 characters.', figures }
}

function toMemoryFigures(
  { tokens, users }: MemoryPlan,
  { cached, total, content, pauseMs }: TokenMemory,
): Figure[] {
  const isShared = users < tokens
  const key = `memory.${tokens}${isShared ? 'shared' : ''}`
  const whose = isShared ? `, ${tokens / users} of one user each` : ''
  const title = `${cached.toLocaleString('en')} tokens${whose}`
  return [
    single(`${key}.bytes`, `${title}: heap by token`, 'bytes', total),
    single(`${key}.overhead`, `${title}: beyond its claims and document`, 'bytes', total - content),
    single(`${key}.pauseMs`, `${title}: a full collection`, 'ms', pauseMs),
  ]
}

type LoopRounds<Name extends string> = readonly Readonly<Record<Name, number>>[]

/** New tokens, compared with a loop of one verification and one query. */
export async function measureMisses(
  { misses, memoryUsers }: Plan,
  address: DatabaseAddress,
): Promise<Section> {
  const run = (setup: LoopSetup) => runLoop<'ours' | 'bare'>('misses.js', misses, setup)
  const bare = 'of jsonwebtoken.verify (KeyObject) + findOne'
  const known = await run(address)
  const unknown = await run({ ...address, users: memoryUsers })
  const figures = [
    over('miss.ofBare', `a miss, ${bare}`, 'ratio', known, r => r.ours / r.bare),
    over('miss.perSecond', 'misses', 'per second', known, r => r.ours),
    over('miss.ofNewUser.ofBare', `the first of a user, ${bare}`, 'ratio', unknown, r => r.ours / r.bare),
    over('miss.ofNewUser.perSecond', 'the first of a user', 'per second', unknown, r => r.ours),
  ]
  return { title: 'Misses', note: `In process, ${misses.concurrency} at a time, HS256.`, figures }
}

/** The refresh route, compared with bare loops. */
export async function measureRefreshes({ refreshes }: Plan, address: DatabaseAddress): Promise<Section> {
  const rounds = await runLoop<'ours' | 'bare' | 'compareAndSet'>('refreshes.js', refreshes, address)
  const bare = 'findOneAndUpdate (majority) + findOne + sign'
  const figures = [
    over('refresh.ofBare', `a refresh, of ${bare}`, 'ratio', rounds, r => r.ours / r.bare),
    over(
      'refresh.ofCompareAndSet',
      'a refresh, of that findOneAndUpdate alone',
      'ratio',
      rounds,
      r => r.ours / r.compareAndSet,
    ),
    over('refresh.perSecond', 'refreshes', 'per second', rounds, r => r.ours),
  ]
  return { title: 'Refreshes', note: `In process, ${refreshes.concurrency} at a time.`, figures }
}

interface LoopSetup extends DatabaseAddress {
  /** The number of users, if it differs from that of the other sections, where each user has many tokens. */
  readonly users?: number
}

/** The rounds of all launches. */
async function runLoop<Name extends string>(
  file: string,
  plan: LoopPlan,
  setup: LoopSetup,
): Promise<LoopRounds<Name>> {
  const rounds: Readonly<Record<Name, number>>[] = []
  for (let launch = 0; launch < plan.launches; launch++)
    rounds.push(...(await runWorker<LoopRounds<Name>>(file, 'run', { plan, ...setup })))
  return rounds
}

function over<Name extends string>(
  key: string,
  title: string,
  unit: Unit,
  rounds: LoopRounds<Name>,
  toNumber: (round: Readonly<Record<Name, number>>) => number,
): Figure {
  return { key, title, unit, spread: spreadOf(rounds.map(toNumber)) }
}

/** Import and creation, each time in a new process. */
export async function measureStart({ starts }: Plan): Promise<Section> {
  const times: number[] = []
  while (times.length < starts) times.push(await runWorker<number>('start.js', 'run', {}))
  const title = "import and creation, beyond express's and mongodb's import"
  return { title: 'Start', figures: [{ key: 'start.ms', title, unit: 'ms', spread: spreadOf(times) }] }
}
