import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describeForLog } from '../util/redaction.js'
import { describeValue } from '../util/describe-value.js'
import { nearestName } from '../util/nearest-name.js'
import { doctor } from './doctor/doctor.js'
import { DOCTOR_HELP } from './doctor/options.js'
import { EXIT, UsageError } from './terminal.js'
import type { Terminal } from './terminal.js'

/** One sub-command. Resolves to the exit code. */
interface Command {
  readonly run: (args: readonly string[], terminal: Terminal, version: string) => Promise<number>
  readonly help: string
  /** A line for the list of commands. */
  readonly says: string
}

const COMMANDS: Readonly<Record<string, Command>> = {
  doctor: {
    run: doctor,
    help: DOCTOR_HELP,
    says: 'looks at your database and secrets, and says what to mend',
  },
}

const HELP = `Usage: npx express-custom-user-data <command> [options]

Commands:
${Object.entries(COMMANDS)
  .map(([name, { says }]) => `  ${name}  ${says}`)
  .join('\n')}

Options:
  --help     shows this text; behind a command, the options of the command
  --version  shows the version of the package
`

/** Runs the command that the arguments name. Resolves to the exit code, and never rejects. */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const { stdout, stderr } = terminal
  try {
    const [name, ...rest] = args
    if (name === '--version' || name === '-v') return print(`${packageVersion()}\n`)
    if (name === '--help' || name === '-h') return print(HELP)
    const command = findCommand(name)
    if (rest.some(arg => arg === '--help' || arg === '-h')) return print(command.help)
    return await command.run(rest, terminal, packageVersion())
  } catch (error) {
    // Any other error is a fault of this package, or of the machine. Its message may quote an address.
    const message = error instanceof UsageError ? error.message : describeForLog(error)
    // The arguments may be the mistake, so they are searched for --json without being parsed.
    if (args.includes('--json')) stdout.write(toJsonError(error instanceof UsageError, message))
    else stderr.write(`express-custom-user-data: ${message}\n`)
    return EXIT.failed
  }

  function print(text: string): number {
    stdout.write(text)
    return EXIT.ok
  }
}

/** A script that asked for JSON reads only standard output. docs/doctor.md describes the object. */
function toJsonError(isUsage: boolean, message: string): string {
  const error = { code: isUsage ? 'usage' : 'unexpected', message }
  return `${JSON.stringify({ ok: false, error }, undefined, 2)}\n`
}

function findCommand(name: string | undefined): Command {
  const names = Object.keys(COMMANDS)
  const list = `Commands: ${names.join(', ')}. npx express-custom-user-data --help shows more.`
  if (name === undefined) throw new UsageError(`there is no command. ${list}`)
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command) return command
  const nearest = nearestName(name, names)
  const meant = nearest === undefined ? '' : ` Did you mean ${nearest}?`
  throw new UsageError(`there is no command ${describeValue(name)}.${meant} ${list}`)
}

function packageVersion(): string {
  const text = readFileSync(join(dirname(__filename), '../../package.json'), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
