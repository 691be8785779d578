import { Strategy as JwtStrategy } from 'passport-jwt'
import { ALGORITHM_NAMES } from './algorithms.js'
import type { AccessTokenKey } from './keys.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'

/** The pseudo-request of one verification: passport-jwt hands it to each of its callbacks. */
interface Attempt {
  readonly token: string
  readonly key: AccessTokenKey
}

/** What passport sets on a strategy for one request. */
interface Actions {
  success: () => void
  fail: (challenge: unknown) => void
  error: (error: unknown) => void
}

/** The passport-jwt strategy: given a token and the one key that may have signed it, it decides on the signature. */
const strategy = new JwtStrategy(
  {
    jwtFromRequest: request => toAttempt(request).token,
    secretOrKeyProvider: (request, _token, done) => {
      // jsonwebtoken takes a KeyObject, 40 times faster than text; the types of passport-jwt do not know.
      done(null, toAttempt(request).key.verificationKey as unknown as Buffer)
    },
    // Which of them is right was decided when the key was found: it serves one algorithm only.
    algorithms: ALGORITHM_NAMES,
    passReqToCallback: true,
    // Both are left to verifyClaims, which goes by the injected clock.
    ignoreExpiration: true,
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the one way to say it to jsonwebtoken
    jsonWebTokenOptions: { ignoreNotBefore: true },
  },
  (_request: unknown, _payload: unknown, done: (error: unknown, verified: boolean) => void) => {
    done(null, true)
  },
)

/**
 * Verifies the signature of a token by passport-jwt, which is run as passport would run it, on an object of this
 * attempt's own. The header's algorithm must be the key's already. Resolves to the key;
 * rejects with `invalid_token`; always settles.
 */
export function verifySignature(token: string, key: AccessTokenKey): Promise<AccessTokenKey> {
  return new Promise((resolve, reject) => {
    const actions: Actions = {
      success: () => {
        resolve(key)
      },
      fail: challenge => {
        reject(asCustomUserDataError(challenge) ?? invalidSignature(challenge))
      },
      error: reject,
    }
    const run = Object.assign(Object.create(strategy) as { authenticate(request: Attempt): void }, actions)
    run.authenticate({ token, key })
  })
}

function toAttempt(request: unknown): Attempt {
  return request as Attempt
}

function invalidSignature(cause: unknown): CustomUserDataError {
  return new CustomUserDataError('invalid_token', 'The access token is not valid.', {
    cause,
  })
}
