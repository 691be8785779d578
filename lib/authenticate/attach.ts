import { hash } from 'node:crypto'
import { isDate } from 'node:util/types'
import type { NextFunction, Request, RequestHandler } from 'express'
import type { Issuers } from '../access-tokens/issuers.js'
import type { Attachment, Attachments } from './attachments.js'
import { readAuthorization } from './bearer-token.js'
import { withChallenge } from './challenge.js'
import { describeType } from '../util/describe-value.js'
import { parseAttachOptions } from '../options/guards.js'
import type { AttachConfig } from '../options/guards.js'
import type { MaxAgeOption } from './max-age.js'
import type { SnapshotBinding } from '../snapshots/snapshot-cache.js'
import type { Snapshots } from '../snapshots/snapshots.js'
import type { Observer } from '../metrics.js'
import { callAtOnce } from '../util/call-at-once.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'

/**
 * How `attach()` reads what another middleware left on the request. Each function must return its value at once: a promise
 * is refused with a 500 `attach_misconfigured`, even if it resolves to a valid value.
 */
export interface AttachOptions extends MaxAgeOption {
  /**
   * The user's id.
   *
   * @default `req.user.id`, else `req.user.sub`
   */
  readonly userId?: (req: Request) => string | undefined
  /**
   * The token or the session that authenticated the request: the snapshot is bound to it. Only its digest is kept.
   *
   * @default `req.sessionID` of express-session if passport has signed the user in by the session, that is, if
   * `req.session.passport.user` is set; else the Authorization header; else `req.sessionID`
   * @example boundTo: req => req.sessionID // where your own code keeps the user in the session
   */
  readonly boundTo?: (req: Request) => string | undefined
  /**
   * When that token or session ends: a `Date`, or milliseconds since the epoch.
   *
   * @default unknown: the snapshot lives for `snapshotTtlMs`
   */
  readonly expiresAt?: (req: Request) => Date | number | undefined
  /** Let requests through that have no `req.user`. Default false. */
  readonly optional?: boolean
}

/** What `attach()` works with. */
export interface AttachParts {
  readonly issuers: Pick<Issuers, 'isUserId'>
  readonly realm: string
  readonly attachments: Attachments
  readonly snapshots: Pick<Snapshots, 'freshness'>
  readonly observer: Pick<Observer, 'refused'>
}

const MISSING_USER =
  'attach() found no req.user: mount it behind what authenticates, or allow it with optional: true.'
const NOT_KEPT =
  'attach() added customData to req.user, but req.user is another object now. Let the middleware before attach() set ' +
  'req.user to one object, and not to a getter that makes an object each time.'
const MISSING_ID =
  "attach() cannot tell the user's id: give it { userId: req => … } that returns a text of 1 to 255 characters"
const MISSING_BINDING =
  'attach() cannot tell what the data is bound to: give it { boundTo: req => … }, a token or session id.'
const BAD_EXPIRY = 'attach(): expiresAt must return a Date or milliseconds since the epoch.'
const NOT_AT_ONCE =
  'returned a promise, which attach() does not await. Return the value itself: let a middleware before attach() await it and leave it on the request.'

/**
 * Creates the middleware that adds `customData` to whatever `req.user` another middleware set, and replaces
 * nothing. Its copies are kept apart: they never answer for `authenticate()`, nor for another `attach()` unless that is
 * mounted behind it and told the same of the request, as one with `maxAgeMs` on a route is.
 */
export function createAttachMiddleware(
  { issuers, realm, attachments, snapshots, observer }: AttachParts,
  given?: AttachOptions,
): RequestHandler {
  const options = parseAttachOptions(given)
  const { maxAgeMs, optional } = options
  const voucher = nextVoucher()

  async function attach(req: Request, user: object): Promise<void> {
    const wanted = maxAgeMs === undefined ? undefined : snapshots.freshness(maxAgeMs)
    const binding = toBinding(req, user, options, issuers)
    await attachments.attach(req, { user, binding: vouchFor(binding, attachments.of(req)) }, wanted)
    if (req.user !== (user as unknown)) throw misconfigured(NOT_KEPT)
  }

  function vouchFor(binding: SnapshotBinding, before: Attachment | undefined): SnapshotBinding {
    if (before?.binding.cacheKey.endsWith(`:${binding.cacheKey}`) === true) return before.binding
    return { ...binding, cacheKey: `${voucher}:${binding.cacheKey}` }
  }

  async function attachAndPass(req: Request, user: unknown, next: NextFunction): Promise<void> {
    try {
      if (!isObject(user)) throw misconfigured(MISSING_USER)
      await attach(req, user)
    } catch (error) {
      const ours = asCustomUserDataError(error)
      if (ours) observer.refused(ours.code)
      next(ours ? withChallenge(ours, realm) : error)
      return
    }
    next()
  }

  return function attachCustomData(req, _res, next) {
    const user: unknown = req.user
    if ((user === undefined || user === null) && optional) {
      next()
      return
    }
    void attachAndPass(req, user, next)
  }
}

/** Each attach() vouches for its own copies. */
let vouchers = 0
function nextVoucher(): string {
  return `attach:${++vouchers}`
}

function toBinding(
  req: Request,
  user: object,
  options: AttachConfig,
  issuers: AttachParts['issuers'],
): SnapshotBinding {
  const userId = call('userId', () => (options.userId ? options.userId(req) : defaultUserId(user)))
  if (!issuers.isUserId(userId)) throw misconfigured(`${MISSING_ID} (given: ${describeType(userId)}).`)
  const boundTo = call('boundTo', () => (options.boundTo ? options.boundTo(req) : defaultBinding(req)))
  if (!isText(boundTo)) throw misconfigured(MISSING_BINDING)
  return {
    // The length keeps an id that ends like the other's binding begins apart from it.
    cacheKey: hash('sha256', `${userId.length}:${userId}${boundTo}`, 'base64'),
    userId,
    claims: undefined,
    claimsLength: 0,
    signedBy: undefined,
    expiresAt: toMilliseconds(call('expiresAt', () => options.expiresAt?.(req))),
  }
}

function defaultUserId(user: object): unknown {
  const { id, sub } = user as { id?: unknown; sub?: unknown }
  return id ?? sub
}

/**
 * If the session signed the user in, other headers do not change who the user is. If it did not, express-session may make
 * a new `sessionID` for each request of a client without cookies, so the Authorization header comes first.
 */
function defaultBinding(req: Request): unknown {
  const { sessionID, session } = req as { sessionID?: unknown; session?: unknown }
  if (isText(sessionID) && hasSignedIn(session)) return sessionID
  return readAuthorization(req) ?? sessionID
}

/** Decides as passport's session strategy does: any user except an empty one, and also 0. */
function hasSignedIn(session: unknown): boolean {
  const { passport } = (session ?? {}) as { passport?: { user?: unknown } | null }
  const user = passport?.user
  return Boolean(user) || user === 0
}

function toMilliseconds(expiresAt: unknown): number | undefined {
  if (expiresAt === undefined) return undefined
  const milliseconds = isDate(expiresAt) ? expiresAt.getTime() : expiresAt
  if (typeof milliseconds === 'number' && Number.isFinite(milliseconds)) return milliseconds
  throw misconfigured(BAD_EXPIRY)
}

/** Calls a callback of the team. If it throws or returns a promise, the answer is a 500 that names the callback. */
function call<T>(name: string, callback: () => T): T {
  return callAtOnce(`attach(): ${name}`, callback, callee => misconfigured(`${callee} ${NOT_AT_ONCE}`))
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function misconfigured(message: string): CustomUserDataError {
  return new CustomUserDataError('attach_misconfigured', message)
}
