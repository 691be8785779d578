/**
 * Runs every test, part after part, and prints how long each part took: `npm run test:all`. With names, it runs only
 * these parts: `npm run test:all -- oldest load`. The last line counts the tests of all parts.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { formatCounts, readOutcome, sumCounts } from './counts.js'
import type { Failure, Outcome } from './counts.js'

interface Part {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly env?: Readonly<Record<string, string>>
  /** Whether the command is a program of its own, which takes no arguments of vitest and counts as one test. */
  readonly isProgram?: true
  /** Whether other such parts can run at the same time, because none of them measures. */
  readonly isShared?: true
}

/** More failures than this are not an accident of a busy machine. */
const MOST_UNSTEADY = 5

const PARTS: readonly Part[] = [
  // It has all tests of the behaviour, so the coverage is measured here.
  { name: 'newest', command: ['npm', 'test', '--', '--coverage'] },
  { name: 'oldest', command: ['npx', 'vitest', 'run', '--project', 'oldest'] },
  { name: 'docs', command: ['npx', 'vitest', 'run', '--project', 'docs'], isShared: true },
  { name: 'examples', command: ['npx', 'vitest', 'run', '--project', 'examples'], isShared: true },
  { name: 'consumers', command: ['npx', 'vitest', 'run', '--project', 'consumers'], isShared: true },
  { name: 'frameworks', command: ['npx', 'vitest', 'run', '--project', 'frameworks'], isShared: true },
  { name: 'load', command: ['npx', 'vitest', 'run', '--project', 'load'] },
  { name: 'deploys', command: ['npx', 'vitest', 'run', '--project', 'deploys'] },
  // Without the tests of failures on the example's page, which take a minute: `npm run test:browser` has them too.
  {
    name: 'browser',
    command: ['npx', 'vitest', 'run', '--project', 'browser'],
    env: { SHORT_BROWSER_TESTS: 'yes' },
    isShared: true,
  },
  { name: 'feed', command: ['npm', 'run', 'test:feed'], env: { ROUNDS: '20' }, isProgram: true },
]

interface Result extends Outcome {
  readonly name: string
  readonly seconds: number
  /** Tests that failed in the whole run and passed when their files ran alone. */
  readonly unsteady: readonly Failure[]
}

const results = choose(process.argv.slice(2)).map(runPart)
for (const { name, failures, unsteady } of results) {
  list(`Failed in ${name}`, failures)
  list(`Failed in ${name} at first, and passed when their files ran alone`, unsteady)
}
console.log()
for (const { name, counts, seconds } of results) {
  console.log(`${name.padEnd(10)} ${String(seconds).padStart(5)} s   ${formatCounts(counts)}`)
}
const total = sumCounts(results.map(({ counts }) => counts))
console.log(formatCounts(total))
process.exitCode = total.passed > 0 && total.failed === 0 ? 0 : 1

function choose(names: readonly string[]): readonly Part[] {
  const unknown = names.find(name => !PARTS.some(part => part.name === name))
  const wanted = PARTS.filter(({ name }) => names.length === 0 || names.includes(name))
  if (unknown === undefined) return joinShared(wanted)
  throw new Error(`There is no part "${unknown}". The parts are ${PARTS.map(({ name }) => name).join(', ')}.`)
}

/** Makes one run of the parts that can run at the same time. Each of them alone would leave a core idle at its end. */
function joinShared(parts: readonly Part[]): readonly Part[] {
  const shared = parts.filter(({ isShared }) => isShared)
  const [first, ...others] = shared
  if (!first || others.length === 0) return parts
  const joined: Part = {
    name: shared.map(({ name }) => name).join(', '),
    command: ['npx', 'vitest', 'run', ...shared.flatMap(({ name }) => ['--project', name])],
    env: Object.assign({}, ...shared.map(({ env }) => env)) as Record<string, string>,
  }
  return parts.flatMap(part => (part === first ? [joined] : part.isShared ? [] : [part]))
}

function list(title: string, failures: readonly Failure[]): void {
  if (failures.length > 0) console.log(`\n${title}:`)
  for (const { file, test, message } of failures) {
    console.log(`  ${relative(process.cwd(), file)}: ${test}\n    ${message}`)
  }
}

function runPart(part: Part): Result {
  console.log(`\n=== ${part.name}`)
  const began = performance.now()
  const outcome = part.isProgram ? runProgram(part) : runTwice(part)
  return { ...outcome, name: part.name, seconds: Math.round((performance.now() - began) / 1000) }
}

function runProgram(part: Part): Omit<Result, 'name' | 'seconds'> {
  const passed = spawn(part) === 0
  const counts = { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 }
  return { counts, failures: [], unsteady: [] }
}

/**
 * Runs the files with failed tests once more, by themselves. A busy machine can stop a process for longer than a test
 * allows. Such a test is not a fault of the package, but it is listed at the end, so that somebody mends it. More than a
 * few of them are no accident, so they are not tried again.
 */
function runTwice(part: Part): Omit<Result, 'name' | 'seconds'> {
  const first = runTests(part)
  const files = [...new Set(first.failures.map(({ file }) => file))]
  if (files.length === 0 || first.failures.length > MOST_UNSTEADY) return { ...first, unsteady: [] }
  console.log(`\n=== ${part.name}, once more: ${files.map(file => relative(process.cwd(), file)).join(', ')}`)
  const { counts, failures } = runTests(part, [...files, '--coverage.enabled=false', '--maxWorkers=1'])
  const unsteady = first.failures.filter(one => !failures.some(other => isSameTest(one, other)))
  const passed = first.counts.passed + first.counts.failed - counts.failed
  return { counts: { ...first.counts, passed, failed: counts.failed }, failures, unsteady }
}

function isSameTest(one: Failure, other: Failure): boolean {
  return one.file === other.file && one.test === other.test
}

function runTests(part: Part, more: readonly string[] = []): Outcome {
  const folder = mkdtempSync(join(tmpdir(), 'test-all-'))
  const report = join(folder, 'report.json')
  const status = spawn(part, [
    ...more,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ])
  const outcome = readOutcome(report, status)
  rmSync(folder, { recursive: true })
  return outcome
}

function spawn({ command: [file, ...args], env }: Part, more: readonly string[] = []): number | null {
  const options = { stdio: 'inherit', env: { ...process.env, ...env } } as const
  return spawnSync(file, [...args, ...more], options).status
}
