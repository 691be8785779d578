import { CustomUserDataError } from './errors.js'

/** A lone surrogate: MongoDB would store U+FFFD in its place, so that two ids were one. */
const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * Refuses to go on with something that is no user id. Ids are checked where they come in; this is the last line before a
 * document is loaded or a token is issued, because a fault that lost the id would find somebody else's document.
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
