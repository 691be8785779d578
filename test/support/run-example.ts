import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { MongoClient } from 'mongodb'
import type { Db } from 'mongodb'
import { inject, onTestFinished } from 'vitest'
import type { CleanUp } from './database.js'

/** The package's folder. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** An example that runs in a process of its own. */
export interface RunningExample {
  process: ChildProcess
  /** The output so far. */
  output: () => string
  /** Resolves to the match once the output matches. Rejects if the process ends before. */
  printed: (pattern: RegExp) => Promise<RegExpExecArray>
  /** Resolves to the address that the example prints when it can serve. */
  listening: () => Promise<string>
  /** Waits for the end of the process. Resolves to its exit code and the milliseconds of waiting. */
  ended: () => Promise<{ exitCode: number | null; ms: number }>
  /** Sends SIGTERM, and resolves when the process has ended. */
  stop: () => Promise<{ exitCode: number | null; ms: number }>
}

/** Environment variables of an example. An empty variable counts as unset. */
export type Environment = Record<string, string>

/** Unsets each variable that the examples read, because the environment of the test run must not matter. */
const NOTHING_SET: Environment = {
  PORT: '0',
  MONGODB_URI: '',
  ACCESS_TOKEN_SECRET: '',
  ACCESS_TOKEN_JWK: '',
  TRUSTED_ISSUERS: '',
  ACCESS_TOKEN_TTL_SECONDS: '',
  SNAPSHOT_TTL_MS: '',
  CHANGE_STREAM: '',
  REUSE_TOLERANCE_SECONDS: '',
  REFRESH_TOKEN_TRANSPORT: '',
  USER_DATA_IN_TOKEN: '',
  DEMO_PAGE: '',
}

/** Starts `examples/<path>`. TypeScript runs through tsx. */
export function runExample(
  path: string,
  env: Environment = {},
  cleanUp: CleanUp = onTestFinished,
): RunningExample {
  const loader = path.endsWith('.ts') ? ['--import', 'tsx'] : []
  return run([process.execPath, ...loader, `examples/${path}`], env, cleanUp)
}

/** Starts a TypeScript file of the package, with arguments, like an example. */
export function runScript(
  path: string,
  args: readonly string[],
  env: Environment,
  cleanUp: CleanUp,
): RunningExample {
  return run([process.execPath, '--import', 'tsx', path, ...args], env, cleanUp)
}

/** Starts an example on a database of its own, unless the environment names one, and waits until it serves. */
export async function startExample(
  path: string,
  env: Environment = {},
  cleanUp: CleanUp = onTestFinished,
): Promise<{ url: string; example: RunningExample; uri: string; db: Db }> {
  const { uri, db } = await openNamedDatabase(cleanUp)
  const example = runExample(path, { MONGODB_URI: uri, ...env }, cleanUp)
  return { url: await example.listening(), example, uri, db }
}

/** Starts the server example as its README says, in a process group of its own. */
export function runByNpm(env: Environment = {}): RunningExample {
  // Without this variable npm may look for a newer version of itself.
  return run(['npm', 'run', 'example'], { npm_config_update_notifier: 'false', ...env }, onTestFinished)
}

/** Makes a database of the run's MongoDB and a URI that names it. The database is dropped in the end. */
export async function openNamedDatabase(cleanUp: CleanUp = onTestFinished): Promise<{ uri: string; db: Db }> {
  const name = `example_${randomBytes(6).toString('hex')}`
  const uri = inject('mongoUri').replace(/^([a-z+]+:\/\/[^/?]+)[^?]*/, `$1/${name}`)
  const client = await MongoClient.connect(uri)
  const db = client.db()
  cleanUp(async () => {
    await db.dropDatabase()
    await client.close()
  })
  return { uri, db }
}

function run([command = '', ...args]: string[], env: Environment, cleanUp: CleanUp): RunningExample {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...NOTHING_SET, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let output = ''
  const collect = (chunk: Buffer) => (output += chunk.toString())
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const closed = once(child, 'close')
  // A failed test may have left the process running.
  cleanUp(() => {
    signalGroup(child, 'SIGKILL')
  })

  async function printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(output)
      if (match) return match
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`It ended without printing ${String(pattern)}:\n${output}`)
      await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), closed])
    }
  }

  async function ended() {
    const began = performance.now()
    await closed
    return { exitCode: child.exitCode, ms: performance.now() - began }
  }

  return {
    process: child,
    output: () => output,
    printed,
    listening: async () => (await printed(/^Listening on (http:\/\/127\.0\.0\.1:\d+)$/m))[1]!,
    ended,
    stop: () => {
      child.kill('SIGTERM')
      return ended()
    },
  }
}

/** Signals a process that was started here and all its children, like Ctrl-C in a terminal. */
export function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid!, signal)
  } catch (error) {
    // ESRCH: the group is empty.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
