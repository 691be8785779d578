import { spawn } from 'node:child_process'
import { dirname, delimiter } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from './app.js'

export interface Outcome {
  /** `null` if a signal ended the program, as after its time limit. */
  readonly exitCode: number | null
  /** Both streams together. */
  readonly output: string
}

export interface ProgramOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly limitMs?: number
}

/** Our tsx starts an app in TypeScript that has no program for it which runs on this Node.js. */
const OUR_BIN = fileURLToPath(new URL('../../node_modules/.bin', import.meta.url))

/** Long enough for a test suite or an installation on a busy machine. */
const LIMIT_MS = 600_000

/** Runs a program to its end. The whole group of its processes ends at the time limit. */
export function run([file, ...args]: Command, options: ProgramOptions): Promise<Outcome> {
  const { limitMs = LIMIT_MS } = options
  return new Promise((resolve, reject) => {
    const { child, output, end } = start([file, ...args], options)
    const timer = setTimeout(end, limitMs)
    child.once('error', reject)
    child.once('close', exitCode => {
      clearTimeout(timer)
      resolve({ exitCode, output: output() })
    })
  })
}

/** Runs a program that must succeed. */
export async function must(command: Command, options: ProgramOptions): Promise<string> {
  const { exitCode, output } = await run(command, options)
  if (exitCode === 0) return output
  throw new Error(`${command.join(' ')} ended with ${exitCode ?? 'a signal'}:\n${output.slice(-6_000)}`)
}

/** Starts a program as a group of its own. The app's `.bin` is on its PATH, so that commands need no npx. */
export function start([file, ...args]: Command, { cwd, env = {} }: ProgramOptions) {
  const path = [`${cwd}/node_modules/.bin`, dirname(process.execPath), process.env['PATH'], OUR_BIN].join(
    delimiter,
  )
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, ...env, PATH: path },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  }
  function end(): void {
    try {
      // A negative number ends the group: test runners and npm start programs of their own.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // The group has ended already.
    }
  }
  process.once('exit', end)
  child.once('close', () => process.off('exit', end))
  return { child, output: () => text, end }
}
