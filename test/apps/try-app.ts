import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import type { App, Way, WithoutUpgrade } from './app.js'
import { run } from './programs.js'
import { freePort, serve } from './serving.js'
import { runSuite } from './suite.js'
import type { SuiteResult } from './suite.js'
import { createVisit } from './visit.js'
import { createWorkingCopy } from './working-copy.js'
import type { WorkingCopy } from './working-copy.js'

/** A line of the final table. */
export interface Row {
  readonly app: string
  readonly way: string
  readonly passed: boolean
  /** What passed, or why it did not. */
  readonly result: string
}

export interface Surroundings {
  /** The folder of clones. */
  readonly clones: string
  /** The folder that gets the working copies. */
  readonly into: string
  readonly tarball: string
  readonly mongoUri: string
  readonly smtpPort: number
  /** How often the app's tests run in each state. */
  readonly runs: number
}

/** Tries each way of an app, and then the app without lifted versions. @throws Skipped if the app is not here */
export async function tryApp(
  app: App,
  surroundings: Surroundings,
  report: (row: Row) => void,
): Promise<void> {
  const { clones, into, tarball, mongoUri, runs } = surroundings
  const copy = await createWorkingCopy(app, clones, into)
  const database = `apps_${app.name.replaceAll('-', '_')}`.slice(0, 38)
  const client = new MongoClient(mongoUri)
  const env = {
    ...app.env(withDatabase(mongoUri, database), surroundings.smtpPort),
    MONGODB_URL: withDatabase(mongoUri, database),
    NODE_ENV: 'test',
    PORT: String(await freePort()),
  }
  const row = (way: string, problems: readonly string[], result: string): void => {
    report({ app: app.name, way, passed: problems.length === 0, result: problems.join('\n') || result })
  }

  try {
    await copy.applyFloor()
    const before = await suiteOf(app, { cwd: copy.folder, env, runs })
    const unlisted = [...before.failed].filter(name => app.tests?.failing.includes(name) !== true)
    const problems = unlisted.map(name => `fails, and is not listed as failing: ${name}`)
    if (app.tests && before.passed.size === 0) problems.push('none of the tests passed')
    row('before', problems.length > 0 ? [...problems, before.output] : [], counted(app, before))

    for (const way of app.ways) {
      await client.db(database).dropDatabase()
      await copy.applyWay(way.name, tarball)
      const found = await tryWay(app, way, { copy, env, runs, before, client, database })
      row(way.name, found.problems, `${counted(app, found.after)}; our requests pass`)
    }
    if (app.withoutUpgrade) await tryWithoutUpgrade(app, app.withoutUpgrade, { copy, env, tarball, row })
  } finally {
    await client.db(database).dropDatabase()
    await client.close()
  }
}

type Env = Readonly<Record<string, string>>

async function tryWay(
  app: App,
  way: Way,
  state: {
    copy: WorkingCopy
    env: Env
    runs: number
    before: SuiteResult
    client: MongoClient
    database: string
  },
): Promise<{ problems: readonly string[]; after: SuiteResult }> {
  const { copy, env, runs, before, client, database } = state
  const cwd = copy.folder
  const problems: string[] = []
  for (const check of way.checks ?? []) {
    const { exitCode, output } = await run(check, { cwd, env })
    if (exitCode !== 0) problems.push(`${check.join(' ')} failed:\n${output.slice(-6_000)}`)
  }
  const after = await suiteOf(app, { cwd, env, runs })
  const lost = [...before.passed].filter(name => !after.passed.has(name) && !way.replaced?.includes(name))
  problems.push(...lost.map(name => `passed before, and not with the package: ${name}`))
  const back = (way.replaced ?? []).filter(name => after.passed.has(name))
  problems.push(...back.map(name => `is listed as replaced, and passes: ${name}`))
  if (problems.length > 0) problems.push(after.output)

  const server = serve(app.start, { cwd, env })
  try {
    await server.answering()
    await way.requests(createVisit(server.url, client.db(database), server.output))
  } catch (error) {
    problems.push(
      error instanceof Error ? `our requests: ${error.message}\n${error.stack ?? ''}` : String(error),
    )
  } finally {
    await server.end()
  }
  return { problems, after }
}

async function tryWithoutUpgrade(
  app: App,
  { versions, npm, app: message, logs }: WithoutUpgrade,
  state: {
    copy: WorkingCopy
    env: Env
    tarball: string
    row: (way: string, problems: readonly string[], result: string) => void
  },
): Promise<void> {
  const { copy, env, tarball, row } = state
  const way = app.ways.at(-1)?.name ?? ''
  const { output, exitCode } = await copy.installWithout(way, versions, tarball)
  const problems: string[] = []
  let shown: string
  if (npm) {
    if (!npm.test(output)) problems.push(`npm did not say ${npm.source}:\n${output}`)
    shown = `npm: ${lineWith(npm, output)}`
  } else {
    const installed = await Promise.all(versions.map(version => liftedTo(copy, version)))
    if (exitCode !== 0 || installed.includes(undefined)) problems.push(`npm did not lift them:\n${output}`)
    shown = `npm: no message, it installs ${installed.join(' and ')}`
  }
  if (message) {
    await copy.force(versions, tarball)
    const server = serve(app.start, { cwd: copy.folder, env })
    // The app ends with the message, or goes on without the package.
    await server.answering().catch(() => undefined)
    await server.end()
    const printed = `${server.output()}${logs === undefined ? '' : await contentsOf(join(copy.folder, logs))}`
    if (!message.test(printed)) problems.push(`the app did not say ${message.source}:\n${printed}`)
    shown += `\n  app: ${lineWith(message, printed)}`
  }
  row('without upgrade', problems, shown)
}

async function suiteOf(
  { tests }: App,
  options: { cwd: string; env: Env; runs: number },
): Promise<SuiteResult> {
  return tests ? runSuite(tests, options) : { passed: new Set(), failed: new Set(), passes: [], output: '' }
}

function counted({ tests }: App, { passed, failed, passes }: SuiteResult): string {
  if (!tests) return 'no tests of theirs'
  return `tests that pass, in each run: ${passes.join(', ')}; of ${passed.size + failed.size}`
}

/** What is installed instead of a version such as `mongoose@7.0.2`, or nothing if it is still there. */
async function liftedTo(copy: WorkingCopy, version: string): Promise<string | undefined> {
  const name = version.slice(0, version.lastIndexOf('@'))
  const installed = `${name}@${await copy.installed(name)}`
  return installed === version ? undefined : installed
}

function lineWith(pattern: RegExp, text: string): string {
  return text.split('\n').find(line => pattern.test(line)) ?? ''
}

async function contentsOf(folder: string): Promise<string> {
  const names = await readdir(folder)
  const files = await Promise.all(names.map(name => readFile(join(folder, name), 'utf8')))
  return files.join('\n')
}

function withDatabase(uri: string, name: string): string {
  const url = new URL(uri)
  url.pathname = `/${name}`
  // Some apps append to the name of the database. Drivers find the replica set without this.
  url.search = ''
  return url.href
}
