import type { StandardSchemaV1 } from '@standard-schema/spec'
import { CustomUserDataError } from '../errors.js'
import type { SessionClaims } from '../sessions/session-document.js'
import { MAX_REFRESH_TOKEN_LENGTH } from '../sessions/refresh-token.js'
import type { TokenAnswer } from '../types.js'
import { exceededLimit, MAX_INPUT_BYTES, MAX_INPUT_DEPTH, MAX_INPUT_MEMBERS } from '../util/nesting.js'
import type { AccountName } from './account-name.js'
import { describedClient } from './client.js'
import type { ClientDescription } from './client.js'
import { isNone } from './credentials.js'
import type { Scalar, VerifyCredentials } from './credentials.js'
import type { EndSessions } from './end-sessions.js'
import type { LoginFlow } from './login-flow.js'
import { prepareLogin } from './prepare-login.js'
import type { LoginRules } from './prepare-login.js'
import type { RefreshFlow } from './refresh-flow.js'

/** Options of `authenticateLogin()`. */
export interface AuthenticateLoginOptions<
  Credentials = Readonly<Record<string, Scalar>>,
> extends ClientDescription {
  /** Checks the credentials, as for `login()`, but gets no request: its second parameter is `undefined`. */
  readonly verifyCredentials: VerifyCredentials<Credentials, undefined>
  /**
   * The credentials as the client sent them: an object with its fields. Without `schema` each field must be a text, a number,
   * a boolean or null.
   */
  readonly credentials: unknown
  /**
   * A Standard Schema of the credentials, for fields that are objects or lists. Its output goes to `verifyCredentials`.
   * @default undefined, which accepts texts, numbers, booleans and null
   */
  readonly schema?: StandardSchemaV1<unknown, Credentials> | undefined
  /**
   * Returns the account that the credentials name, as the option of `login()`.
   * @default each of `email` and `username` that is a text, a number or a boolean
   */
  readonly account?: ((credentials: Credentials) => AccountName | null | undefined) | undefined
  /**
   * The refresh token that the client held so far. Its session ends (ASVS 7.2.4). `null` and an empty text are none.
   * @default none
   */
  readonly replacedRefreshToken?: string | null | undefined
  /**
   * The most sessions that this login leaves the user, as the option `maxSessionsPerUser` of the instance. `false` ends none.
   * @default the option of the instance
   */
  readonly maxSessionsPerUser?: number | false | undefined
  /**
   * Whether `refresh()` sets a cookie that outlives the browser for this session, as the option `persistent` of the cookie.
   * @default the option of the instance
   */
  readonly persistent?: boolean | undefined
  /**
   * Whether each refresh of the session gives a new refresh token, as the option of `issueTokens()`.
   * @default the option of the instance
   */
  readonly rotateRefreshTokens?: boolean | undefined
  /**
   * Seconds that this session lives from its login, as the option of the instance.
   * @default the option of the instance
   */
  readonly refreshTokenTtlSeconds?: number | undefined
  /**
   * Seconds that this session lives without a refresh, as the option of the instance.
   * @default the option of the instance
   */
  readonly refreshTokenIdleSeconds?: number | undefined
  /**
   * Claims of all access tokens of the session, as the option of `issueTokens()`.
   * @default none
   */
  readonly claims?: SessionClaims | undefined
}

/** Options of `exchangeRefreshToken()` and `endSession()`. */
export interface RefreshTokenClient {
  /**
   * The address of the client, for events, and for the limit of refresh tokens from one address that nobody issued. Without an
   * address there is no such limit.
   * @default unknown
   */
  readonly address?: string | null | undefined
}

/** {@link AuthenticateLoginOptions}, parsed. The credentials and the refresh token are checked by each call. */
export type ParsedLogin = Omit<LoginRules<unknown>, 'callee'> &
  ClientDescription & { readonly credentials: unknown; readonly replacedRefreshToken: unknown }

/** Runs a login without a request. */
export async function authenticateLogin(flow: LoginFlow, login: ParsedLogin): Promise<TokenAnswer<object>> {
  const rules = { ...login, callee: 'authenticateLogin()' }
  const { answer } = await flow.run('authenticateLogin(): schema', async () => {
    const { replacedRefreshToken: replaced } = login
    return prepareLogin(rules, requireFields(login.credentials), {
      client: describedClient(login),
      replaced: isNone(replaced) ? [] : [requireRefreshToken(replaced)],
    })
  })
  return answer
}

/** Exchanges a refresh token without a request. */
export async function exchangeRefreshToken(
  flow: RefreshFlow,
  refreshToken: unknown,
  client: RefreshTokenClient,
): Promise<TokenAnswer<object>> {
  const presented = [requireRefreshToken(refreshToken)]
  const { answer } = await flow.run({ client: describedClient(client), presented })
  return answer
}

/** Ends the session of a refresh token without a request. */
export async function endSession(
  endSessions: EndSessions,
  refreshToken: unknown,
  client: RefreshTokenClient,
): Promise<void> {
  await endSessions([requireRefreshToken(refreshToken)], describedClient(client))
}

/** The credentials come from the client, so a wrong form is an error of the client, and the limits are those of a body. */
function requireFields(credentials: unknown): Readonly<Record<string, unknown>> {
  if (typeof credentials !== 'object' || credentials === null || Array.isArray(credentials)) {
    throw invalid('The credentials must be an object with the fields of the login.')
  }
  const exceeded = exceededLimit(credentials, { depth: MAX_INPUT_DEPTH, members: MAX_INPUT_MEMBERS })
  if (exceeded === 'depth')
    throw invalid(`The credentials are nested more than ${MAX_INPUT_DEPTH} levels deep.`)
  if (exceeded === 'members') {
    const message = `The credentials have more than ${MAX_INPUT_MEMBERS} fields and elements.`
    throw new CustomUserDataError('payload_too_large', message)
  }
  if (exceeded === 'binary') throw invalid('The credentials have binary data.')
  if (sizeOf(credentials) > MAX_INPUT_BYTES) {
    const message = `The credentials have more than ${MAX_INPUT_BYTES} bytes of JSON.`
    throw new CustomUserDataError('payload_too_large', message)
  }
  return credentials as Readonly<Record<string, unknown>>
}

/** The bytes of the JSON. A bigint has none, but a schema may take it from a transport that has it. */
function sizeOf(credentials: object): number {
  try {
    return Buffer.byteLength(
      JSON.stringify(credentials, (_name, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      ),
    )
  } catch {
    throw invalid('The credentials have a value that cannot be read.')
  }
}

function requireRefreshToken(given: unknown): string {
  if (typeof given === 'string' && given !== '' && given.length <= MAX_REFRESH_TOKEN_LENGTH) return given
  throw invalid(`The refresh token must be a text of 1 to ${MAX_REFRESH_TOKEN_LENGTH} characters.`)
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
