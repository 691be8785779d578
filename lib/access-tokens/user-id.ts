import { CustomUserDataError } from '../errors.js'
import { describeValue, isObjectId } from '../util/describe-value.js'
import type { Issuers } from './issuers.js'

/** A lone surrogate. The driver would store U+FFFD in its place, so two ids would become one. */
const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * Throws a `TypeError` unless `value` can be a user's id. In a query `undefined`, an object or a lone surrogate would match
 * other users' documents.
 */
export function requireUserId(
  callee: string,
  value: unknown,
  issuers: Pick<Issuers, 'isUserId'>,
): asserts value is string {
  if (issuers.isUserId(value)) return
  const advice = isObjectId(value) ? ' Write String(id).' : ''
  throw new TypeError(
    `${callee}: the user id must be a text of 1 to 255 characters (given: ${describeValue(value)}).${advice}`,
  )
}

/**
 * Throws unless a value is a user id. Public functions have checked the id before. This is the last check before a load or
 * a new token: if a fault in this package lost the id, a load could find another user's document.
 *
 * @throws {CustomUserDataError} `user_id_invalid` (500)
 */
export function assertUserId(userId: unknown, purpose: string): asserts userId is string {
  if (typeof userId === 'string' && userId !== '' && !LONE_SURROGATE.test(userId)) return
  const what =
    typeof userId === 'string'
      ? 'a text that is empty or not well-formed'
      : `a value of type ${typeof userId}`
  throw new CustomUserDataError('user_id_invalid', `The user id must be a text, and ${purpose} got ${what}.`)
}

/** The sid of `revoke({ sid })`; `undefined` for `revoke(userId)`. Throws a `TypeError` for any other argument. */
export function toRevokedSid(target: unknown): string | undefined {
  if (typeof target === 'string') return undefined
  const isSidOnly =
    typeof target === 'object' && target !== null && Object.keys(target).every(name => name === 'sid')
  const sid: unknown = isSidOnly ? (target as { readonly sid?: unknown }).sid : undefined
  if (typeof sid === 'string' && sid !== '' && sid.isWellFormed()) return sid
  const advice = isObjectId(target) ? ' Write revoke(String(id)).' : ''
  throw new TypeError(
    sid === undefined
      ? `revoke(): write revoke(userId) to end all sessions of a user, or revoke({ sid }) to end one (given: ${describeValue(target)}).${advice}`
      : `revoke(): the sid must be a text, as sessions() lists it (given: ${describeValue(sid)}).`,
  )
}
