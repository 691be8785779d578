import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { resolveMongoUri } from '../../examples/support/start-mongod.js'
import { measureDistantDatabase } from './distant-database.js'
import { toMedians } from './figures.js'
import type { Section } from './figures.js'
import { toGoals } from './goals.js'
import { measureFirstRequests, measureHerd } from './herd.js'
import { measureCandidates, measureFromClaim, toHttpSection } from './http.js'
import type { Measured } from './http.js'
import { installPeers } from './install-peers.js'
import { describeMachine } from './machine.js'
import type { Machine } from './machine.js'
import { FULL, PICTURE, QUICK } from './plan.js'
import { toSvg } from './plot.js'
import { toMarkdown } from './report.js'
import type { Results } from './report.js'
import { measureInProcess, measureMemory, measureMisses, measureRefreshes, measureStart } from './sections.js'
import { startWorker } from './worker.js'

// Compares this package with the usual alternatives. --quick measures coarsely, --only=misses,herd measures a part: then
// nothing is written. --picture measures and writes what the picture of the README shows, and nothing else.

const { values: flags } = parseArgs({
  options: { quick: { type: 'boolean' }, only: { type: 'string' }, picture: { type: 'boolean' } },
})
const isQuick = flags.quick === true
const isPicture = flags.picture === true
const only = isPicture ? ['http'] : flags.only?.split(',')
const plan = isQuick ? QUICK : isPicture ? PICTURE : FULL
const RESULTS = new URL('results/', import.meta.url)
const PICTURE_FILE = new URL('../../docs/images/comparison.svg', import.meta.url)
/** Progress is no part of what is printed: the last line of stdout is the JSON. */
const report = (line: string) =>
  console.error(`${(performance.now() / 1000).toFixed(0).padStart(4)} s  ${line}`)

await installPeers()
const mongo = await resolveMongoUri()
const jobs = startWorker('jobs.js')
try {
  const address = { mongoUri: mongo.uri, database: `bench_${randomBytes(4).toString('hex')}` }
  await jobs.ask('seed', { ...address, users: plan.memoryUsers }, 120_000)
  const machine = describeMachine(await jobs.ask<string>('serverVersion'))
  const measured = await measureAll(address)
  await finish({ machine, ...measured })
} finally {
  // A database that could not be made cannot be dropped; the error that counts is another.
  await jobs.ask('dropDatabase').catch(() => undefined)
  await jobs.stop()
  await mongo.stop()
}

async function measureAll(address: { mongoUri: string; database: string }) {
  const parts = {
    inProcess: () => measureInProcess(plan, address),
    misses: () => measureMisses(plan, address),
    refreshes: () => measureRefreshes(plan, address),
    roundTrips: () => measureDistantDatabase(address),
    herd: () => measureHerd(plan, address, jobs),
    start: () => measureStart(plan),
    firstRequests: () => measureFirstRequests(plan, address),
    memory: () => measureMemory(plan, address),
    fromClaim: () => measureFromClaim(plan, address),
  }
  requireKnown(['http', ...Object.keys(parts)])
  const http = only && !only.includes('http') ? [] : await measureCandidates(plan, address, report)
  const sections: Section[] = []
  for (const [name, measure] of Object.entries(parts)) {
    if (only && !only.includes(name)) continue
    const isLate = performance.now() > plan.sectionsUntilMs
    if (!isLate) sections.push(await measure())
    report(isLate ? `${name}: no time left` : name)
  }
  return { sections, http }
}

/** Refuses unknown names, because a misspelt section would silently not be measured. */
function requireKnown(names: readonly string[]): void {
  const unknown = only?.find(name => !names.includes(name))
  if (unknown !== undefined)
    throw new Error(`There is no part "${unknown}": write some of ${names.join(',')}.`)
}

async function finish({ machine, sections, http }: Omit<Results, 'goals'>): Promise<void> {
  const medians = toMedians([toHttpSection(http), ...sections])
  const results = { machine, sections, http, goals: toGoals(medians) }
  const markdown = toMarkdown(results)
  console.log(markdown)
  if (!isQuick && !only) {
    await mkdir(RESULTS, { recursive: true })
    await write(`${machine['date'] ?? 'undated'}.md`, markdown)
    await write('latest.md', markdown)
    await write('latest.json', `${JSON.stringify({ ...results, medians }, null, 2)}\n`)
  }
  if (!isQuick && (isPicture || !only)) await writeFile(PICTURE_FILE, toPicture(http, machine))
  console.log(JSON.stringify(medians))
}

function toPicture(http: readonly Measured[], machine: Machine): string {
  const bars = http.flatMap(({ candidate: { label, kind }, extraMicros, readsPerThousand }) =>
    label === undefined ? [] : [{ label, extraMicros, readsPerThousand, isOurs: kind === 'ours' }],
  )
  return toSvg(bars, machine)
}

async function write(name: string, text: string): Promise<void> {
  await writeFile(new URL(name, RESULTS), text)
}
