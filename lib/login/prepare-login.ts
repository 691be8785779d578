import type { StandardSchemaV1 } from '@standard-schema/spec'
import { CustomUserDataError } from '../errors.js'
import type { SessionClaims } from '../sessions/session-document.js'
import { callAtOnce } from '../util/call-at-once.js'
import { isAccountName } from './account-name.js'
import type { AccountName } from './account-name.js'
import type { Scalar, VerifyCredentials, VerifyOutcome } from './credentials.js'
import type { NamedAccounts, PreparedLogin } from './login-flow.js'

/** How logins are checked: the same for all logins of a route. */
export interface LoginRules<Credentials> {
  /** The function in error messages: `login()` or `authenticateLogin()`. */
  readonly callee: string
  readonly verifyCredentials: VerifyCredentials<Credentials, never>
  readonly schema: StandardSchemaV1<unknown, Credentials> | undefined
  readonly account: ((credentials: Credentials) => AccountName | null | undefined) | undefined
  readonly maxSessionsPerUser: number | false | undefined
  readonly persistent: boolean | ((credentials: Credentials) => boolean) | undefined
  readonly rotateRefreshTokens: boolean | undefined
  readonly refreshTokenTtlSeconds: number | undefined
  readonly refreshTokenIdleSeconds: number | undefined
  readonly claims: SessionClaims | undefined
}

/** Checks the form of credentials, and finds the accounts that they name. Rejects with `invalid_request`. */
export async function prepareLogin<Credentials>(
  rules: LoginRules<Credentials>,
  given: Readonly<Record<string, unknown>>,
  ofClient: Pick<PreparedLogin, 'client' | 'replaced' | 'heldAccessTokens' | 'deliver'>,
): Promise<PreparedLogin> {
  const { callee, verifyCredentials, schema, maxSessionsPerUser, rotateRefreshTokens, claims } = rules
  const credentials = schema ? await parse(schema, given) : (requireScalars(given) as Credentials)
  const account = rules.account ?? verifyCredentials.account
  const accounts = account
    ? toGiven(
        callee,
        callAtOnce(`${callee}: account`, () => account(credentials)),
      )
    : guessAccounts(credentials)
  return {
    ...ofClient,
    accounts,
    // The types of each public function say whether its `verifyCredentials` must do without a request.
    verify: async (): Promise<VerifyOutcome> => verifyCredentials(credentials, ofClient.client.req as never),
    maxSessionsPerUser,
    rotateRefreshTokens,
    refreshTokenTtlSeconds: rules.refreshTokenTtlSeconds,
    refreshTokenIdleSeconds: rules.refreshTokenIdleSeconds,
    claims,
    persistent: toPersistent(callee, rules.persistent, credentials),
  }
}

/** Checks the result of `persistent`. A text such as "false" is refused, because it would count as true. */
function toPersistent<Credentials>(
  callee: string,
  option: LoginRules<Credentials>['persistent'],
  credentials: Credentials,
): boolean | undefined {
  if (typeof option !== 'function') return option
  const persistent: unknown = callAtOnce(`${callee}: persistent`, () => option(credentials))
  if (typeof persistent === 'boolean') return persistent
  const message = `${callee}: "persistent" returned a value of the type ${typeof persistent}. Return true or false.`
  throw new CustomUserDataError('callback_failed', message)
}

/** Checks the result of `account`. An object is refused, because all accounts would be counted as one. */
function toGiven(callee: string, account: unknown): NamedAccounts {
  if (isAccountName(account)) return { names: [account], source: 'given' }
  if (account === undefined || account === null || typeof account === 'string') {
    return { names: [], source: 'given' }
  }
  const message = `${callee}: "account" returned a value of the type ${typeof account}. Return a text, a number or undefined.`
  throw new CustomUserDataError('callback_failed', message)
}

/** Takes both `email` and `username`, because this package does not know which of them `verifyCredentials` reads. */
function guessAccounts(credentials: unknown): NamedAccounts {
  const { email, username } = Object(credentials) as { readonly email?: unknown; readonly username?: unknown }
  return { names: [email, username].filter(isAccountName), source: 'guessed' }
}

/** Refuses objects and arrays, because a value such as `{ "$gt": "" }` could become part of a query. */
function requireScalars(given: Readonly<Record<string, unknown>>): Readonly<Record<string, Scalar>> {
  const nested = Object.values(given).some(value => typeof value === 'object' && value !== null)
  if (!nested) return given as Readonly<Record<string, Scalar>>
  throw invalid('Each field must be a text, a number, true, false or null.')
}

async function parse<Credentials>(
  schema: StandardSchemaV1<unknown, Credentials>,
  given: Readonly<Record<string, unknown>>,
): Promise<Credentials> {
  const result = await schema['~standard'].validate(given)
  if (result.issues) throw invalid('The credentials do not have the expected fields.')
  return result.value
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
