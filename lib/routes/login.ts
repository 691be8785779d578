import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Request, RequestHandler } from 'express'
import { CustomUserDataError } from '../errors.js'
import type { LoginFlow, VerifyOutcome } from './login-flow.js'
import type { RefreshTransport } from './refresh-transport.js'
import { createTokenEndpoint } from './token-endpoint.js'
import type { RequestBody } from './request-body.js'

/** What a field of a login may be unless a schema says otherwise: no object can reach a query. */
export type Scalar = string | number | boolean | null

/**
 * Checks credentials: resolves to the user, or to `null` where they are wrong. What the fields are is its own
 * business, and so is how long it takes: what it answers for unknown users should take as long as for others.
 * It may throw a `CustomUserDataError` to answer with; anything else that it throws is a 500.
 */
export interface VerifyCredentials<Credentials = Readonly<Record<string, Scalar>>> {
  (credentials: Credentials, req: Request): VerifyOutcome | Promise<VerifyOutcome>
  /** The account that credentials name, for its failures to be counted. Default: `email`, else `username`. */
  readonly account?: (credentials: Credentials) => string | undefined
}

/** Options of `login()`. */
export interface LoginOptions<Credentials> {
  /** A Standard Schema of the body, for logins whose fields are more than scalars. */
  readonly body?: StandardSchemaV1<unknown, Credentials>
  /** The account that credentials name, for its failures to be counted. Default: `email`, else `username`. */
  readonly account?: (credentials: Credentials) => string | undefined
}

/** Creates the login route. */
export function createLoginRoute<Credentials>(
  flow: LoginFlow,
  transport: RefreshTransport,
  verifyCredentials: VerifyCredentials<Credentials>,
  options: LoginOptions<Credentials> = {},
): RequestHandler {
  const accountOf = options.account ?? verifyCredentials.account ?? guessAccount
  return createTokenEndpoint({ name: 'login', needsBody: true }, async (body, req, res) => {
    transport.requireSameSite(req)
    const credentials = options.body
      ? await parseBody(options.body, body)
      : (requireScalars(body) as Credentials)
    const verify = async (): Promise<VerifyOutcome> => verifyCredentials(credentials, req)
    const replaced = transport.readToEnd(req, body)
    const answer = await flow({ req, account: accountOf(credentials), verify, replaced })
    transport.clearPrevious(res)
    return transport.hand(res, answer)
  })
}

function guessAccount(credentials: unknown): string | undefined {
  const { email, username } = credentials as { readonly email?: unknown; readonly username?: unknown }
  const account = email ?? username
  return typeof account === 'string' ? account : undefined
}

/** Objects and arrays are refused: `{ "email": { "$gt": "" } }` must not reach anybody's query. */
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
