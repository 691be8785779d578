import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Response } from 'express'
import * as v from 'valibot'
import { OptionError } from '../errors.js'
import { isAccountName, requireAccountName } from '../login/account-name.js'
import type { AccountName } from '../login/account-name.js'
import type { AttemptToCount } from '../login/count-attempt.js'
import { explainNoHash } from '../login/hash-kinds.js'
import type { PasswordCredentialsConfig } from '../login/password-credentials.js'
import type { ExtendedJsonFormat } from '../token-data/extended-json.js'
import type { ParsedLogin, RefreshTokenClient } from '../login/without-request.js'
import type { AnswerCallback } from '../routes/token-answer.js'
import { isSid } from '../sessions/refresh-token.js'
import type { SessionClaims } from '../sessions/session-document.js'
import type { SessionOfUser } from '../login/issue-tokens-options.js'
import { parseArgument, requireArgument } from './arguments.js'
import { collectionNamed } from './collection-option.js'
import { optionsObject } from './options-object.js'
import { sessionClaims } from './session-claims.js'
import { refreshTokenIdleSeconds, refreshTokenTtlSeconds } from './sessions.js'
import {
  AN_OBJECT,
  callback,
  extendedJson,
  maxSessions,
  refreshTokenField,
  standardSchema,
  topLevelField,
  trueOrFalse,
} from './value-schemas.js'

const CREDENTIALS_CALLBACK = 'write a function that takes the credentials and returns { id } or null'
const TEXT_OR_NULL = 'write a text or null'
const CREDENTIALS = 'give the fields of the login as the client sent them'

/** Not a union, whose error would not say what to write. */
/** How long one session lives. */
const sessionLife = {
  refreshTokenTtlSeconds: v.optional(refreshTokenTtlSeconds),
  refreshTokenIdleSeconds: v.optional(refreshTokenIdleSeconds),
}

const persistent = v.custom<boolean | ((credentials: never) => boolean)>(
  value => typeof value === 'boolean' || typeof value === 'function',
  'write true, false, or a function that takes the credentials and returns true or false',
)

const loginOptions = optionsObject(AN_OBJECT, {
  body: v.optional(standardSchema),
  account: v.optional(callback),
  maxSessionsPerUser: v.optional(maxSessions),
  rotateRefreshTokens: v.optional(trueOrFalse),
  ...sessionLife,
  claims: v.optional(sessionClaims),
  extendedJson: v.optional(extendedJson),
  persistent: v.optional(persistent),
  answer: v.optional(callback),
  refreshTokenField: v.optional(refreshTokenField),
})

const refreshOptions = optionsObject(AN_OBJECT, {
  extendedJson: v.optional(extendedJson),
  answer: v.optional(callback),
  refreshTokenField: v.optional(refreshTokenField),
})

const logoutOptions = optionsObject(AN_OBJECT, { refreshTokenField: v.optional(refreshTokenField) })

const unicodeNormalization = v.optional(v.picklist(['NFKC', 'NFKD'], 'write "NFKC" or "NFKD"'))

const A_HASH =
  "write a hash of a random text, of the kind and cost of your users' hashes, e.g. the output of " +
  `node -p "require('bcryptjs').hashSync(crypto.randomUUID(), 10)"`

/** A hash that is checked for unknown users. A text that is no hash would be refused without any work, and would hide nobody. */
const decoyHash = v.pipe(
  v.string(A_HASH),
  v.check(
    hash => explainNoHash(hash) === undefined,
    ({ input }) => `${explainNoHash(input) ?? ''}: ${A_HASH}`,
  ),
)

const passwordCredentialsOptions = optionsObject(AN_OBJECT, {
  collection: collectionNamed('users'),
  usernameField: v.optional(topLevelField, 'email'),
  normalizeUsername: v.optional(trueOrFalse, false),
  hashField: v.optional(topLevelField, 'passwordHash'),
  verifyPassword: v.optional(callback),
  decoyHash: v.optional(decoyHash),
  isRefused: v.optional(callback),
  upgradeHashes: v.optional(trueOrFalse, false),
  toUserId: v.optional(callback),
  unicodeNormalization,
})

const passwordTextOptions = optionsObject(AN_OBJECT, { unicodeNormalization })

const textOrNull = v.optional(v.nullable(v.string(TEXT_OR_NULL)), null)

const issueTokensOptions = optionsObject(AN_OBJECT, {
  device: textOrNull,
  address: textOrNull,
  maxSessionsPerUser: v.optional(maxSessions),
  rotateRefreshTokens: v.optional(trueOrFalse),
  ...sessionLife,
  claims: v.optional(sessionClaims),
  persistent: v.optional(trueOrFalse),
  res: v.optional(v.custom<Response>(isOpenResponse, 'write the response of Express, before it is sent')),
  startedAt: v.optional(v.number('write the value that performance.now() had when your own check began')),
})

const verifyCredentials = v.custom<(...args: never[]) => unknown>(
  value => typeof value === 'function',
  CREDENTIALS_CALLBACK,
)

const authenticateLoginOptions = optionsObject('give { verifyCredentials, credentials, address, device }', {
  verifyCredentials,
  // Only a missing member is an error of the team. The value comes from the client, which may have sent nothing.
  credentials: v.custom<unknown>(() => true, CREDENTIALS),
  schema: v.optional(standardSchema),
  account: v.optional(callback),
  device: textOrNull,
  address: textOrNull,
  replacedRefreshToken: v.optional(v.unknown()),
  maxSessionsPerUser: v.optional(maxSessions),
  rotateRefreshTokens: v.optional(trueOrFalse),
  ...sessionLife,
  claims: v.optional(sessionClaims),
  persistent: v.optional(trueOrFalse),
})

const SESSION_OF_USER = 'give { userId, sid }, as sessionOf() returns them'

const sessionOfUser = optionsObject(SESSION_OF_USER, {
  userId: v.string(SESSION_OF_USER),
  sid: v.pipe(
    v.string(SESSION_OF_USER),
    v.check(isSid, 'write the sid of a session, as sessionOf() returns it'),
  ),
  // So that the result of sessionOf() can be given as it is.
  claims: v.optional(v.unknown()),
})

const ATTEMPT = 'give { account, address }, or one of the two'

const attemptToCount = optionsObject(ATTEMPT, {
  account: v.optional(
    v.nullable(
      v.custom<AccountName>(isAccountName, 'write the name of the account, a text that is not empty'),
    ),
    null,
  ),
  address: textOrNull,
})

const refreshTokenClient = optionsObject(AN_OBJECT, { address: textOrNull })

const storedDataOptions = optionsObject(AN_OBJECT, {
  accounts: v.optional(v.array(v.unknown(), 'write a list of the names with which the user logs in'), []),
})

function isOpenResponse(value: unknown): boolean {
  const { cookie, req, headersSent } = Object(value) as Partial<Response>
  return typeof cookie === 'function' && req !== undefined && headersSent === false
}

/** Complete options of `login()`. */
export interface LoginConfig<Credentials> {
  readonly body: StandardSchemaV1<unknown, Credentials> | undefined
  readonly account: ((credentials: Credentials) => AccountName | null | undefined) | undefined
  readonly maxSessionsPerUser: number | false | undefined
  readonly rotateRefreshTokens: boolean | undefined
  readonly refreshTokenTtlSeconds: number | undefined
  readonly refreshTokenIdleSeconds: number | undefined
  readonly claims: SessionClaims | undefined
  readonly extendedJson: ExtendedJsonFormat | false | undefined
  readonly persistent: boolean | ((credentials: Credentials) => boolean) | undefined
  readonly answer: AnswerCallback | undefined
  readonly refreshTokenField: string | undefined
}

/** Complete options of `refresh()`. */
export interface RefreshConfig {
  readonly extendedJson: ExtendedJsonFormat | false | undefined
  readonly answer: AnswerCallback | undefined
  readonly refreshTokenField: string | undefined
}

/** Checks the arguments of `login()` and completes its options, or throws an `OptionError`. */
export function parseLoginArguments<Credentials>(
  verifyCredentials: unknown,
  given: unknown,
): LoginConfig<Credentials> {
  requireArgument('login()', typeof verifyCredentials === 'function', verifyCredentials, CREDENTIALS_CALLBACK)
  return parseArgument('login()', loginOptions, given) as LoginConfig<Credentials>
}

/** Completes the options of `refresh()`, or throws an `OptionError`. */
export function parseRefreshOptions(given: unknown): RefreshConfig {
  return parseArgument('refresh()', refreshOptions, given) as RefreshConfig
}

/** Completes the options of `logout()`, or throws an `OptionError`. */
export function parseLogoutOptions(given: unknown): v.InferOutput<typeof logoutOptions> {
  return parseArgument('logout()', logoutOptions, given)
}

/** Completes the options of `authenticateLogin()`, or throws an `OptionError`. */
export function parseAuthenticateLoginOptions(given: unknown): ParsedLogin {
  return parseArgument('authenticateLogin()', authenticateLoginOptions, given) as ParsedLogin
}

/** Checks the argument of `reissue()`, or throws an `OptionError`. */
export function parseSessionOfUser(given: unknown): SessionOfUser {
  const { userId, sid } = parseArgument('reissue()', sessionOfUser, given)
  return { userId, sid }
}

/** Checks the argument of `countAttempt()`, or throws an `OptionError`. */
export function parseAttempt(given: unknown): AttemptToCount {
  const attempt = parseArgument('countAttempt()', attemptToCount, given)
  if (attempt.account === null && attempt.address === null) {
    throw new OptionError(`countAttempt(): there is neither an account nor an address to count: ${ATTEMPT}.`)
  }
  return attempt
}

/** Completes the options of `exchangeRefreshToken()` and `endSession()`, or throws an `OptionError`. */
export function parseRefreshTokenClient(callee: string, given: unknown): RefreshTokenClient {
  return parseArgument(callee, refreshTokenClient, given)
}

/** Completes the options of `passwordCredentials()`, or throws an `OptionError`. */
export function parsePasswordCredentialsOptions(given: unknown): PasswordCredentialsConfig {
  const callee = 'passwordCredentials()'
  const config = parseArgument(callee, passwordCredentialsOptions, given) as PasswordCredentialsConfig
  const { verifyPassword, decoyHash } = config
  if (verifyPassword && decoyHash === undefined) {
    throw new OptionError(
      `${callee}: option "verifyPassword" needs "decoyHash", which is checked for unknown users, so that times do not tell who ` +
        `exists: ${A_HASH}.`,
    )
  }
  if (!verifyPassword && decoyHash !== undefined) {
    const advice = 'give "verifyPassword" too, or remove it: argon2 hashes have a decoy of their own'
    throw new OptionError(`${callee}: option "decoyHash" has no effect without "verifyPassword": ${advice}.`)
  }
  return config
}

/** Checks the arguments of `hashPassword()`, or throws an `OptionError` that does not show the password. */
export function parseHashPasswordArguments(
  password: unknown,
  given: unknown,
): v.InferOutput<typeof passwordTextOptions> {
  const isText = typeof password === 'string'
  requireArgument('hashPassword()', isText, password, 'write the password as a text')
  return parseArgument('hashPassword()', passwordTextOptions, given)
}

/** Completes the options of `issueTokens()`, or throws an `OptionError`. */
export function parseIssueTokensOptions(given: unknown): v.InferOutput<typeof issueTokensOptions> {
  return parseArgument('issueTokens()', issueTokensOptions, given)
}

/** Completes the options of `storedAbout()` and `eraseUser()`. Throws an `OptionError`, or a `TypeError` for a name. */
export function parseStoredDataOptions(callee: string, given: unknown): { readonly accounts: string[] } {
  const { accounts } = parseArgument(callee, storedDataOptions, given)
  return { accounts: [...new Set(accounts.map(account => requireAccountName(callee, account)))] }
}
