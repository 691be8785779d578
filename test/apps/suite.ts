import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Tests } from './app.js'
import { run } from './programs.js'

const MOCHA_REPORTER = fileURLToPath(new URL('mocha-reporter.cjs', import.meta.url))

/** The results of some runs of an app's tests. */
export interface SuiteResult {
  /** Tests that passed in every run. */
  readonly passed: ReadonlySet<string>
  /** Tests that failed in at least one run, were left out, or did not run because their file could not be loaded. */
  readonly failed: ReadonlySet<string>
  /** How many names of tests passed in each run. */
  readonly passes: readonly number[]
  /** The end of the output of the last run in which something failed. */
  readonly output: string
}

/**
 * Runs an app's tests several times. A test that is missing in one run counts as failed, because its file could not be loaded
 * there. A name that several tests have counts as failed if one of them does.
 */
export async function runSuite(
  tests: Tests,
  options: { cwd: string; env: Readonly<Record<string, string>>; runs: number },
): Promise<SuiteResult> {
  const names = new Set<string>()
  const failed = new Set<string>()
  const passes: ReadonlySet<string>[] = []
  let output = ''
  for (let count = 0; count < options.runs; count += 1) {
    const { results, output: printed } = await runOnce(tests, options)
    const refused = results.filter(({ result }) => result !== 'pass')
    for (const { name } of results) names.add(name)
    for (const { name } of refused) failed.add(name)
    passes.push(new Set(results.filter(({ result }) => result === 'pass').map(({ name }) => name)))
    if (refused.length > 0 || results.length === 0) output = printed
  }
  for (const name of names) if (passes.some(run => !run.has(name))) failed.add(name)
  const passed = new Set([...names].filter(name => !failed.has(name)))
  return { passed, failed, passes: passes.map(({ size }) => size), output: output.slice(-6_000) }
}

interface Result {
  readonly name: string
  readonly result: string
}

async function runOnce(
  { runner, command }: Tests,
  { cwd, env }: { cwd: string; env: Readonly<Record<string, string>> },
): Promise<{ results: readonly Result[]; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'app-tests-'))
  const file = join(folder, 'results.json')
  const reporting = runner === 'jest' ? ['--json', `--outputFile=${file}`] : ['--reporter', MOCHA_REPORTER]
  const { output } = await run([...command, ...reporting], { cwd, env: { ...env, TEST_RESULTS: file } })
  // Without a file the runner itself failed, and every test that passed before is missing.
  const text = await readFile(file, 'utf8').catch(() => '')
  await rm(folder, { recursive: true })
  if (text === '') return { results: [], output }
  return { results: runner === 'jest' ? resultsOfJest(text) : (JSON.parse(text) as Result[]), output }
}

function resultsOfJest(text: string): Result[] {
  const { testResults } = JSON.parse(text) as {
    testResults: { assertionResults: { fullName: string; status: string }[] }[]
  }
  return testResults.flatMap(({ assertionResults }) =>
    assertionResults.map(({ fullName, status }) => ({
      name: fullName,
      result: status === 'passed' ? 'pass' : status,
    })),
  )
}
