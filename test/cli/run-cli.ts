import { Readable } from 'node:stream'
import { runCommand } from '../../lib/cli/run-command.js'
import type { Terminal } from '../../lib/cli/terminal.js'
import { systemClock } from '../../lib/util/clock.js'

/** What a command printed, and how it ended. */
export interface CliRun {
  readonly code: number
  readonly output: string
  readonly errors: string
}

/** The surroundings of a command in a test. */
export interface CliSurroundings extends Partial<Pick<Terminal, 'env' | 'cwd' | 'clock'>> {
  /** What is written to its standard input. */
  readonly input?: string
  /** The width of its terminal; without it there is none. */
  readonly columns?: number
}

/** Runs the command in this process. */
export async function runCli(args: readonly string[], given: CliSurroundings = {}): Promise<CliRun> {
  const { input = '', columns, env = {}, cwd = process.cwd(), clock = systemClock } = given
  const written = { output: '', errors: '' }
  const outputTo = (name: keyof typeof written) => ({
    write: (text: string) => (written[name] += text),
    ...(columns !== undefined && { isTTY: true, columns }),
  })
  const terminal = { env, cwd, clock, stdin: Readable.from([input]) }
  const code = await runCommand(args, { ...terminal, stdout: outputTo('output'), stderr: outputTo('errors') })
  return { code, ...written }
}

/** The members of a JSON report. */
export interface JsonReport {
  readonly ok: boolean
  readonly findings: readonly {
    readonly code: string
    readonly severity: string
    readonly message: string
    readonly help: string
  }[]
  readonly checks: readonly { readonly name: string; readonly status: string }[]
  readonly facts: Readonly<Record<string, unknown>>
}

/** A JSON report, with the codes of its findings. */
export interface DoctorRun extends CliRun, JsonReport {
  readonly codes: readonly string[]
}

/** Runs `doctor --json` on a database, and reads its report. */
export async function runDoctor(
  uri: string,
  args: readonly string[],
  given: CliSurroundings = {},
): Promise<DoctorRun> {
  const run = await runCli(['doctor', '--json', ...args], {
    ...given,
    env: { MONGODB_URI: uri, ...given.env },
  })
  const report = JSON.parse(run.output) as JsonReport
  // The server of the tests is MongoDB 6 in some places, which is no fault of the database that a test looks at.
  const codes = report.findings.map(({ code }) => code).filter(code => code !== 'server_end_of_life')
  return { ...run, ...report, codes }
}
