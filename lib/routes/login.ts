import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Request, RequestHandler } from 'express'
import type { FailureReports } from '../authenticate/failure-reports.js'
import type { AccountName } from '../login/account-name.js'
import { clientOf } from '../login/client.js'
import type { VerifyCredentials } from '../login/credentials.js'
import type { LoginFlow } from '../login/login-flow.js'
import { prepareLogin } from '../login/prepare-login.js'
import type { Operations } from '../operations.js'
import { parseLoginArguments } from '../options/logins.js'
import type { SessionClaims } from '../sessions/session-document.js'
import type { ExtendedJsonFormat } from '../token-data/extended-json.js'
import type { AnswerTokens } from '../types.js'
import type { RefreshTransport } from './refresh-transport.js'
import { createTokenAnswer } from './token-answer.js'
import { createTokenEndpoint } from './token-endpoint.js'

/** Options of `login()`. */
export interface LoginOptions<Credentials, CustomData = object> {
  /**
   * A Standard Schema of the body, for fields that are objects or lists. Its output goes to `verifyCredentials`.
   * @default undefined, which accepts texts, numbers, booleans and null
   */
  readonly body?: StandardSchemaV1<unknown, Credentials> | undefined
  /**
   * Returns the account that the credentials name, so that its failed logins are counted. Returns `undefined` if they name
   * none.
   * @default each of `email` and `username` that is a text, a number or a boolean
   * @example userData.login(verifyCredentials, { account: ({ phone }) => phone })
   */
  readonly account?: ((credentials: Credentials) => AccountName | null | undefined) | undefined
  /**
   * The most sessions that a login by this route leaves the user, as the option `maxSessionsPerUser` of the instance. `false`
   * ends none, for accounts that many machines share.
   * @default the option of the instance
   */
  readonly maxSessionsPerUser?: number | false | undefined
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
  /**
   * The Extended JSON of MongoDB in which the answer has `user.customData`, as the option `extendedJson` of the instance.
   * `false` writes plain JSON.
   * @default the option of the instance
   */
  readonly extendedJson?: ExtendedJsonFormat | false | undefined
  /**
   * Whether the cookies with tokens outlive the browser: `true` or `false`, or a function of the credentials for a form with
   * "remember me". Without tokens in cookies it has no effect.
   * @default the option `persistent` of the cookie with the refresh token, or true
   * @example userData.login(verifyCredentials, { persistent: ({ rememberMe }) => rememberMe === true })
   */
  readonly persistent?: boolean | ((credentials: Credentials) => boolean) | undefined
  /**
   * Returns the body of the answer, or a promise of it, for clients that expect another shape. It must not end the response:
   * `Cache-Control: no-store` and the cookies are set, and this package sends the body as JSON. A token that is sent as a
   * cookie is not in `tokens`. If it throws, or returns no value that JSON can express, the answer is 500 `callback_failed`,
   * and the session ends. `verifyCredentialsTimeoutMs` limits it.
   * @default the body of RFC 6749 section 5.1, with `user`
   * @example
   * userData.login(verifyCredentials, {
   *   answer: ({ access_token, refresh_token, user }) => ({ user, tokens: { access: access_token, refresh: refresh_token } }),
   * })
   */
  readonly answer?: ((tokens: AnswerTokens<CustomData>, req: Request) => unknown) | undefined
  /**
   * The field of the body with the refresh token of a session that this login replaces, as the option `refreshTokenField` of
   * the instance.
   * @default the option of the instance
   */
  readonly refreshTokenField?: string | undefined
}

interface LoginRouteParts {
  /** The login flow whose answers are in a format; `undefined`: as the instance says. */
  readonly flowFor: (extendedJson: ExtendedJsonFormat | false | undefined) => LoginFlow
  readonly transport: RefreshTransport
  readonly failures: FailureReports
  readonly operations: Operations
  readonly config: { readonly refreshTokenField: string; readonly verifyCredentialsTimeoutMs: number }
}

/** Creates the login route. Throws an `OptionError` for wrong arguments. */
export function createLoginRoute<Credentials>(
  { flowFor, transport, failures, operations, config }: LoginRouteParts,
  verifyCredentials: VerifyCredentials<Credentials>,
  given?: LoginOptions<Credentials, never>,
): RequestHandler {
  const options = parseLoginArguments<Credentials>(verifyCredentials, given)
  const { answer, refreshTokenField: field = config.refreshTokenField } = options
  const flow = flowFor(options.extendedJson)
  const rules = { ...options, callee: 'login()', verifyCredentials, schema: options.body }
  const timeoutMs = config.verifyCredentialsTimeoutMs
  const withAnswer = createTokenAnswer({ name: 'login', transport, answer, timeoutMs })
  return createTokenEndpoint(
    { name: 'login', needsBody: true, failures, operations },
    async (body, req, res, secrets) => {
      transport.requireKnownOrigin(req)
      transport.requireKept(req, true)
      return withAnswer({ req, res, secrets }, deliver =>
        flow.run('login(): body', () =>
          prepareLogin(rules, body, {
            client: clientOf(req),
            replaced: transport.readToEnd(req, body, field),
            heldAccessTokens: transport.heldAccessTokens(req),
            deliver,
          }),
        ),
      )
    },
  )
}
