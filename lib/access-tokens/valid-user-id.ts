import { CustomUserDataError } from '../errors.js'

/** A lone surrogate. The driver would store U+FFFD in its place, so two ids would become one. */
const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * Throws unless a value is a user id. Public functions have checked the id before. This is the last check before a load or
 * a new token, because after a fault that lost the id a load could find another user's document.
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
