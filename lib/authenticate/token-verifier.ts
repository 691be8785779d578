import { Strategy as JwtStrategy } from 'passport-jwt'
import type { SecretOrKeyProvider, VerifyCallbackWithRequest } from 'passport-jwt'
import { ALGORITHM_NAMES } from '../access-tokens/algorithms.js'
import { requireIssuer, verifyClaims } from '../access-tokens/claims.js'
import type { ClaimExpectations } from '../access-tokens/claims.js'
import { parseCompactJws } from '../access-tokens/compact-jws.js'
import { ACCESS_TOKEN_TYP } from '../access-tokens/issue-access-token.js'
import type { KeyRing } from '../access-tokens/key-ring.js'
import type { AccessTokenKey } from '../access-tokens/keys.js'
import type { Clock } from '../clock.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { AccessTokenClaims } from '../types.js'

/** What a token must be. */
export interface TokenVerifierConfig extends ClaimExpectations {
  /** Characters; longer ones are not looked at. */
  readonly maxTokenLength: number
}

/** A token that passed every check. */
export interface VerifiedToken {
  readonly claims: AccessTokenClaims
  readonly key: AccessTokenKey
}

/** Verifies an access token. Rejects with `invalid_token`. */
export type TokenVerifier = (token: string) => Promise<VerifiedToken>

/** The pseudo-request of one verification: passport-jwt hands it to each of its callbacks. */
interface Attempt {
  readonly token: string
  key?: AccessTokenKey
}

/** What passport sets on a strategy for one request. */
interface Actions {
  success(verified: VerifiedToken): void
  fail(challenge: unknown): void
  error(error: unknown): void
}

/**
 * Creates the passport-jwt strategy that verifies tokens, with the gaps of passport-jwt closed around it: the
 * protected header is parsed strictly and chooses the key, the claims are checked by the injected clock, and
 * every way out settles the promise.
 */
export function createTokenVerifier(config: TokenVerifierConfig, keys: KeyRing, clock: Clock): TokenVerifier {
  const strategy = new JwtStrategy(
    {
      jwtFromRequest: request => toAttempt(request).token,
      secretOrKeyProvider: chooseKey(config, keys),
      // Which of them is right for a key was decided when the key was chosen.
      algorithms: ALGORITHM_NAMES,
      passReqToCallback: true,
      // Both by the injected clock, in verifyClaims.
      ignoreExpiration: true,
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- the one way to say it to jsonwebtoken
      jsonWebTokenOptions: { ignoreNotBefore: true },
    },
    checkClaims(config, clock),
  )
  return async token => {
    if (token.length > config.maxTokenLength) throw invalidToken('The access token is too long.')
    return runStrategy(strategy, { token })
  }
}

/** Runs the strategy as passport would, on an object of this attempt's own. */
function runStrategy(strategy: JwtStrategy, attempt: Attempt): Promise<VerifiedToken> {
  return new Promise((resolve, reject) => {
    const actions: Actions = {
      success: resolve,
      fail: challenge => {
        reject(asCustomUserDataError(challenge) ?? invalidToken('The access token is not valid.', challenge))
      },
      error: reject,
    }
    const run = Object.assign(Object.create(strategy) as { authenticate(request: unknown): void }, actions)
    run.authenticate(attempt)
  })
}

function chooseKey(config: TokenVerifierConfig, keys: KeyRing): SecretOrKeyProvider {
  return (request, token: string, done) => {
    try {
      const { header, payload } = parseCompactJws(token)
      requireAccessTokenTyp(header.typ)
      requireIssuer(payload, config)
      const key = keys.find(header)
      toAttempt(request).key = key
      // jsonwebtoken takes a KeyObject, 40 times faster than text; the types of passport-jwt do not know.
      done(null, key.verificationKey as unknown as Buffer)
    } catch (error) {
      done(error)
    }
  }
}

function checkClaims(config: TokenVerifierConfig, clock: Clock): VerifyCallbackWithRequest {
  return (request, payload: Record<string, unknown>, done) => {
    try {
      const claims = verifyClaims(payload, config, clock.now())
      done(null, { claims, key: toAttempt(request).key })
    } catch (error) {
      done(error, false)
    }
  }
}

/** RFC 9068 2.1 and 4, RFC 8725 3.11: compared as a media type, so case does not matter. */
function requireAccessTokenTyp(typ: string): void {
  const type = typ.toLowerCase()
  if (type !== ACCESS_TOKEN_TYP && type !== `application/${ACCESS_TOKEN_TYP}`) {
    throw invalidToken('The token is not an access token.')
  }
}

function toAttempt(request: unknown): Attempt {
  return request as Attempt
}

function invalidToken(message: string, cause?: unknown): CustomUserDataError {
  return new CustomUserDataError('invalid_token', message, { cause })
}
