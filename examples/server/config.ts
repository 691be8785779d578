import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import { z } from 'zod'

/** The complete configuration of the example, from its environment variables. */
export interface Config {
  /** Loopback port; 0 picks a free one. */
  readonly port: number
  /** The MongoDB to use; `undefined`: one is started. */
  readonly mongodbUri: string | undefined
  /** HS256 secret of 32 bytes or more. */
  readonly accessTokenSecret: string
  /** Whether the secret was made up, so that access tokens end with the process. */
  readonly hasRandomSecret: boolean
  readonly accessTokenTtlSeconds: number
  readonly snapshotTtlMs: number
}

const DAY_SECONDS = 86_400
/** RFC 7518 3.2. */
const MIN_SECRET_BYTES = 32

const schema = z.object({
  PORT: whole(0, 65_535, 3_000),
  MONGODB_URI: z
    .string()
    .refine(isMongodbUri, 'write the address of a MongoDB, as mongodb://127.0.0.1:27017/my_database')
    .optional(),
  ACCESS_TOKEN_SECRET: z
    .string()
    .refine(
      secret => Buffer.byteLength(secret) >= MIN_SECRET_BYTES,
      `write ${MIN_SECRET_BYTES} bytes or more; make them with: node -p "crypto.randomBytes(32).toString('base64url')"`,
    )
    .optional(),
  ACCESS_TOKEN_TTL_SECONDS: whole(1, DAY_SECONDS, 30 * 60),
  SNAPSHOT_TTL_MS: whole(1, DAY_SECONDS * 1000, 30 * 60 * 1000),
})

/** Reads the environment; an empty variable counts as none. Throws an `Error` that names each wrong one. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const result = schema.safeParse(given)
  if (!result.success) throw new Error(explain(result.error))
  const { ACCESS_TOKEN_SECRET: secret, ...variables } = result.data
  return {
    port: variables.PORT,
    mongodbUri: variables.MONGODB_URI,
    accessTokenSecret: secret ?? randomBytes(MIN_SECRET_BYTES).toString('base64url'),
    hasRandomSecret: secret === undefined,
    accessTokenTtlSeconds: variables.ACCESS_TOKEN_TTL_SECONDS,
    snapshotTtlMs: variables.SNAPSHOT_TTL_MS,
  }
}

/** Digits and nothing else: `1e3`, `0x10` and ` 1` are more likely slips than numbers. */
function whole(min: number, max: number, fallback: number) {
  const error = `write a whole number from ${min} to ${max}`
  return z
    .string()
    .regex(/^\d{1,15}$/, error)
    .transform(Number)
    .pipe(z.number().min(min, error).max(max, error))
    .default(fallback)
}

/** As the driver sees it. A client connects only when it is first used. */
function isMongodbUri(uri: string): boolean {
  try {
    new MongoClient(uri)
    return true
  } catch {
    return false
  }
}

/** Values are not repeated: some of them are secrets. */
function explain(error: z.ZodError): string {
  const lines = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  return ['The environment is not right.', ...lines].join('\n  ')
}
