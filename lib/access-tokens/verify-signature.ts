import { Strategy as JwtStrategy } from 'passport-jwt'
import { ALGORITHM_NAMES } from './algorithms.js'
import type { AccessTokenKey } from './keys.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { noteRefusal } from '../refusals.js'

/** Stands in for the request of one verification: passport-jwt passes it to each of its callbacks. */
interface Attempt {
  readonly token: string
  readonly key: AccessTokenKey
}

/** The methods that passport adds to a strategy for one request. */
interface Actions {
  success: () => void
  fail: (challenge: unknown) => void
  error: (error: unknown) => void
}

/** The passport-jwt strategy. It gets a token and the one key that may have signed it, and verifies the signature. */
const strategy = new JwtStrategy(
  {
    jwtFromRequest: request => toAttempt(request).token,
    secretOrKeyProvider: (request, _token, done) => {
      // jsonwebtoken accepts a KeyObject, 40 times faster than text. The types of passport-jwt do not say so.
      done(null, toAttempt(request).key.verificationKey as unknown as Buffer)
    },
    // All are listed, because the key was found by its algorithm, which is the only one that it is used with.
    algorithms: ALGORITHM_NAMES,
    passReqToCallback: true,
    // verifyClaims checks both times, with the injected clock.
    ignoreExpiration: true,
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- passport-jwt has no other way to pass this option to jsonwebtoken
    jsonWebTokenOptions: { ignoreNotBefore: true },
  },
  (_request: unknown, _payload: unknown, done: (error: unknown, verified: boolean) => void) => {
    done(null, true)
  },
)

/**
 * Verifies the signature of a token by passport-jwt. The strategy runs as passport would run it: on an object of its own,
 * which inherits from the strategy. The caller has checked that the header's algorithm is the key's.
 *
 * @throws `invalid_token`
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
  const error = new CustomUserDataError('invalid_token', 'The access token is not valid.', { cause })
  return noteRefusal(error, { reason: 'forged' })
}
