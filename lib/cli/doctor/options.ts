import { MAX_TIMER_MS } from '../../util/deadline.js'
import { describeValue } from '../../util/describe-value.js'
import { describeOptions, readArguments } from '../arguments.js'
import type { GivenOptions, OptionRules } from '../arguments.js'
import { UsageError } from '../terminal.js'

const RULES = {
  collection: { value: 'NAME', help: 'the collection of custom data; required' },
  database: { value: 'NAME', help: 'the database; default: the one in the address' },
  'user-id-field': { value: 'FIELD', help: 'the option userIdField; default: userId' },
  'unique-user-id': { help: 'your app has uniqueUserId: true' },
  'to-field-values': { help: 'your app has toFieldValues, so user ids may have any type' },
  'max-document-bytes': { value: 'N', help: 'the option maxDocumentBytes; default: 262144' },
  users: { value: 'NAME', help: 'the collection of passwordCredentials(); its names and hashes are checked' },
  'username-field': { value: 'FIELD', help: 'the field of the names of users; default: email' },
  'hash-field': { value: 'FIELD', help: 'the field of the password hashes; default: passwordHash' },
  sessions: { value: 'NAME', help: 'the collection of sessions, if your app names another' },
  'login-attempts': { value: 'NAME', help: 'the collection of failed logins, if your app names another' },
  'secret-env': {
    value: 'NAME',
    isList: true,
    help: 'a variable with a secret, whose strength is checked; may be repeated',
  },
  uri: { value: 'ADDRESS', help: 'the address of MongoDB; "-" reads it from standard input' },
  'create-index': { help: 'makes the index on the user id, as ready() does; nothing else is written' },
  'timeout-ms': {
    value: 'N',
    help: 'milliseconds that each check may take; default: 30000, and 10000 to connect',
  },
  strict: { help: 'exits with 1 for warnings too' },
  json: { help: 'prints one JSON object' },
} as const satisfies OptionRules

type Name = keyof typeof RULES

/** The options of `doctor`, checked. */
export interface DoctorOptions {
  readonly collection: string
  /** `undefined`: the database of the address. */
  readonly database: string | undefined
  readonly userIdField: string
  readonly uniqueUserId: boolean
  readonly hasToFieldValues: boolean
  readonly maxDocumentBytes: number
  readonly users: string | undefined
  readonly usernameField: string
  readonly hashField: string
  readonly sessions: string | undefined
  readonly loginAttempts: string | undefined
  readonly secretNames: readonly string[]
  readonly uri: string | undefined
  readonly createsIndex: boolean
  readonly timeoutMs: number
  readonly connectTimeoutMs: number
  readonly isStrict: boolean
  readonly isJson: boolean
}

export const DOCTOR_HELP = `Usage: npx express-custom-user-data doctor --collection NAME [options]

Looks at your database and your secrets, and says what to mend. It only reads.

The address of MongoDB is in the variable MONGODB_URI, or is the first line of standard input:

  MONGODB_URI=mongodb://127.0.0.1:27017/app npx express-custom-user-data doctor --collection custom_user_data

Options:
${describeOptions(RULES)}

Exit codes: 0 no problems, 1 problems (with --strict also warnings), 2 wrong usage or no connection.
docs/doctor.md of the package explains the report, and docs/reference/doctor.md each code.
`

/** Documents of MongoDB have 16 MB at most. The example is the default. */
const DOCUMENT_BYTES = { max: 16 * 1024 * 1024, example: 256 * 1024 } as const
/** The example is the default. */
const TIMEOUT_MS = { max: MAX_TIMER_MS, example: 30_000 } as const

/**
 * Reads the arguments of `doctor`.
 *
 * @throws {UsageError} for a wrong one
 */
export function parseDoctorOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): DoctorOptions {
  const given = readArguments(args, RULES)
  const named = createTexts(given)
  const collection = named('collection', isCollectionName, 'is no name of a collection')
  if (collection === undefined) {
    throw new UsageError(
      '--collection is missing. Write the name of the collection of custom data: --collection custom_user_data.',
    )
  }
  const timeoutMs = wholeOf(given, 'timeout-ms', TIMEOUT_MS)
  const collectionNamed = (name: Name) => named(name, isCollectionName, 'is no name of a collection')
  const fieldNamed = (name: Name) => named(name, isField, 'is no name of a field')
  return {
    collection,
    database: named('database', isDatabaseName, 'is no name of a database'),
    userIdField: fieldNamed('user-id-field') ?? 'userId',
    uniqueUserId: given['unique-user-id'] !== undefined,
    hasToFieldValues: given['to-field-values'] !== undefined,
    maxDocumentBytes: wholeOf(given, 'max-document-bytes', DOCUMENT_BYTES) ?? DOCUMENT_BYTES.example,
    users: collectionNamed('users'),
    usernameField: fieldNamed('username-field') ?? 'email',
    hashField: fieldNamed('hash-field') ?? 'passwordHash',
    sessions: collectionNamed('sessions'),
    loginAttempts: collectionNamed('login-attempts'),
    secretNames: (given['secret-env'] ?? []).map(name => toVariableName(name, env)),
    uri: given.uri?.[0],
    createsIndex: given['create-index'] !== undefined,
    timeoutMs: timeoutMs ?? TIMEOUT_MS.example,
    // A server that is there answers at once. Somebody who has mistyped its address should not wait as long as for a check.
    connectTimeoutMs: timeoutMs ?? 10_000,
    isStrict: given.strict !== undefined,
    isJson: given.json !== undefined,
  }
}

function createTexts(given: GivenOptions<Name>) {
  return (name: Name, isValid: (text: string) => boolean, fault: string): string | undefined => {
    const text = given[name]?.[0]
    if (text === undefined || isValid(text)) return text
    // The value may be an address or a secret that slipped in, so it is not shown.
    throw new UsageError(`the value of --${name} ${fault}. Write ${RULES[name].help.split(';')[0] ?? ''}.`)
  }
}

function isCollectionName(text: string): boolean {
  return text.length <= 255 && !/[$\0/\s@]/.test(text) && !text.startsWith('system.') && !/^\.|\.$/.test(text)
}

function isDatabaseName(text: string): boolean {
  return text.length <= 63 && !/[/\\. "$*<>:|?\0]/.test(text)
}

/** A dollar would make it an expression. */
function isField(text: string): boolean {
  return text.split('.').every(step => step !== '' && !step.startsWith('$') && !step.includes('\0'))
}

function wholeOf(
  given: GivenOptions<Name>,
  name: Name,
  { max, example }: { readonly max: number; readonly example: number },
): number | undefined {
  const text = given[name]?.[0]
  if (text === undefined) return undefined
  const number = Number(text)
  if (/^\d{1,15}$/.test(text) && number >= 1 && number <= max) return number
  // A long text may be a secret that slipped in.
  const shown = /^[\w.,+-]{1,12}$/.test(text) ? `the value ${describeValue(text)}` : 'the value'
  throw new UsageError(
    `${shown} of --${name} is no whole number from 1 to ${max}. Write for example --${name} ${example}.`,
  )
}

/**
 * The name of a variable. A shell replaces `$ACCESS_TOKEN_SECRET` by the secret itself, so a name that is the value of a
 * variable is refused, and no refused name is shown.
 */
function toVariableName(name: string, env: Readonly<Record<string, string | undefined>>): string {
  const isValue = !Object.hasOwn(env, name) && Object.values(env).includes(name)
  if (!isValue && /^[A-Za-z_]\w{0,99}$/.test(name)) return name
  throw new UsageError(
    'the value of --secret-env is no name of a variable. Write the name, not the value: --secret-env ACCESS_TOKEN_SECRET, ' +
      'without a dollar.',
  )
}
