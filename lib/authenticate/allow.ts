import type { Request, RequestHandler } from 'express'
import { DeadlineError, withDeadline } from '../util/deadline.js'
import type { RequestChecks } from '../checks/request-checks.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { parseAllowOptions } from '../options/guards.js'
import { createRule } from '../rules/compile.js'
import type { RuleExpression } from '../rules/compile.js'
import type { Metrics } from '../metrics.js'
import type { RuleFacts } from '../rules/expansions.js'
import { isThrown, toNextError } from '../util/thrown.js'
import { toPlainAddress } from '../util/client-address.js'
import type { AuthenticatedUser } from '../types.js'
import { withChallenge } from './challenge.js'
import type { MaxAgeOption } from './middleware.js'
import type { Reload } from './reload.js'
import { requestUser } from './request-user.js'
import { readHeaderValues } from './request-headers.js'
import type { RequestUser, RequestUsers } from './request-users.js'

/** A function that decides: `true` lets the request through, any other value does not. */
export type GuardPredicate<CustomData> = (
  user: AuthenticatedUser<CustomData>,
  req: Request,
) => boolean | Promise<boolean>

/** The rule of `allow()`: a function, or a rule expression as App Services had it. */
export type GuardRule<CustomData> = GuardPredicate<CustomData> | RuleExpression

/** Options of `allow()`. */
export interface AllowOptions extends MaxAgeOption {
  /**
   * How many milliseconds a function may take. After that the answer is 503 `rule_unavailable`.
   *
   * @default 10_000
   */
  readonly timeoutMs?: number | undefined
}

interface AllowParts {
  readonly requestUsers: Pick<RequestUsers, 'find' | 'require'>
  readonly reload: Reload
  readonly metrics: Pick<Metrics, 'refused'>
  readonly realm: string
  readonly requestChecks: Pick<RequestChecks, 'refused' | 'addressRead'>
}

const NO_DATA =
  'allow() found a req.user without customData. A handler before it has replaced req.user: keep customData.'

/**
 * Creates a guard that is mounted behind `authenticate()`, `strategy()` or `attach()`. An answer never tells the rule, only
 * that the user is refused (RFC 6750 3.1, `insufficient_scope`).
 */
export function createAllow(
  parts: AllowParts,
  rule: GuardRule<object>,
  options?: AllowOptions,
): RequestHandler {
  const decide = typeof rule === 'function' ? rule : toPredicate(rule, parts)
  const { maxAgeMs, timeoutMs } = parseAllowOptions(options)

  async function judge(req: Request): Promise<void> {
    requireUser(req, parts.requestUsers)
    if (maxAgeMs !== undefined) await parts.reload(req, maxAgeMs)
    const user = requireUser(req, parts.requestUsers)
    if ((await callInTime(timeoutMs, () => decide(user, req))) === true) return
    throw new CustomUserDataError('forbidden', 'The user is not allowed to do this.')
  }

  return function allowByRule(req, res, next) {
    judge(req).then(
      () => {
        next()
      },
      (error: unknown) => {
        const ours = asCustomUserDataError(error)
        // The rule of the team may throw one error for all users, so the user is not noted about the error.
        if (ours) parts.metrics.refused(ours, parts.requestUsers.find(req)?.id)
        // The errors of a request without a user were looked at where they were made.
        if (ours?.code === 'forbidden') parts.requestChecks.refused(req, res, ours)
        next(ours ? withChallenge(ours, parts.realm) : toNextError(error))
      },
    )
  }
}

function requireUser(req: Request, requestUsers: AllowParts['requestUsers']): AuthenticatedUser<object> {
  requestUsers.require('allow()', req)
  // Without `customData` nothing was loaded. A rule could take this for a user without a document, and let the user in.
  const user = requestUser(req)
  if (!('customData' in Object(user))) throw new CustomUserDataError('attach_misconfigured', NO_DATA)
  return user as AuthenticatedUser<object>
}

async function callInTime(timeoutMs: number, decide: () => unknown): Promise<unknown> {
  try {
    const verdict = decide()
    // Any other value is awaited, because a promise can be of another library. A value that is no promise is no `true`.
    return typeof verdict === 'boolean' ? verdict : await withDeadline(timeoutMs, () => verdict)
  } catch (cause) {
    if (isThrown(DeadlineError, cause)) {
      throw new CustomUserDataError('rule_unavailable', 'The rule was not decided in time.', { cause })
    }
    throw (
      asCustomUserDataError(cause) ??
      new CustomUserDataError('callback_failed', 'The rule of allow() failed.', { cause })
    )
  }
}

function toPredicate(
  expression: RuleExpression,
  { requestUsers, requestChecks }: Pick<AllowParts, 'requestUsers' | 'requestChecks'>,
): GuardPredicate<object> {
  const rule = createRule(expression)
  const readAddress = (req: Request): string | undefined => {
    requestChecks.addressRead(req, 'rule')
    return toPlainAddress(req.ip)
  }
  return (user, req) => rule(toFacts(user, req, requestUsers.require('allow()', req), readAddress))
}

function toFacts(
  { customData }: AuthenticatedUser<object>,
  req: Request,
  user: RequestUser,
  readAddress: (req: Request) => string | undefined,
): RuleFacts {
  return {
    userId: user.id,
    // What this request was given: another request may have changed a req.user object that both share.
    customData: user.attachedData ?? customData,
    // For users of custom JWTs, App Services took this data from the claims of the token.
    userData: user.claims,
    request: {
      method: req.method,
      get ip() {
        return readAddress(req)
      },
      rawQueryString: /\?(.*)$/s.exec(req.originalUrl)?.[1] ?? '',
      header: name => readHeaderValues(req, name),
      param: name => asText(ownMember(req.params, name)),
    },
  }
}

/** A wildcard of Express 5 gives a list. It has no text, because one element must not stand for all. */
function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** A request that does not come from Express's router has no parameters. */
function ownMember(holder: object | undefined, name: string): unknown {
  if (holder === undefined || !Object.hasOwn(holder, name)) return undefined
  return (holder as Readonly<Record<string, unknown>>)[name]
}
