import { createHmac, createSecretKey, randomUUID } from 'node:crypto'
import { BSON } from 'mongodb'
import { createCustomUserData } from 'express-custom-user-data'
import type { CustomUserData, CustomUserDataOptions } from 'express-custom-user-data'
import { kidOfSecret } from '../../lib/access-tokens/keys.js'
import type { TestDatabase } from './database.js'
import { toTeamCollection } from './team-collection.js'

/** Options of the instances in tests, unless a test says otherwise. */
export const SECRET = 'a secret of the tests, 32 bytes or more'
export const ISSUER = 'https://issuer.example.com'
export const AUDIENCE = 'https://api.example.com'
export const KID = kidOfSecret(createSecretKey(SECRET, 'utf8'))

/** Creates an instance for the `custom_user_data` collection of a test's database. */
export function createTestUserData(
  { db }: Pick<TestDatabase, 'db'>,
  options: Partial<CustomUserDataOptions<Record<string, unknown>>> = {},
): CustomUserData<Readonly<Record<string, unknown>>> {
  const collection = toTeamCollection(db, 'custom_user_data')
  const keys = options.keys ? {} : { secret: SECRET }
  return createCustomUserData({
    collection,
    // In the runs for other drivers this package resolves another installation of BSON than the tests.
    bson: BSON,
    issuer: ISSUER,
    audience: AUDIENCE,
    // A machine that is busy with other tests must not look like a MongoDB that is away.
    loadTimeoutMs: 10_000,
    sessionTimeoutMs: 10_000,
    writeTimeoutMs: 10_000,
    // Tests fail to log in more often than people do. Only the tests of the throttle turn it on.
    loginThrottle: false,
    sessionSecrets: [SECRET],
    // Many tests have a clock of their own, or look at one guard alone. Only the tests of these checks turn them on.
    checks: { clock_skew: options.clock === undefined, error_handler_missing: false },
    ...keys,
    ...options,
  } as CustomUserDataOptions<Record<string, unknown>>)
}

/** Makes claims that an instance of the tests accepts at the time `nowMs`. */
export function validClaims(sub = 'alice', nowMs = Date.now()): Record<string, unknown> {
  const iat = Math.floor(nowMs / 1000)
  return { iss: ISSUER, aud: AUDIENCE, sub, client_id: AUDIENCE, iat, exp: iat + 1800, jti: randomUUID() }
}

/** The parts of a forged token. Each can be anything. */
export interface ForgedToken {
  header?: Record<string, unknown>
  claims?: unknown
  secret?: string | Buffer
}

/** Makes an HS256 token by hand, because a library would refuse to make an invalid one. */
export function forgeToken({
  header = {},
  claims = validClaims(),
  secret = SECRET,
}: ForgedToken = {}): string {
  const head = encode({ alg: 'HS256', typ: 'at+jwt', kid: KID, ...header })
  const signingInput = `${head}.${encode(claims)}`
  return `${signingInput}.${createHmac('sha256', secret).update(signingInput).digest('base64url')}`
}

function encode(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
