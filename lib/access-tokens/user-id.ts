import { describeValue, isObjectId } from '../util/describe-value.js'
import type { Issuers } from './issuers.js'

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
