/**
 * Runs every test, part after part, and prints how long each part took: `npm run test:all`. With names, it runs only
 * these parts: `npm run test:all -- oldest load`. The last line counts the tests of all parts.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { countTests, formatCounts, sumCounts } from './counts.js'
import type { Counts } from './counts.js'

interface Part {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly env?: Readonly<Record<string, string>>
  /** Whether the command is a program of its own, which takes no arguments of vitest and counts as one test. */
  readonly isProgram?: true
}

// The same tests run with both ends of the peer ranges, so it is enough to measure the coverage once.
const PARTS: readonly Part[] = [
  { name: 'newest', command: ['npm', 'test', '--'] },
  { name: 'oldest', command: ['npx', 'vitest', 'run', '--project', 'oldest', '--coverage'] },
  { name: 'examples', command: ['npx', 'vitest', 'run', '--project', 'examples'] },
  { name: 'consumers', command: ['npx', 'vitest', 'run', '--project', 'consumers'] },
  { name: 'frameworks', command: ['npx', 'vitest', 'run', '--project', 'frameworks'] },
  { name: 'load', command: ['npx', 'vitest', 'run', '--project', 'load'] },
  { name: 'browser', command: ['npx', 'vitest', 'run', '--project', 'browser'] },
  { name: 'feed', command: ['npm', 'run', 'test:feed'], env: { ROUNDS: '20' }, isProgram: true },
]

const results = choose(process.argv.slice(2)).map(runPart)
console.log()
for (const { name, counts, seconds } of results) {
  console.log(`${name.padEnd(10)} ${String(seconds).padStart(5)} s   ${formatCounts(counts)}`)
}
const total = sumCounts(results.map(({ counts }) => counts))
console.log(formatCounts(total))
process.exitCode = total.passed > 0 && total.failed === 0 ? 0 : 1

function choose(names: readonly string[]): readonly Part[] {
  const unknown = names.find(name => !PARTS.some(part => part.name === name))
  if (unknown === undefined) return PARTS.filter(({ name }) => names.length === 0 || names.includes(name))
  throw new Error(`There is no part "${unknown}". The parts are ${PARTS.map(({ name }) => name).join(', ')}.`)
}

function runPart(part: Part): { name: string; counts: Counts; seconds: number } {
  console.log(`\n=== ${part.name}`)
  const began = performance.now()
  const counts = part.isProgram ? runProgram(part) : runTests(part)
  return { name: part.name, counts, seconds: Math.round((performance.now() - began) / 1000) }
}

function runProgram(part: Part): Counts {
  const passed = spawn(part) === 0
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 }
}

function runTests(part: Part): Counts {
  const folder = mkdtempSync(join(tmpdir(), 'test-all-'))
  const report = join(folder, 'report.json')
  const status = spawn(part, ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`])
  const counts = countTests(report, status)
  rmSync(folder, { recursive: true })
  return counts
}

function spawn({ command: [file, ...args], env }: Part, more: readonly string[] = []): number | null {
  const options = { stdio: 'inherit', env: { ...process.env, ...env } } as const
  return spawnSync(file, [...args, ...more], options).status
}
