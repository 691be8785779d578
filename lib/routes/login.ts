import type { Request, RequestHandler } from 'express'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { isSubject } from '../access-tokens/claims.js'
import { DeadlineError, withDeadline } from '../deadline.js'
import { CustomUserDataError } from '../errors.js'
import type { TokenAnswer } from '../types.js'
import { createTokenEndpoint, toCallbackError } from './token-endpoint.js'
import type { RequestBody } from './token-endpoint.js'

/** What a field of a login may be unless a schema says otherwise: no object can reach a query. */
export type Scalar = string | number | boolean | null

/** Whom credentials belong to. */
export interface VerifiedUser {
  /** The user's id, as it stands in the user id field. */
  readonly id: string
}

/**
 * Checks credentials: resolves to the user, or to `null` where they are wrong. What the fields are is its own
 * business. It may throw a `CustomUserDataError` to answer with; anything else that it throws is a 500.
 */
export type VerifyCredentials<Credentials = Readonly<Record<string, Scalar>>> = (
  credentials: Credentials,
  req: Request,
) => VerifiedUser | null | undefined | Promise<VerifiedUser | null | undefined>

/** Options of `login()`. */
export interface LoginOptions<Credentials> {
  /** A Standard Schema of the body, for logins whose fields are more than scalars. */
  readonly body?: StandardSchemaV1<unknown, Credentials>
}

/** What `login()` needs of the rest. */
export interface LoginConfig {
  readonly verifyCredentialsTimeoutMs: number
}

/** Creates the login route. */
export function createLoginRoute<Credentials>(
  config: LoginConfig,
  issueTokens: (userId: string) => Promise<TokenAnswer<object>>,
  verifyCredentials: VerifyCredentials<Credentials>,
  options: LoginOptions<Credentials> = {},
): RequestHandler {
  return createTokenEndpoint('login', async (body, req) => {
    const credentials = options.body
      ? await parseBody(options.body, body)
      : (requireScalars(body) as Credentials)
    const user = await callVerify(config, async () => verifyCredentials(credentials, req))
    return issueTokens(user.id)
  })
}

async function callVerify(
  { verifyCredentialsTimeoutMs }: LoginConfig,
  verify: () => Promise<VerifiedUser | null | undefined>,
): Promise<VerifiedUser> {
  const user = await withDeadline(verifyCredentialsTimeoutMs, verify).catch((cause: unknown) => {
    if (cause instanceof DeadlineError) throw tooSlow(cause)
    throw toCallbackError('verifyCredentials', cause)
  })
  if (user === null || user === undefined) {
    throw new CustomUserDataError('invalid_credentials', 'The credentials are wrong.')
  }
  if (isSubject(user.id)) return user
  throw new CustomUserDataError(
    'callback_failed',
    'verifyCredentials must return null or { id }, a text of 1 to 255 characters.',
  )
}

/** Objects and arrays are refused: `{ "email": { "$gt": "" } }` must not reach anybody's query. */
function requireScalars(body: RequestBody): Readonly<Record<string, Scalar>> {
  const nested = Object.values(body).some(value => typeof value === 'object' && value !== null)
  if (!nested) return body as Readonly<Record<string, Scalar>>
  throw new CustomUserDataError(
    'invalid_request',
    'Each field must be a text, a number, true, false or null.',
  )
}

async function parseBody<Credentials>(
  schema: StandardSchemaV1<unknown, Credentials>,
  body: RequestBody,
): Promise<Credentials> {
  const result = await schema['~standard'].validate(body)
  if (result.issues)
    throw new CustomUserDataError('invalid_request', 'The body does not have the expected fields.')
  return result.value
}

function tooSlow(cause: unknown): CustomUserDataError {
  return new CustomUserDataError('credentials_unavailable', 'Credentials could not be checked in time.', {
    cause,
  })
}
