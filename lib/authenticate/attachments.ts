import type { Request } from 'express'
import type { Freshness } from '../snapshots/freshness.js'
import { isFresh } from '../snapshots/freshness.js'
import type { SnapshotBinding } from '../snapshots/snapshot-cache.js'
import type { Snapshots } from '../snapshots/snapshots.js'
import { CustomUserDataError } from '../errors.js'
import type { Observer } from '../metrics.js'
import { requireDocument } from '../snapshots/require-document.js'

/** What `attach()` added to a request's user. */
export interface Attachment {
  readonly user: object
  readonly binding: SnapshotBinding
}

/** An attachment with the data that this request was given. `req.user.customData` may be other data by now. */
export interface AttachedData extends Attachment {
  readonly data: object
}

/** The users of requests to whom `attach()` added their data. */
export interface Attachments {
  /** The attachment of this request; `undefined` if `req.user` is neither the attached user nor a copy with its data. */
  of: (req: Request) => AttachedData | undefined
  /**
   * Adds the data of a binding to a user, loaded where it is not cached or older than wanted. Resolves to it.
   *
   * @throws `attach_misconfigured` if the object cannot hold the data, or was used for another user before
   */
  attach: (req: Request, attachment: Attachment, wanted?: Freshness) => Promise<object>
  /** Notes that `req.user` of this request now holds other data, because a route wrote the user's document. */
  replaceData: (req: Request, data: object) => void
}

const NOT_EXTENSIBLE =
  'attach() cannot add customData to req.user: it is frozen, or has a customData of its own.'

const SHARED =
  'attach() found one req.user object that requests of different users share, so the data of one user could reach another. ' +
  'Give each request a req.user object of its own, e.g. a copy where you deserialize the user: { ...user }.'

/** Creates the book of one instance: what it attached it may replace. */
export function createAttachments(
  config: { readonly requireDocument: boolean },
  snapshots: Snapshots,
  observer: Pick<Observer, 'hit'>,
): Attachments {
  const attached = new WeakSet<object>()
  const userIds = new WeakMap<object, string>()
  const byRequest = new WeakMap<Request, AttachedData>()

  /** Before anything is loaded, because the requests may be in progress together. */
  function claim(user: object, userId: string): void {
    const before = userIds.get(user) ?? userId
    if (before !== userId) throw new CustomUserDataError('attach_misconfigured', SHARED)
    userIds.set(user, userId)
  }

  function of(req: Request): AttachedData | undefined {
    const attachment = byRequest.get(req)
    const user: unknown = req.user
    if (attachment === undefined || attachment.user === user) return attachment
    // A spread copy of the user: only this attachment has handed out this data object for this request.
    return hasData(user, attachment.data) ? { ...attachment, user } : undefined
  }

  return {
    of,
    replaceData(req, data) {
      const attachment = of(req)
      if (attachment) byRequest.set(req, { ...attachment, data })
    },
    async attach(req, attachment, wanted) {
      const { user, binding } = attachment
      claim(user, binding.userId)
      const cached = snapshots.find(binding.cacheKey)
      const isUsable = cached !== undefined && isFresh(cached, wanted)
      const snapshot = isUsable ? cached : await snapshots.loadFor(binding, wanted)
      if (config.requireDocument) requireDocument(snapshot)
      // Counted only here, because a request that is refused is no hit.
      if (isUsable) observer.hit(binding.userId)
      // Users without a document share one empty object. Data tells users apart here, so each request gets its own object.
      const data = snapshot.exists ? snapshot.data : Object.freeze({})
      if (of(req)?.user === user) attached.add(user)
      addCustomData(user, data, attached)
      byRequest.set(req, { user, binding, data })
      return data
    },
  }
}

function hasData(user: unknown, data: object): user is object {
  return typeof user === 'object' && user !== null && Reflect.get(user, 'customData') === data
}

/** An own property, so that class instances and mongoose documents keep their prototype and their schema. */
function addCustomData(user: object, customData: object, attached: WeakSet<object>): void {
  const isOurs = attached.has(user)
  const descriptor = { value: customData, enumerable: true, configurable: true, writable: false }
  const canHold = isOurs || !('customData' in user)
  if (!canHold || !Reflect.defineProperty(user, 'customData', descriptor) || !hasData(user, customData)) {
    throw new CustomUserDataError('attach_misconfigured', NOT_EXTENSIBLE)
  }
  attached.add(user)
}
