import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { RequestHandler } from 'express'
import type { FailureReports } from '../authenticate/failure-reports.js'
import { callAtOnce } from '../util/call-at-once.js'
import { CustomUserDataError } from '../errors.js'
import { parseLoginArguments } from '../options/logins.js'
import { isAccountName } from '../login/account-name.js'
import type { AccountName } from '../login/account-name.js'
import type { Scalar, VerifyCredentials, VerifyOutcome } from '../login/credentials.js'
import type { LoginFlow, NamedAccounts } from '../login/login-flow.js'
import type { ExtendedJsonFormat } from '../token-data/extended-json.js'
import type { RefreshTransport } from './refresh-transport.js'
import { createTokenEndpoint } from './token-endpoint.js'
import type { RequestBody } from './request-body.js'

/** Options of `login()`. */
export interface LoginOptions<Credentials> {
  /**
   * A Standard Schema of the body, for fields that are objects or lists. Its output goes to `verifyCredentials`.
   * @default undefined, which accepts texts, numbers, booleans and null
   */
  readonly body?: StandardSchemaV1<unknown, Credentials>
  /**
   * Returns the account that the credentials name, so that its failed logins are counted. Returns `undefined` if they name
   * none.
   * @default each of `email` and `username` that is a text, a number or a boolean
   * @example login(verifyCredentials, { account: ({ phone }) => phone })
   */
  readonly account?: (credentials: Credentials) => AccountName | null | undefined
  /**
   * The most sessions that a login by this route leaves the user, as the option `maxSessionsPerUser` of the instance. `false`
   * ends none, for accounts that many machines share.
   * @default the option of the instance
   */
  readonly maxSessionsPerUser?: number | false
  /**
   * The Extended JSON of MongoDB in which the answer has `user.customData`, as the option `extendedJson` of the instance.
   * `false` writes plain JSON.
   * @default the option of the instance
   */
  readonly extendedJson?: ExtendedJsonFormat | false
  /**
   * Whether the cookies with tokens outlive the browser: `true` or `false`, or a function of the credentials for a form with
   * "remember me". Without tokens in cookies it has no effect.
   * @default the option `persistent` of the cookie with the refresh token, or true
   * @example login(verifyCredentials, { persistent: ({ rememberMe }) => rememberMe === true })
   */
  readonly persistent?: boolean | ((credentials: Credentials) => boolean)
}

interface LoginRouteParts {
  /** The login flow whose answers are in a format; `undefined`: as the instance says. */
  readonly flowFor: (extendedJson: ExtendedJsonFormat | false | undefined) => LoginFlow
  readonly transport: RefreshTransport
  readonly failures: FailureReports
}

/** Creates the login route. Throws an `OptionError` for wrong arguments. */
export function createLoginRoute<Credentials>(
  { flowFor, transport, failures }: LoginRouteParts,
  verifyCredentials: VerifyCredentials<Credentials>,
  given?: LoginOptions<Credentials>,
): RequestHandler {
  const options = parseLoginArguments<Credentials>(verifyCredentials, given)
  const flow = flowFor(options.extendedJson)
  const accountOf = options.account ?? verifyCredentials.account
  return createTokenEndpoint({ name: 'login', needsBody: true, failures }, async (body, req, res) => {
    transport.requireKnownOrigin(req)
    transport.requireKept(req)
    const issued = await flow.run(async () => {
      const credentials = options.body
        ? await parseBody(options.body, body)
        : (requireScalars(body) as Credentials)
      const accounts = accountOf
        ? toGiven(callAtOnce('login(): account', () => accountOf(credentials)))
        : guessAccounts(credentials)
      const verify = async (): Promise<VerifyOutcome> => verifyCredentials(credentials, req)
      const { maxSessionsPerUser } = options
      const persistent = toPersistent(options.persistent, credentials)
      return {
        req,
        accounts,
        verify,
        replaced: transport.readToEnd(req, body),
        maxSessionsPerUser,
        persistent,
      }
    })
    transport.clearReplaced(res)
    return transport.hand(res, issued)
  })
}

/** Checks the result of `persistent`. A text such as "false" is refused, because it would count as true. */
function toPersistent<Credentials>(
  option: LoginOptions<Credentials>['persistent'],
  credentials: Credentials,
): boolean | undefined {
  if (typeof option !== 'function') return option
  const persistent: unknown = callAtOnce('login(): persistent', () => option(credentials))
  if (typeof persistent === 'boolean') return persistent
  const message = `login(): "persistent" returned a value of the type ${typeof persistent}. Return true or false.`
  throw new CustomUserDataError('callback_failed', message)
}

/** Checks the result of `account`. An object is refused, because all accounts would be counted as one. */
function toGiven(account: unknown): NamedAccounts {
  if (isAccountName(account)) return { names: [account], source: 'given' }
  if (account === undefined || account === null || typeof account === 'string') {
    return { names: [], source: 'given' }
  }
  const message = `login(): "account" returned a value of the type ${typeof account}. Return a text, a number or undefined.`
  throw new CustomUserDataError('callback_failed', message)
}

/** Takes both `email` and `username`, because this package does not know which of them `verifyCredentials` reads. */
function guessAccounts(credentials: unknown): NamedAccounts {
  const { email, username } = Object(credentials) as { readonly email?: unknown; readonly username?: unknown }
  return { names: [email, username].filter(isAccountName), source: 'guessed' }
}

/** Refuses objects and arrays, because a value such as `{ "$gt": "" }` could become part of a query. */
function requireScalars(body: RequestBody): Readonly<Record<string, Scalar>> {
  const nested = Object.values(body).some(value => typeof value === 'object' && value !== null)
  if (!nested) return body as Readonly<Record<string, Scalar>>
  throw invalid('Each field must be a text, a number, true, false or null.')
}

async function parseBody<Credentials>(
  schema: StandardSchemaV1<unknown, Credentials>,
  body: RequestBody,
): Promise<Credentials> {
  const result = await schema['~standard'].validate(body)
  if (result.issues) throw invalid('The body does not have the expected fields.')
  return result.value
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
