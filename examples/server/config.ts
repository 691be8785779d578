import { MongoClient } from 'mongodb'
import type { ExtendedJsonFormat, TrustedIssuer } from 'express-custom-user-data'
import { z } from 'zod'
import { json, makeUpSecret, privateJwk, secret } from './keys.js'
import type { SigningOptions } from './keys.js'

/** The complete configuration of the example, from its environment variables. */
export interface Config {
  /** Loopback port; 0 picks a free one. */
  readonly port: number
  /** The MongoDB to use. If it is `undefined`, one is started. */
  readonly mongodbUri: string | undefined
  /** The secret or key that signs the access tokens. */
  readonly signing: SigningOptions
  /** Whether the secret is a random one, so that access tokens end with the process. */
  readonly hasRandomSecret: boolean
  readonly accessTokenTtlSeconds: number
  readonly snapshotTtlMs: number
  readonly changeStreams: 'auto' | 'off'
  /** How long an exchanged refresh token is still answered after its successor was used. Default 30 seconds. */
  readonly reuseToleranceSeconds: number | undefined
  readonly refreshTokenTransport: 'body' | 'cookie'
  /** Whether access tokens contain the user's document, and in which format. */
  readonly userDataInToken: false | ExtendedJsonFormat
  /** Other issuers whose access tokens are accepted. */
  readonly trustedIssuers: readonly TrustedIssuer[]
  /** Whether the page at `/` shows and edits documents without a login. By default only in a MongoDB that is started here. */
  readonly demoEdits: boolean
}

const DAY_SECONDS = 86_400
const NO_TRUSTED_ISSUERS = 'write a JSON list of { issuer, audience, jwksUri, algorithms }'

const schema = z
  .object({
    PORT: whole(0, 65_535).default(3_000),
    MONGODB_URI: z
      .string()
      .refine(isMongodbUri, 'write the address of a MongoDB, as mongodb://127.0.0.1:27017/my_database')
      .optional(),
    ACCESS_TOKEN_SECRET: secret.optional(),
    ACCESS_TOKEN_JWK: privateJwk.optional(),
    // The package checks the members of a trusted issuer and names each wrong one.
    TRUSTED_ISSUERS: json(NO_TRUSTED_ISSUERS).pipe(z.array(z.unknown(), NO_TRUSTED_ISSUERS)).default([]),
    ACCESS_TOKEN_TTL_SECONDS: whole(1, DAY_SECONDS).default(30 * 60),
    SNAPSHOT_TTL_MS: whole(1, DAY_SECONDS * 1000).default(30 * 60 * 1000),
    CHANGE_STREAM: z.enum(['on', 'off'], 'write on or off').default('on'),
    REUSE_TOLERANCE_SECONDS: whole(0, 120).optional(),
    REFRESH_TOKEN_TRANSPORT: z.enum(['body', 'cookie'], 'write body or cookie').default('body'),
    USER_DATA_IN_TOKEN: z
      .enum(['off', 'relaxed', 'canonical'], 'write off, relaxed or canonical')
      .default('off'),
    DEMO_PAGE: z.enum(['on', 'off'], 'write on or off').optional(),
  })
  .refine(given => given.ACCESS_TOKEN_SECRET === undefined || given.ACCESS_TOKEN_JWK === undefined, {
    path: ['ACCESS_TOKEN_JWK'],
    error: 'ACCESS_TOKEN_SECRET is set as well: set one of the two',
  })

/** Reads the environment. An empty variable counts as missing. Throws an `Error` that names each wrong variable. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const result = schema.safeParse(given)
  if (!result.success) throw new Error(explain(result.error))
  const { ACCESS_TOKEN_SECRET: givenSecret, ACCESS_TOKEN_JWK: keyPair, ...variables } = result.data
  return {
    port: variables.PORT,
    mongodbUri: variables.MONGODB_URI,
    signing: keyPair ?? { secret: givenSecret ?? makeUpSecret() },
    hasRandomSecret: keyPair === undefined && givenSecret === undefined,
    accessTokenTtlSeconds: variables.ACCESS_TOKEN_TTL_SECONDS,
    snapshotTtlMs: variables.SNAPSHOT_TTL_MS,
    changeStreams: variables.CHANGE_STREAM === 'on' ? 'auto' : 'off',
    reuseToleranceSeconds: variables.REUSE_TOLERANCE_SECONDS,
    refreshTokenTransport: variables.REFRESH_TOKEN_TRANSPORT,
    userDataInToken: variables.USER_DATA_IN_TOKEN === 'off' ? false : variables.USER_DATA_IN_TOKEN,
    trustedIssuers: variables.TRUSTED_ISSUERS as TrustedIssuer[],
    demoEdits: (variables.DEMO_PAGE ?? (variables.MONGODB_URI === undefined ? 'on' : 'off')) === 'on',
  }
}

/** Digits only, because `1e3`, `0x10` and ` 1` are probably mistakes. */
function whole(min: number, max: number) {
  const error = `write a whole number from ${min} to ${max}`
  return z
    .string()
    .regex(/^\d{1,15}$/, error)
    .transform(Number)
    .pipe(z.number().min(min, error).max(max, error))
}

/** Whether the driver accepts the URI. A client connects only when it is first used. */
function isMongodbUri(uri: string): boolean {
  try {
    new MongoClient(uri)
    return true
  } catch {
    return false
  }
}

/** The message does not repeat the values, because some of them are secrets. */
function explain(error: z.ZodError): string {
  const lines = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  return ['The environment is not right.', ...lines].join('\n  ')
}
