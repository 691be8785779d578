import { describe, expect, it } from 'vitest'
import { parseDoctorOptions } from '../../lib/cli/doctor/options.js'
import { runCli } from './run-cli.js'

const COLLECTION = ['--collection', 'custom_user_data']
/** Nothing listens there. */
const NOWHERE = 'mongodb://127.0.0.1:1/app'
const PASSWORD = 'hunter2-not-a-word'

async function refusalOf(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { code, output, errors } = await runCli(args, { env })
  expect({ code, output }).toEqual({ code: 2, output: '' })
  return errors
}

describe('a command that is written wrongly exits with 2, prints nothing on standard output, and says what to write', () => {
  it.each<[string, string[], string]>([
    ['no command', [], 'there is no command. Commands: doctor.'],
    ['an unknown command', ['docter'], 'there is no command "docter". Did you mean doctor?'],
    ['a name of every object', ['constructor'], 'there is no command "constructor".'],
    [
      'a mistyped option',
      ['doctor', '--colection', 'a'],
      'no option "--colection". Did you mean --collection?',
    ],
    [
      'an unknown option',
      ['doctor', ...COLLECTION, '--verbosely'],
      'The options are --collection, --database,',
    ],
    ['a name of every object as option', ['doctor', '--constructor'], 'there is no option "--constructor".'],
    ['no collection', ['doctor'], '--collection is missing. Write the name of the collection'],
    [
      'an option without its value',
      ['doctor', '--collection'],
      '--collection needs a value: --collection NAME.',
    ],
    ['an option in place of a value', ['doctor', '--collection', '--strict'], '--collection needs a value'],
    ['an empty value', ['doctor', '--collection='], '--collection needs a value'],
    [
      'a value for a flag',
      ['doctor', ...COLLECTION, '--json=yes'],
      '--json takes no value. Write --json alone.',
    ],
    [
      'an option twice',
      ['doctor', ...COLLECTION, ...COLLECTION],
      '--collection is given twice. Write it once.',
    ],
    ['a value without an option', ['doctor', ...COLLECTION, 'users'], 'a value without an option: "users".'],
    [
      'no number',
      ['doctor', ...COLLECTION, '--timeout-ms', 'soon'],
      'the value "soon" of --timeout-ms is no whole number from 1 to 2147483647. Write for example --timeout-ms 30000.',
    ],
    [
      'zero',
      ['doctor', ...COLLECTION, '--timeout-ms', '0'],
      'the value "0" of --timeout-ms is no whole number',
    ],
    [
      'too large a document',
      ['doctor', ...COLLECTION, '--max-document-bytes', '16777217'],
      'from 1 to 16777216',
    ],
    ['a dollar in a collection', ['doctor', '--collection', 'a$b'], 'the value of --collection is no name'],
    [
      'an expression as field',
      ['doctor', ...COLLECTION, '--user-id-field', '$x'],
      '--user-id-field is no name',
    ],
    [
      'a path with a gap',
      ['doctor', ...COLLECTION, '--hash-field', 'a..b'],
      '--hash-field is no name of a field',
    ],
    [
      'a database with a dot',
      ['doctor', ...COLLECTION, '--database', 'a.b'],
      '--database is no name of a database',
    ],
    ['no address', ['doctor', ...COLLECTION], 'Set the variable MONGODB_URI'],
  ])('%s', async (_what, args, message) => {
    expect(await refusalOf(args)).toContain(message)
  })

  it('no address: the message names both ways', async () => {
    const errors = await refusalOf(['doctor', ...COLLECTION])
    expect(errors).toContain('MONGODB_URI=mongodb://')
    expect(errors).toContain('standard input')
  })
})

describe('--json: a command that cannot run prints one JSON object with the reason, and exits with 2', () => {
  it.each<[string, string[], string, string]>([
    ['a mistyped option', ['doctor', '--json', '--colection', 'a'], 'usage', 'Did you mean --collection?'],
    ['a mistyped command', ['docter', '--json'], 'usage', 'Did you mean doctor?'],
    ['no address', ['doctor', '--json', ...COLLECTION], 'usage', 'Set the variable MONGODB_URI'],
    ['no number', ['doctor', ...COLLECTION, '--timeout-ms', 'soon', '--json'], 'usage', '"soon"'],
    [
      'no connection',
      ['doctor', '--json', ...COLLECTION, '--timeout-ms', '300', '--uri', NOWHERE],
      'connection_failed',
      'ECONNREFUSED',
    ],
    [
      'an address that cannot be read',
      ['doctor', '--json', ...COLLECTION, '--uri', 'mongodb://127.0.0.1:1/?nonsense=1'],
      'connection_failed',
      'cannot be used',
    ],
  ])('%s', async (_what, args, errorCode, words) => {
    const { code, output, errors } = await runCli(args)
    expect({ code, errors }).toEqual({ code: 2, errors: '' })
    const { ok, error } = JSON.parse(output) as { ok: boolean; error: { code: string; message: string } }
    expect({ ok, code: error.code }).toEqual({ ok: false, code: errorCode })
    expect(error.message).toContain(words)
  })
})

describe('a secret or a password that was written in the wrong place is not shown', () => {
  it.each<[string, string[]]>([
    ['a secret in place of a number', ['--max-document-bytes', PASSWORD]],
    ['a secret in place of its variable', ['--secret-env', PASSWORD]],
    ['a secret behind the variable', ['--secret-env', 'SECRET', PASSWORD + PASSWORD]],
    ['an address as a collection', ['--users', `mongodb://user:${PASSWORD}@host/`]],
    ['an address without an option', [`mongodb://user:${PASSWORD}@host/`]],
    ['an address of another kind', ['--uri', `postgres://user:${PASSWORD}@host/`]],
    ['an address that cannot be read', ['--uri', `mongodb://user:${PASSWORD}@ho st:port/?a=b`]],
    ['an address whose password has an @', ['--uri', `mongodb://user:a@${PASSWORD}@127.0.0.1:1/`]],
    ['an address without a host', ['--uri', `mongodb://user:${PASSWORD}@/app`]],
    [
      'an option of the address that is unknown',
      ['--uri', `mongodb://user:${PASSWORD}@127.0.0.1:1/?nonsense=1`],
    ],
  ])('%s', async (_what, args) => {
    const { code, output, errors } = await runCli(['doctor', ...COLLECTION, '--timeout-ms', '500', ...args], {
      env: { MONGODB_URI: NOWHERE },
    })
    expect(code).toBe(2)
    expect(output + errors).not.toContain(PASSWORD)
  })

  it('a secret that looks like a name of a variable, because the shell replaced $SECRET', async () => {
    const secret = 'abcdef0123456789abcdef0123456789'
    const errors = await refusalOf(['doctor', ...COLLECTION, '--secret-env', secret], {
      SECRET: secret,
      MONGODB_URI: NOWHERE,
    })
    expect(errors).toContain('Write the name, not the value')
    expect(errors).not.toContain(secret)
  })
})

describe('the address', () => {
  const attempt = async (args: string[], given: { env?: Record<string, string>; input?: string }) => {
    const { code, output, errors } = await runCli(
      ['doctor', ...COLLECTION, '--timeout-ms', '300', ...args],
      given,
    )
    return { code, output: output + errors }
  }

  it.each([
    ['MONGODB_URI', [], { env: { MONGODB_URI: 'mongodb://127.0.0.1:1/' } }],
    ['the first line of standard input', [], { input: 'mongodb://127.0.0.1:1/\nmore' }],
    ['--uri', ['--uri', 'mongodb://127.0.0.1:1/'], { env: { MONGODB_URI: 'mongodb://127.0.0.1:2/' } }],
    [
      'standard input for --uri -',
      ['--uri', '-'],
      { input: ' mongodb://127.0.0.1:1/ ', env: { MONGODB_URI: 'mongodb://127.0.0.1:2/' } },
    ],
  ])('is taken from %s', async (_place, args, given) => {
    const { code, output } = await attempt(args, given)
    expect(code).toBe(2)
    expect(output).toContain('no connection to 127.0.0.1:1')
  })

  it('with a password in --uri is a warning, and only the host is shown', async () => {
    const { output } = await attempt(['--uri', `mongodb://user:${PASSWORD}@127.0.0.1:1/`], {})
    expect(output).toContain('password_in_arguments')
    expect(output).toContain('127.0.0.1:1')
    expect(output).not.toContain(PASSWORD)
    expect(output).not.toContain('user:')
  })

  it('without a password in --uri is no warning', async () => {
    const { output } = await attempt(['--uri', 'mongodb://127.0.0.1:1/?appName=a:b@c'], {})
    expect(output).not.toContain('password_in_arguments')
  })
})

describe('without a connection', () => {
  it('the JSON report has the finding and the secrets, and the exit code is 2', async () => {
    const args = ['doctor', ...COLLECTION, '--json', '--timeout-ms', '300', '--secret-env', 'SECRET']
    const { code, output, errors } = await runCli(args, { env: { MONGODB_URI: NOWHERE } })
    expect({ code, errors }).toEqual({ code: 2, errors: '' })
    expect(JSON.parse(output)).toMatchObject({
      ok: false,
      findings: [
        { code: 'connection_failed', severity: 'problem' },
        { code: 'secret_not_set', severity: 'problem' },
      ],
      facts: { connection: { hosts: '127.0.0.1:1', ms: null }, secrets: { SECRET: 'not set' } },
    })
  })
})

describe('help and version', () => {
  it.each([[['--help']], [['-h']], [['doctor', '--help']], [['doctor', '--colection', '--help']]])(
    '%j prints a text and exits with 0',
    async args => {
      const { code, output, errors } = await runCli(args)
      expect({ code, errors }).toEqual({ code: 0, errors: '' })
      expect(output).toContain('Usage: npx express-custom-user-data')
    },
  )

  it('the help of doctor has a line for each option', async () => {
    const { output } = await runCli(['doctor', '--help'])
    expect(output).toMatch(/^ {2}--collection NAME +the collection of custom data; required$/m)
    expect(output.match(/^ {2}--[a-z-]+/gm)?.length).toBeGreaterThan(15)
  })

  it('--version prints the version of the package', async () => {
    expect((await runCli(['--version'])).output).toMatch(/^\d+\.\d+\.\d+\S*\n$/)
  })
})

it('options have the defaults of the package', () => {
  expect(parseDoctorOptions(COLLECTION, {})).toMatchObject({
    userIdField: 'userId',
    maxDocumentBytes: 256 * 1024,
    hashField: 'passwordHash',
  })
})
