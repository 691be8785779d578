import type { BSON } from 'mongodb'
import { MARK } from '../own-collection.js'
import { toIdentity } from './stored-user.js'
import type { StoredUser, VerifiedIdentity } from './stored-user.js'

/** The mark of users among the documents of this package. */
export const USER = 'app_services_user'
/** Selects users. */
export const OURS = { [MARK]: USER } as const
/** An anonymous user who does not log in or refresh for so long ends, as in App Services. */
export const ANONYMOUS_DAYS = 90
/** The milliseconds of a day. */
export const DAY_MS = 86_400_000

/** Selects users who exist. MongoDB removes anonymous users some time after their end, so the end is compared too. */
export function alive(nowMs: number) {
  return {
    createdAt: { $ne: null },
    deletedAt: { $exists: false },
    $or: [{ expiresAt: { $exists: false } }, { expiresAt: { $gt: new Date(nowMs) } }],
  }
}

/** The fields that a login and a refresh set. */
export function seenAt(nowMs: number, isAnonymous: boolean): { lastSeenAt: Date; expiresAt?: Date } {
  const expiry = isAnonymous ? { expiresAt: new Date(nowMs + ANONYMOUS_DAYS * DAY_MS) } : {}
  return { lastSeenAt: new Date(nowMs), ...expiry }
}

/** A reservation of an identity for a user who does not exist yet. */
export function toReservation(identity: VerifiedIdentity, bson: typeof BSON, nowMs: number): StoredUser {
  return {
    _id: new bson.ObjectId(),
    ...OURS,
    identities: [toIdentity(identity)],
    createdAt: null,
    ...seenAt(nowMs, identity.providerType === 'anon-user'),
  }
}

/** A user with a known id. */
export function toKnownUser(
  userId: string,
  identities: readonly VerifiedIdentity[],
  bson: typeof BSON,
  nowMs: number,
): StoredUser {
  const now = new Date(nowMs)
  return {
    _id: new bson.ObjectId(userId),
    ...OURS,
    identities: identities.map(toIdentity),
    createdAt: now,
    lastSeenAt: now,
  }
}
