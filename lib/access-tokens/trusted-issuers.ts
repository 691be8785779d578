import type { Clock } from '../util/clock.js'
import type { Events } from '../events.js'
import type { Algorithm } from './algorithms.js'
import type { TokenProfile } from './claims.js'
import type { Issuer } from './issuers.js'
import { createRemoteKeySet } from './remote-key-set.js'
import type { RemoteKeySet } from './remote-key-set.js'

/** An external issuer whose tokens are accepted. */
export interface TrustedIssuer {
  /** Its `iss`, to the letter. */
  readonly issuer: string
  /** What its tokens must be meant for: one of these must be in `aud`. */
  readonly audience: string | readonly string[]
  /** The algorithms that its keys may serve: asymmetric ones only (RFC 8725 3.1). */
  readonly algorithms: readonly Algorithm[]
  /**
   * The address of its JWK Set, over https. Its host may differ from the host of `issuer`. An address on loopback is
   * refused unless `issuer` is on loopback too; it may be http if `issuer` is.
   * @default found by OpenID discovery at `issuer`
   */
  readonly jwksUri?: string | undefined
  /** Put before the user's id, so that no two issuers' users are one: in `req.user.id`, in `invalidate`, and in the
   *  user id field of your collection. `''` for one at most. Default: the issuer and a bar, `https://…|`. */
  readonly userIdPrefix?: string | undefined
  /** The claim that names the user. Default `sub`. */
  readonly userIdClaim?: string | undefined
  /**
   * Which of its JWTs are access tokens. `rfc9068`: JWTs of `typ: at+jwt` that have `iss`, `exp`, `aud`, `sub`,
   * `client_id`, `iat` and `jti` (RFC 9068 2.2). `jwt`: also JWTs of `typ: JWT` or without a `typ`, and JWTs without
   * `client_id` or `jti`. A token that lacks a required claim is refused with 401 `invalid_token`, which names the claim.
   * @default 'rfc9068'
   */
  readonly profile?: TokenProfile | undefined
}

/** A {@link TrustedIssuer} with its defaults. */
export interface TrustedIssuerConfig {
  readonly issuer: string
  readonly audience: readonly string[]
  readonly algorithms: readonly Algorithm[]
  readonly jwksUri?: string | undefined
  readonly userIdPrefix: string
  readonly userIdClaim: string
  readonly profile: TokenProfile
}

/** Creates an issuer with its remote keys. */
export function createTrustedIssuer(
  config: TrustedIssuerConfig,
  clockToleranceMs: number,
  events: Events,
  clock: Clock,
): Issuer & { readonly keys: RemoteKeySet } {
  const { issuer, audience, profile, userIdPrefix, userIdClaim } = config
  return {
    expectations: { issuer, audience, clockToleranceMs, profile, refusesFutureIat: true },
    keys: createRemoteKeySet(config, events, clock),
    userIdPrefix,
    userIdClaim,
  }
}
