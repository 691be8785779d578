import { asCustomUserDataError } from './errors.js'

/**
 * Why an access token was refused. `forged`: its signature is wrong. `unknown_key`: it names a key that is not in use, for
 * example a key that was replaced. `revoked`: its session, or all sessions of its user, were ended. `disabled`: its user is
 * disabled.
 */
export type RefusalReason = 'forged' | 'unknown_key' | 'expired' | 'revoked' | 'disabled'

/** Facts about a refused request that its answer does not tell. */
export interface RefusalFacts {
  readonly reason?: RefusalReason | undefined
  /** The user whose token it was. Noted only for tokens with a right signature. */
  readonly userId?: string | undefined
  /**
   * When the token stops being accepted, in milliseconds since the epoch. Noted for tokens with a right signature that are
   * refused because of the time.
   */
  readonly expiresAt?: number | undefined
}

/** Kept beside the errors, and not in them: an app that sends an error as JSON must not tell these facts to the client. */
const facts = new WeakMap<object, RefusalFacts>()

/** Notes facts about an error, and returns the error. Facts that were noted before stay. */
export function noteRefusal<T>(error: T, found: RefusalFacts): T {
  const ours = asCustomUserDataError(error)
  if (ours) facts.set(ours, { ...found, ...facts.get(ours) })
  return error
}

/** The facts that were noted about an error. */
export function refusalOf(error: object): RefusalFacts {
  return facts.get(error) ?? {}
}

/**
 * Tells why an access token was refused, for the server's own use: it must not be sent to the client of a forged token.
 *
 * @param error what `verifyToken()` rejected with, or what a guard handed to `next`
 * @returns `undefined` if the reason is another, or if the error is not of this package
 * @example
 * const isOver = refusalReason(error) === 'revoked'
 */
export function refusalReason(error: unknown): RefusalReason | undefined {
  const ours = asCustomUserDataError(error)
  return ours && refusalOf(ours).reason
}
