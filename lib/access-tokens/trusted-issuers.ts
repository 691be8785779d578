import type { Clock } from '../util/clock.js'
import type { Events } from '../events.js'
import type { Algorithm } from './algorithms.js'
import type { TokenProfile } from './claims.js'
import type { Issuer } from './issuers.js'
import { RemoteKeySet } from './remote-key-set.js'

/**
 * An external issuer whose access tokens are accepted.
 *
 * @example
 * trustedIssuers: [{ issuer: 'https://idp.example.com', audience: 'https://api.example.com', algorithms: ['RS256'] }]
 */
export interface TrustedIssuer {
  /** The `iss` of its tokens, compared exactly. */
  readonly issuer: string
  /** The audience of its tokens: one of these must be in `aud`, or in the claim that `audienceClaim` names. */
  readonly audience: string | readonly string[]
  /**
   * The claim that names the audience, for issuers whose access tokens have no `aud`. It needs `profile: 'jwt'`, because RFC 9068
   * 2.2 requires `aud`.
   * @default 'aud'
   * @example audienceClaim: 'client_id' // Amazon Cognito; `audience` is then the id of the app client
   */
  readonly audienceClaim?: string | undefined
  /** The algorithms that its keys may be used with. Only asymmetric algorithms are allowed (RFC 8725 3.1). */
  readonly algorithms: readonly Algorithm[]
  /**
   * The address of its JWK Set, over https. Its host may differ from the host of `issuer`. An address on loopback is
   * refused unless `issuer` is on loopback too; it may be http if `issuer` is.
   * @default found by OpenID discovery at `issuer`
   */
  readonly jwksUri?: string | undefined
  /**
   * Put before the id of each user, so that users of two issuers never have the same id. The prefix is part of
   * `req.user.id`, of the ids that you give to functions such as `invalidate()`, and of the ids in your collection. Only
   * one issuer may have an empty prefix. If you issue tokens yourself, that issuer is you.
   * @default the issuer and a bar: `https://idp.example.com|`
   */
  readonly userIdPrefix?: string | undefined
  /**
   * The claim that contains the user's id, a text of 1 to 255 characters. A list of names leads to a nested claim. A text is one
   * name, also if it contains dots.
   * @default 'sub'
   * @example userIdClaim: ['user', 'id'] // of { "user": { "id": "…" } }
   */
  readonly userIdClaim?: string | readonly string[] | undefined
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
  readonly audienceClaim: string
  readonly userIdPrefix: string
  readonly userIdClaim: readonly string[]
  readonly profile: TokenProfile
}

/** Creates an issuer whose keys are fetched from its address. */
export function createTrustedIssuer(
  config: TrustedIssuerConfig,
  clockToleranceMs: number,
  events: Events,
  clock: Clock,
) {
  const { issuer, audience, audienceClaim, profile, userIdPrefix, userIdClaim } = config
  return {
    expectations: { issuer, audience, audienceClaim, clockToleranceMs, profile, refusesFutureIat: true },
    keys: new RemoteKeySet(config, events, clock),
    userIdPrefix,
    userIdClaim,
  } satisfies Issuer
}
