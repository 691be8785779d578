import type { Figure, Section } from './figures.js'
import type { DatabaseAddress } from './fresh-pair.js'
import type { Plan } from './plan.js'
import { quantile, spreadOf } from './statistics.js'
import { startWorker } from './worker.js'
import type { Worker } from './worker.js'

interface Started {
  readonly port: number
  readonly headers: readonly object[]
}

interface Herd {
  readonly latencies: readonly number[]
  readonly failures: Readonly<Record<string, number>>
}

const HERD = 1_000
const LIMIT_MS = 60_000

/** Compares 1,000 simultaneous requests with one new token with the same requests on a bare route. */
export async function measureHerd(plan: Plan, address: DatabaseAddress, jobs: Worker): Promise<Section> {
  const workers = [startWorker('server.js'), startWorker('server.js'), startWorker('load.js')] as const
  const [oursWorker, bareWorker, load] = workers
  try {
    const ours = await oursWorker.ask<Started>('start', { name: 'ours HS256', ...address }, LIMIT_MS)
    const bare = await bareWorker.ask<Started>('start', { name: 'bare', ...address }, LIMIT_MS)
    for (const { port } of [ours, bare]) await warmUp(load, port, ours.headers, plan.herdWarmUpMs)
    const queries: number[] = []
    const times: { ours: number; bare: number }[] = []
    for (let user = 0; user < plan.herds; user++) {
      const headers = [{ authorization: `Bearer ${await jobs.ask<string>('coldToken', { user })}` }]
      const bareP99 = await sendHerd(load, bare.port, headers)
      await jobs.ask('startCounting')
      times.push({ bare: bareP99, ours: await sendHerd(load, ours.port, headers) })
      queries.push(await jobs.ask<number>('stopCounting'))
    }
    return toSection(queries, times)
  } finally {
    await Promise.all(workers.map(worker => worker.stop()))
  }
}

function toSection(queries: readonly number[], times: readonly { ours: number; bare: number }[]): Section {
  const figures: Figure[] = [
    {
      key: 'herd.queries',
      title: 'queries for 1,000 requests at once, as the server counted them',
      unit: 'queries',
      spread: spreadOf(queries),
    },
    {
      key: 'herd.p99OfBare',
      title: 'p99 of such a herd, as a ratio of the bare route',
      unit: 'ratio',
      spread: spreadOf(times.map(({ ours, bare }) => ours / bare)),
    },
    {
      key: 'herd.p99Ms',
      title: 'p99 of such a herd',
      unit: 'ms',
      spread: spreadOf(times.map(({ ours }) => ours)),
    },
  ]
  return { title: 'Cold herd', figures }
}

async function warmUp(load: Worker, port: number, headers: readonly object[], ms: number): Promise<void> {
  await load.ask('open', { port, headers, connections: 50 })
  await load.ask('slot', { port, ms })
  await load.ask('close', { port })
}

/** The p99 in milliseconds, from the first byte sent. */
async function sendHerd(load: Worker, port: number, headers: readonly object[]): Promise<number> {
  await load.ask('open', { port, headers, connections: HERD })
  const { latencies, failures } = await load.ask<Herd>('herd', { port })
  await load.ask('close', { port })
  if (Object.keys(failures).length > 0)
    throw new Error(`Not all answers were 200: ${JSON.stringify(failures)}`)
  return quantile(latencies, 0.99)
}

/** Compares the first request of a new process with the first request of the base. */
export async function measureFirstRequests(plan: Plan, address: DatabaseAddress): Promise<Section> {
  const times: { ours: number; base: number }[] = []
  while (times.length < plan.firstRequests) {
    const ours = await timeFirstRequest('ours HS256', address)
    times.push({ ours, base: await timeFirstRequest('base', address) })
  }
  const figure = (key: string, title: string, values: readonly number[]): Figure => {
    return { key, title, unit: 'ms', spread: spreadOf(values) }
  }
  return {
    title: 'First request after start',
    figures: [
      figure(
        'firstRequest.ms',
        'ours, on a cold token',
        times.map(({ ours }) => ours),
      ),
      figure(
        'firstRequest.baseMs',
        'the base',
        times.map(({ base }) => base),
      ),
    ],
  }
}

async function timeFirstRequest(name: string, address: DatabaseAddress): Promise<number> {
  const workers = [startWorker('server.js'), startWorker('load.js')] as const
  const [server, load] = workers
  try {
    const { port, headers } = await server.ask<Started>('start', { name, ...address }, LIMIT_MS)
    await load.ask('open', { port, headers, connections: 1 })
    const { latencies } = await load.ask<Herd>('herd', { port })
    return quantile(latencies, 0.5)
  } finally {
    await Promise.all(workers.map(worker => worker.stop()))
  }
}
