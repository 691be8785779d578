import type { Request } from 'express'
import { isFresh } from '../snapshots/freshness.js'
import { requireDocument } from '../snapshots/require-document.js'
import type { SnapshotBinding } from '../snapshots/snapshot-cache.js'
import type { Snapshots } from '../snapshots/snapshots.js'
import { CustomUserDataError } from '../errors.js'
import type { Metrics } from '../metrics.js'
import { requestUser } from './request-user.js'

/** What `attach()` added to a request's user. */
export interface Attachment {
  readonly user: object
  readonly binding: SnapshotBinding
}

/** An attachment with the data that this request was given. `req.user.customData` may be other data by now. */
export interface AttachedData extends Attachment {
  readonly data: object
}

/** The data that `attach()` added to the users of requests. */
export type Attachments = ReturnType<typeof createAttachments>

const NOT_EXTENSIBLE =
  'attach() cannot add customData to req.user: it is frozen, or has a customData of its own. Behind a guard of another ' +
  'instance, write req.user = { id: req.user.id } first.'

const SHARED =
  'attach() found one req.user object that requests of different users share, so the data of one user could reach another. ' +
  'Give each request a req.user object of its own, e.g. { ...user } where you deserialize the user.'

/**
 * Creates the record of what one instance attached. A user with `customData` of its own is refused, but data that this
 * instance attached may be replaced.
 */
export function createAttachments(
  config: { readonly requireDocument: boolean },
  snapshots: Snapshots,
  metrics: Pick<Metrics, 'hit'>,
) {
  const attached = new WeakSet<object>()
  const userIds = new WeakMap<object, string>()
  const byRequest = new WeakMap<Request, AttachedData>()

  /** Runs before anything is loaded, because requests that share a user object may be in progress together. */
  function claim(user: object, userId: string): void {
    const before = userIds.get(user) ?? userId
    if (before !== userId) throw new CustomUserDataError('attach_misconfigured', SHARED)
    userIds.set(user, userId)
  }

  /** The attachment of this request; `undefined` if `req.user` is neither the attached user nor a spread of it. */
  function of(req: Request): AttachedData | undefined {
    const attachment = byRequest.get(req)
    const user = requestUser(req)
    if (attachment === undefined || attachment.user === user) return attachment
    // A spread of the user is recognised by its data: this request alone was given this data object.
    return hasData(user, attachment.data) ? { ...attachment, user } : undefined
  }

  return {
    of,
    /** Notes that `req.user` of this request now holds other data, because a route wrote the user's document. */
    replaceData(req: Request, data: object): void {
      const attachment = of(req)
      if (attachment) byRequest.set(req, { ...attachment, data })
    },
    /**
     * Adds the data of a binding to a user. The data is loaded unless the cache has data that is fresh, and at most
     * `maxAgeMs` old if that is given.
     *
     * @throws `attach_misconfigured` if the object cannot hold the data, or was used for another user before
     */
    async attach(req: Request, attachment: Attachment, maxAgeMs?: number): Promise<object> {
      const { user, binding } = attachment
      const wanted = maxAgeMs === undefined ? undefined : snapshots.freshness(maxAgeMs)
      claim(user, binding.userId)
      const cached = snapshots.find(binding.cacheKey)
      const isUsable = cached !== undefined && isFresh(cached, wanted)
      const snapshot = isUsable ? cached : await snapshots.loadFor(binding, wanted)
      if (config.requireDocument) requireDocument(snapshot, binding.userId)
      // Counted only here, because a request that is refused is no hit.
      if (isUsable) metrics.hit(binding.userId)
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
