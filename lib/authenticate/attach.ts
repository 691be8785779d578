import { hash } from 'node:crypto'
import { isDate } from 'node:util/types'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import type { ObjectId } from 'mongodb'
import type { Issuers } from '../access-tokens/issuers.js'
import type { Attachment, Attachments } from './attachments.js'
import { readAuthorization } from './bearer-token.js'
import type { SetCacheHeaders } from './cache-headers.js'
import { withChallenge } from './challenge.js'
import { describeType } from '../util/describe-value.js'
import { parseAttachOptions } from '../options/guards.js'
import type { AttachConfig } from '../options/guards.js'
import type { MaxAgeOption } from './middleware.js'
import { requestUser } from './request-user.js'
import type { RequestUsers } from './request-users.js'
import { noteUser } from './token-loads.js'
import type { SnapshotBinding } from '../snapshots/snapshot-cache.js'
import type { Metrics } from '../metrics.js'
import { isObject } from '../util/plain-object.js'
import { callAtOnce } from '../util/call-at-once.js'
import type { RequestChecks } from '../checks/request-checks.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { toNextError } from '../util/thrown.js'

/**
 * How `attach()` reads what another middleware left on the request. Each function must return its value at once: a promise
 * is refused with a 500 `attach_misconfigured`, even if it resolves to a valid value.
 */
export interface AttachOptions extends MaxAgeOption {
  /**
   * Returns the user's id.
   *
   * @default `req.user.id`, else `req.user.sub`, else `req.user._id`, which may be an ObjectId
   */
  readonly userId?: ((req: Request) => string | undefined) | undefined
  /**
   * Returns the token or the session id that authenticated the request. The snapshot is bound to it. Only its digest is kept.
   *
   * @default `req.sessionID` of express-session if passport has signed the user in by the session, that is, if
   * `req.session.passport.user` is set; else the Authorization header; else `req.sessionID`
   * @example boundTo: req => req.sessionID // where your own code keeps the user in the session
   */
  readonly boundTo?: ((req: Request) => string | undefined) | undefined
  /**
   * Returns the time at which that token or session ends: a `Date`, or milliseconds since the epoch.
   *
   * @default unknown: the snapshot lives for `snapshotTtlMs`
   */
  readonly expiresAt?: ((req: Request) => Date | number | undefined) | undefined
  /**
   * Let requests through that have no `req.user`.
   *
   * @default false
   */
  readonly optional?: boolean | undefined
}

const MISSING_USER =
  'attach() found no req.user: mount it behind the middleware that authenticates, or allow it with optional: true.'
const NOT_KEPT =
  'attach() added customData to req.user, but req.user is another object now. Let the middleware before attach() set ' +
  'req.user to one object, and not to a getter that makes an object each time.'
const MISSING_ID =
  "attach() cannot tell the user's id: give it { userId: req => … } that returns a text of 1 to 255 characters"
const MISSING_BINDING =
  'attach() cannot tell the token or session of the request: give it { boundTo: req => … } that returns its id.'
const BAD_EXPIRY = 'attach(): expiresAt must return a Date or milliseconds since the epoch.'
const NOT_AT_ONCE =
  'returned a promise, which attach() does not await. Return the value itself: let a middleware before attach() await it and leave it on the request.'

/**
 * Creates the middleware that adds `customData` to the `req.user` that another middleware set. Its snapshots are kept apart:
 * `authenticate()` never gets them. Another `attach()` gets them only if it is mounted behind this one, and has no
 * callbacks or callbacks that return the same values, as one with `maxAgeMs` on a route does.
 */
export function createAttachMiddleware(
  parts: {
    readonly issuers: Pick<Issuers, 'isUserId'>
    readonly realm: string
    readonly attachments: Attachments
    readonly setCacheHeadersOfAttached: SetCacheHeaders
    readonly requestUsers: Pick<RequestUsers, 'noteWithoutUser'>
    readonly metrics: Pick<Metrics, 'refused'>
    readonly requestChecks: Pick<RequestChecks, 'refused'>
  },
  given?: AttachOptions,
): RequestHandler {
  const { issuers, realm, attachments, setCacheHeadersOfAttached, requestUsers, metrics, requestChecks } =
    parts
  const options = parseAttachOptions(given)
  const { maxAgeMs, optional } = options
  const keyPrefix = nextKeyPrefix()
  // An attach({ maxAgeMs }) on a route need not repeat the callbacks of the one in front of it.
  const repeatsBefore = [options.userId, options.boundTo, options.expiresAt].every(
    callback => callback === undefined,
  )

  async function attach(req: Request, user: object): Promise<void> {
    const before = attachments.of(req)
    const binding =
      before && repeatsBefore ? before.binding : bindApart(toBinding(req, user, options, issuers), before)
    await attachments.attach(req, { user, binding }, maxAgeMs).catch(noteUser(binding.userId))
    if (requestUser(req) !== user) throw misconfigured(NOT_KEPT)
  }

  function bindApart(binding: SnapshotBinding, before: Attachment | undefined): SnapshotBinding {
    if (before?.binding.cacheKey.endsWith(`:${binding.cacheKey}`) === true) return before.binding
    return { ...binding, cacheKey: `${keyPrefix}:${binding.cacheKey}` }
  }

  async function attachAndPass(req: Request, res: Response, next: NextFunction): Promise<void> {
    try {
      setCacheHeadersOfAttached(res)
      const user = requestUser(req)
      if (isObject(user)) await attach(req, user)
      else if ((user === undefined || user === null) && optional) requestUsers.noteWithoutUser(req)
      else throw misconfigured(MISSING_USER)
    } catch (error) {
      const ours = asCustomUserDataError(error)
      if (ours) {
        metrics.refused(ours)
        requestChecks.refused(req, res, ours)
      }
      next(ours ? withChallenge(ours, realm) : toNextError(error))
      return
    }
    next()
  }

  return function attachCustomData(req, res, next) {
    void attachAndPass(req, res, next)
  }
}

/** Each `attach()` has snapshots of its own, because the callbacks of two may name different users. */
let prefixes = 0
function nextKeyPrefix(): string {
  return `attach:${++prefixes}`
}

function toBinding(
  req: Request,
  user: object,
  options: AttachConfig,
  issuers: Pick<Issuers, 'isUserId'>,
): SnapshotBinding {
  const userId = call('userId', () => (options.userId ? options.userId(req) : defaultUserId(user)))
  if (!issuers.isUserId(userId)) throw misconfigured(`${MISSING_ID} (given: ${describeType(userId)}).`)
  const boundTo = call('boundTo', () => (options.boundTo ? options.boundTo(req) : defaultBinding(req)))
  if (!isText(boundTo)) throw misconfigured(MISSING_BINDING)
  return {
    // With the length, an id and a binding cannot be split at another place to give the key of another user.
    cacheKey: hash('sha256', `${userId.length}:${userId}${boundTo}`, 'base64'),
    userId,
    claims: undefined,
    claimsLength: 0,
    signedBy: undefined,
    expiresAt: toMilliseconds(call('expiresAt', () => options.expiresAt?.(req))),
  }
}

function defaultUserId(user: object): unknown {
  const { id, sub, _id } = user as { id?: unknown; sub?: unknown; _id?: Partial<ObjectId> | null }
  return id ?? sub ?? (typeof _id?.toHexString === 'function' ? _id.toHexString() : _id)
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

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function misconfigured(message: string): CustomUserDataError {
  return new CustomUserDataError('attach_misconfigured', message)
}
