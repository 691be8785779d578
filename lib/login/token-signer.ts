import { issueAccessToken } from '../access-tokens/issue-access-token.js'
import type { AccessTokenConfig, IssuedAccessToken } from '../access-tokens/issue-access-token.js'
import type { KeyRing } from '../access-tokens/key-ring.js'
import type { Events } from '../events.js'
import type { SessionClaims } from '../sessions/session-document.js'
import type { Snapshot } from '../snapshots/snapshot-cache.js'
import type { ClaimSnapshots } from '../token-data/claim-snapshots.js'
import type { Clock } from '../util/clock.js'
import { maxValueBytes } from '../util/cookies.js'
import type { TokenCookie } from '../util/cookies.js'

interface TokenSignerParts {
  readonly keys: KeyRing
  readonly clock: Clock
  readonly events: Events
  /** Absent where tokens carry no custom data. */
  readonly claimSnapshots: ClaimSnapshots | undefined
}

interface TokenSignerConfig extends AccessTokenConfig {
  readonly userDataInToken: { readonly maxTokenBytes: number } | undefined
  /** Absent if access tokens are in the JSON. */
  readonly accessCookie: TokenCookie | undefined
}

/** Signs the access token of a session. */
export type SignToken = ReturnType<typeof createTokenSigner>

/**
 * Creates the function that signs the access tokens of an instance. The user's data is in them if the option is on, Extended
 * JSON can express it, and it is not too large.
 */
export function createTokenSigner(config: TokenSignerConfig, parts: TokenSignerParts) {
  const { keys, clock, events, claimSnapshots } = parts
  const maxCookieBytes = config.accessCookie ? maxValueBytes(config.accessCookie) : Infinity
  const maxTokenBytes = Math.min(config.userDataInToken?.maxTokenBytes ?? Infinity, maxCookieBytes)
  let isTold = false

  /** Warns once of a token whose cookie browsers would not keep, although the token has no data. */
  function warnIfTooLong(access: IssuedAccessToken): IssuedAccessToken {
    const { length } = access.token
    if (isTold || length <= maxCookieBytes) return access
    isTold = true
    const message =
      `Browsers do not keep the cookie with the access token: the token has ${length} bytes, and only ${maxCookieBytes} fit ` +
      'into the cookie. Shorten "issuer", "audience", "clientId", the ids of users, or the path and the name of the cookie.'
    events.warn({ code: 'cookie_not_kept', message })
    return access
  }

  return async (
    { claims, ...subject }: { readonly userId: string; readonly sid: string; readonly claims: SessionClaims },
    snapshot: Snapshot,
  ): Promise<IssuedAccessToken> => {
    const sign = (userData?: Readonly<Record<string, unknown>>) =>
      issueAccessToken(config, keys, { ...subject, extraClaims: { ...claims, ...userData } }, clock.now())
    const signBare = async () => warnIfTooLong(await sign())
    if (!claimSnapshots) return signBare()
    const { userId } = subject
    const userData = claimSnapshots.toClaims(snapshot)
    if (!userData) {
      events.emit('snapshot_left_out', { userId, reason: 'no_extended_json' })
      return signBare()
    }
    const access = await sign(userData)
    const tokenBytes = access.token.length
    if (tokenBytes <= maxTokenBytes) return access
    events.emit('snapshot_left_out', { userId, reason: 'too_large', tokenBytes, maxTokenBytes })
    return signBare()
  }
}
