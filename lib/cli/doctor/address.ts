import type { Finding } from '../../checks/surveys/survey.js'
import { withDeadline } from '../../util/deadline.js'
import { UsageError } from '../terminal.js'
import type { Terminal } from '../terminal.js'

/** The longest address that is read from standard input. */
const MAX_LENGTH = 65_536

/** The address of MongoDB. It may have a password, so it is never shown. */
export interface Address {
  readonly uri: string
  readonly findings: readonly Finding[]
}

const BOTH_WAYS =
  'Set the variable MONGODB_URI, for example MONGODB_URI=mongodb://127.0.0.1:27017/app, or write the address to standard ' +
  'input: echo "$ADDRESS" | npx express-custom-user-data doctor --collection custom_user_data.'

/**
 * Finds the address: the option `--uri`, the variable `MONGODB_URI`, or the first line of standard input.
 *
 * @throws {UsageError} if there is none
 */
export async function findAddress(
  option: string | undefined,
  { env, stdin }: Pick<Terminal, 'env' | 'stdin'>,
  timeoutMs: number,
): Promise<Address> {
  if (option !== undefined && option !== '-') {
    return { uri: requireAddress(option, '--uri'), findings: hasPassword(option) ? [IN_ARGUMENTS] : [] }
  }
  const variable = env['MONGODB_URI'] ?? ''
  if (option === undefined && variable !== '')
    return { uri: requireAddress(variable, 'MONGODB_URI'), findings: [] }
  // At a terminal nobody would know that an address is waited for.
  const line = option === '-' || stdin.isTTY !== true ? await readLine(stdin, timeoutMs) : ''
  if (line === '') throw new UsageError(`there is no address of MongoDB. ${BOTH_WAYS}`)
  return { uri: requireAddress(line, 'standard input'), findings: [] }
}

const IN_ARGUMENTS: Finding = {
  code: 'password_in_arguments',
  message:
    'The address in --uri has a password, which every user of this machine can see in the list of processes, and which stays ' +
    'in the history of the shell. Give the address by the variable MONGODB_URI, or by standard input.',
}

function requireAddress(uri: string, place: string): string {
  const [beforeQuery = ''] = uri.split('?')
  // Drivers before 7 take the rest of such a password for the host, and hosts are shown.
  if (beforeQuery.split('@').length > 2) {
    throw new UsageError(
      `the address from ${place} has more than one @. Write %40 for an @ in the user or the password.`,
    )
  }
  if (/^mongodb(?:\+srv)?:\/\/./.test(uri)) return uri
  throw new UsageError(
    `the text from ${place} is no address of MongoDB, because it does not begin with mongodb:// or mongodb+srv://. ${BOTH_WAYS}`,
  )
}

function hasPassword(uri: string): boolean {
  const [, userInfo = ''] = /^mongodb(?:\+srv)?:\/\/([^/?]*)@/.exec(uri) ?? []
  return userInfo.includes(':')
}

/** The first line; empty if nothing comes in time. A script may leave standard input open without writing to it. */
async function readLine(stdin: Terminal['stdin'], timeoutMs: number): Promise<string> {
  let text = ''
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder()
    for await (const chunk of stdin) {
      text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
      if (text.includes('\n') || text.length > MAX_LENGTH) return
    }
  }
  // Without a line the caller says that there is no address, whatever the reason.
  await withDeadline(timeoutMs, read).catch(() => undefined)
  stdin.destroy?.()
  return (text.split('\n')[0] ?? '').trim().slice(0, MAX_LENGTH)
}
