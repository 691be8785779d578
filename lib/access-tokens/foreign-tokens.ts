import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { noteRefusal, refusalOf } from '../refusals.js'
import type { Clock } from '../util/clock.js'
import { deepFreeze } from '../util/deep-freeze.js'
import type { Algorithm } from './algorithms.js'
import { verifyForeignClaims, verifyForeignTyp } from './claims.js'
import type { ClaimRules, ForeignTokenClaims } from './claims.js'
import { parseClaimsSet, parseCompactJws } from './compact-jws.js'
import type { KeyOptions, KeySource } from './keys.js'
import { verifyWithOneOf } from './token-verifier.js'

/**
 * Options of `tokenVerifier()`. Give the keys of the other service as `keys`, or give `algorithms` and the address of its keys
 * as `jwksUri`. Without `keys` and `jwksUri` the address is found by OpenID discovery at `issuer`.
 *
 * @example
 * userData.tokenVerifier({ keys: [{ alg: 'HS256', key: process.env.PARTNER_SECRET }], audience: 'https://api.example.com' })
 */
export interface TokenVerifierOptions {
  /**
   * One to 10 secrets or public keys of the other service. A private key is refused. A key needs no `kid`. A token with a `kid`
   * is compared with the key of this name, or with the keys without a name if no key has it. A token without a `kid` is compared
   * with all keys of its algorithm.
   * @default undefined: the keys are fetched
   */
  readonly keys?: readonly KeyOptions[] | undefined
  /**
   * The address of the JWK Set of the other service, over https. An address on loopback is refused unless `issuer` is on
   * loopback too, or is left out. A token without a `kid` is accepted only if one key of the set fits.
   * @default undefined: the keys are `keys`, or are found by OpenID discovery at `issuer`
   */
  readonly jwksUri?: string | undefined
  /**
   * The algorithms that fetched keys may be used with. Only asymmetric algorithms are allowed (RFC 8725 3.1).
   * @default undefined: with `keys` each key has its `alg`; otherwise this option is required
   */
  readonly algorithms?: readonly Algorithm[] | undefined
  /**
   * The `iss` of the tokens, compared exactly.
   * @default undefined: `iss` is not looked at
   */
  readonly issuer?: string | undefined
  /** The audience of the tokens: one of these must be in `aud`. It keeps tokens for other apps from being accepted. */
  readonly audience: string | readonly string[]
}

/**
 * Verifies a token that another service issued. Resolves to its claims, which are frozen.
 *
 * @throws `invalid_token` (401) for any value that is no valid token; `keys_unavailable` (503) if the keys of the service could
 * not be fetched
 */
export type VerifyForeignToken = (token: unknown) => Promise<ForeignTokenClaims>

/** Creates the verifier. Cheap checks come first, and the signature is verified before any claim is trusted. */
export function createForeignTokenVerifier(
  rules: ClaimRules,
  keys: KeySource,
  maxTokenLength: number,
  clock: Clock,
): VerifyForeignToken {
  async function verify(token: unknown): Promise<ForeignTokenClaims> {
    if (typeof token !== 'string') throw refused('The token is not a text.')
    if (token.length > maxTokenLength) throw refused('The token is too long.')
    const { header, payload } = parseCompactJws(token)
    const claims = parseClaimsSet(payload)
    verifyForeignTyp(header.typ)
    await verifyWithOneOf(token, keys.find(header) ?? (await keys.load(header)))
    verifyForeignClaims(claims, rules, clock.now())
    deepFreeze(claims)
    return claims
  }

  return async token => {
    try {
      return await verify(token)
    } catch (error) {
      throw withoutAccess(error)
    }
  }
}

const ACCESS_TOKEN = 'The access token '

/** The checks that guards share call the token an access token. A token of another service may be of another kind. */
function withoutAccess(error: unknown): unknown {
  const ours = asCustomUserDataError(error)
  if (!ours?.message.startsWith(ACCESS_TOKEN)) return error
  const message = ours.message.replace(ACCESS_TOKEN, 'The token ')
  const { code, cause } = ours
  const options = cause === undefined ? undefined : { cause }
  return noteRefusal(new CustomUserDataError(code, message, options), refusalOf(ours))
}

function refused(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_token', message)
}
