import type { Document } from 'mongodb'
import type { MARK } from '../mongo/own-collection.js'

/** The name of the collection of failed logins, unless the team gives another. */
export const LOGIN_ATTEMPT_COLLECTION = 'custom_user_data_login_attempts'

/** The mark's value in documents about login attempts. */
export const LOGIN_ATTEMPT = 'login_attempt'

/** The count that refuses an attempt because it is full. */
export type FullCount = 'account' | 'address' | 'account_and_address'

/** The members that all documents about login attempts have. */
interface Marked {
  /** `account:` or `address:` and a digest, so that the unique index on `_id` makes counting atomic. */
  readonly _id: string
  readonly [MARK]: typeof LOGIN_ATTEMPT
  /** When nothing in the document counts any more. */
  readonly expiresAt: Date
}

/** The failures from one address. */
export interface AddressDocument extends Marked {
  readonly failures: number
  /** How many failures of the team's callbacks were taken out of the count in this window. */
  readonly givenBack: number
  /** Whether the last attempt was counted; it was refused otherwise. */
  readonly wasCounted: boolean
}

/**
 * The failures of one account. Each failure is an entry in a list, and both limits of the account compare the number of
 * entries. A failure is taken back by removing its own entry, so no count goes below zero or loses another failure.
 */
export interface AccountDocument extends Marked {
  readonly failures: readonly AccountFailure[]
  /** The addresses from which the account logged in, the latest at the end. */
  readonly known: readonly { readonly address: string; readonly until: Date }[]
  /** The outcome of the last attempt: `full` is null if the attempt was counted. */
  readonly last: {
    readonly full: 'account' | 'account_and_address' | null
    readonly until: Date | null
    /** Whether the account logged in from the address of the attempt before. */
    readonly isKnown: boolean
  }
}

/** One failure of an account. */
interface AccountFailure {
  readonly id: string
  /** Digest of the address together with the account. */
  readonly address: string
  /** Digest of the account's name exactly as it was written. */
  readonly spelling: string
  /** Digest of the account's name in its normalized form. */
  readonly normalized: string
  /** The end of the window for this account and address. */
  readonly windowEndsAt: Date
  /** The end of the day for strangers; null where the address is known. */
  readonly dayEndsAt: Date | null
}

/** One attempt to log in to an account. */
export interface AccountAttempt {
  readonly id: string
  readonly address: string
  /** Whether this address can become a known address, whose failures do not count for the account's day. */
  readonly canBeKnown: boolean
  readonly spelling: string
  readonly normalized: string
}

/** The failures of an account that a login forgets. */
export interface ForgottenFailures {
  /** Digests of names exactly as they were written. */
  readonly spellings: readonly string[]
  /** Digest of a normalized name, of which all spellings are forgotten; null: of none. */
  readonly normalized: string | null
}

/** How many failures are allowed, and for how long they count. */
export interface AttemptLimits {
  readonly accountAndAddressFailures: number
  readonly addressFailures: number
  readonly accountFailures: number
  readonly windowSeconds: number
}

const DAY_MS = 24 * 60 * 60 * 1000
/** How long an address stays a known address of an account after a login. */
const KNOWN_MS = 90 * DAY_MS
/** The most known addresses of one account. A user with a new address every day has 90 of them. */
const MOST_KNOWN = 100

/**
 * Failures kept of one account. More come together only where the owner logs in between those of many strangers. Then the
 * oldest are dropped, so that the document stays small.
 */
const MOST_FAILURES = 1_000

const after = (now: Date, ms: number): Date => new Date(now.getTime() + ms)

/** Counts an attempt from an address. Begins a new window if the old one is over, and changes nothing if it is full. */
export function countFromAddress(now: Date, limit: number, windowMs: number): Document[] {
  const isOver = { $lte: [{ $ifNull: ['$expiresAt', now] }, now] }
  return [
    {
      $set: {
        failures: { $cond: [isOver, 0, '$failures'] },
        givenBack: { $cond: [isOver, 0, '$givenBack'] },
        expiresAt: { $cond: [isOver, after(now, windowMs), '$expiresAt'] },
      },
    },
    { $set: { wasCounted: { $lt: ['$failures', limit] } } },
    { $set: { failures: { $add: ['$failures', { $cond: ['$wasCounted', 1, 0] }] } } },
  ]
}

/** Counts an attempt in both counts of an account, or in neither if one of them is full. */
export function countForAccount(now: Date, attempt: AccountAttempt, limits: AttemptLimits): Document[] {
  const { id, address, spelling, normalized, canBeKnown } = attempt
  const fromHere = { $and: [{ $eq: ['$$one.address', address] }, { $gt: ['$$one.windowEndsAt', now] }] }
  const pairIsFull = { $gte: [{ $size: '$pair' }, limits.accountAndAddressFailures] }
  const dayIsFull = { $gte: [{ $size: '$day' }, limits.accountFailures] }
  const windowEndsAt = { $ifNull: [first('$pair.windowEndsAt'), after(now, limits.windowSeconds * 1000)] }
  const dayEndsAt = { $ifNull: [first('$day.dayEndsAt'), after(now, DAY_MS)] }
  const failure = {
    id,
    address,
    spelling,
    normalized,
    windowEndsAt,
    dayEndsAt: { $cond: ['$isKnown', null, dayEndsAt] },
  }
  return [
    withoutTheExpired(now),
    {
      $set: {
        pair: filter('$failures', fromHere),
        day: filter('$failures', { $gt: ['$$one.dayEndsAt', now] }),
        isKnown: { $and: [canBeKnown, { $in: [address, '$known.address'] }] },
      },
    },
    {
      $set: {
        last: {
          $switch: {
            branches: [
              { case: pairIsFull, then: { full: 'account_and_address', until: windowEndsAt } },
              {
                case: { $and: [{ $not: ['$isKnown'] }, dayIsFull] },
                then: { full: 'account', until: dayEndsAt },
              },
            ],
            default: { full: null, until: null },
          },
        },
      },
    },
    {
      $set: {
        failures: {
          $slice: [
            { $concatArrays: ['$failures', { $cond: [{ $eq: ['$last.full', null] }, [failure], []] }] },
            -MOST_FAILURES,
          ],
        },
      },
    },
    { $set: { 'last.isKnown': '$isKnown' } },
    { $unset: ['pair', 'day', 'isKnown'] },
    expiringWithItsContent(now),
  ]
}

/**
 * Forgets the failures of this account in these spellings. Failures from this address are removed. Failures from other
 * addresses leave only the daily count: the windows of those addresses go on, because no login succeeded there.
 */
export function succeedForAccount(
  now: Date,
  { id, address, canBeKnown }: AccountAttempt,
  { spellings, normalized }: ForgottenFailures,
): Document[] {
  // The attempt itself may have been counted in another spelling than that of the account which logged in.
  const isItself = { $eq: ['$$one.id', id] }
  const isOfSpelling = {
    $or: [{ $in: ['$$one.spelling', spellings] }, { $eq: ['$$one.normalized', normalized] }],
  }
  const isFromHere = { $eq: ['$$one.address', address] }
  const forgotten = { $mergeObjects: ['$$one', { dayEndsAt: null }] }
  const others = filter('$known', { $ne: ['$$one.address', address] })
  const known = { $concatArrays: [others, [{ address, until: after(now, KNOWN_MS) }]] }
  return [
    withoutTheExpired(now),
    {
      $set: {
        failures: {
          $map: {
            input: filter('$failures', { $not: [{ $or: [isItself, { $and: [isOfSpelling, isFromHere] }] }] }),
            as: 'one',
            in: { $cond: [isOfSpelling, forgotten, '$$one'] },
          },
        },
        ...(canBeKnown && { known: { $slice: [known, -MOST_KNOWN] } }),
      },
    },
    expiringWithItsContent(now),
  ]
}

function withoutTheExpired(now: Date): Document {
  const counts = { $or: [{ $gt: ['$$one.windowEndsAt', now] }, { $gt: ['$$one.dayEndsAt', now] }] }
  return {
    $set: {
      failures: filter({ $ifNull: ['$failures', []] }, counts),
      known: filter({ $ifNull: ['$known', []] }, { $gt: ['$$one.until', now] }),
    },
  }
}

function expiringWithItsContent(now: Date): Document {
  const ends = { $concatArrays: ['$failures.windowEndsAt', '$failures.dayEndsAt', '$known.until', [now]] }
  return { $set: { expiresAt: { $max: ends } } }
}

function filter(input: unknown, cond: Document): Document {
  return { $filter: { input, as: 'one', cond } }
}

function first(list: string): Document {
  return { $arrayElemAt: [list, 0] }
}
