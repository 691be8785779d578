import type { KeyObject } from 'node:crypto'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { z } from 'zod'
import type { OwnKeys } from './access-tokens/key-ring.js'
import type { KeyOptions } from './access-tokens/keys.js'
import { systemClock } from './clock.js'
import type { Clock } from './clock.js'
import type { ToFieldValues } from './custom-data/loader.js'
import { OptionError } from './errors.js'
import type { CollectionLike } from './mongo/team-database.js'

/** Options that every instance takes. Durations carry their unit in the name. */
interface CommonOptions<Document extends object> {
  /** The collection that holds the documents: mongodb's (6.13 to 7) or mongoose's. */
  readonly collection: CollectionLike
  /** Who issues the tokens: a URL that names your service (RFC 9068 `iss`). */
  readonly issuer: string
  /** Whom the tokens are for: one or several names of your API (RFC 9068 `aud`). */
  readonly audience: string | readonly string[]

  /** The field that holds the user's id; `_id` and dotted paths are fine. Default `userId`. */
  readonly userIdField?: string | undefined
  /** The forms that an id may have in that field, for ids that are numbers or UUIDs. Default: the id as a string,
   *  and as an ObjectId where it is 24 lower-case hex digits. Of several matches the lowest in BSON order wins. */
  readonly toFieldValues?: ToFieldValues | undefined
  /** An aggregation `$project` of what handlers may see. Default: the whole document. */
  readonly projection?: Readonly<Record<string, unknown>> | undefined
  /** A Standard Schema (zod, valibot, arktype…) that types and checks each loaded document. */
  readonly schema?: StandardSchemaV1<unknown, Document> | undefined
  /** Refuse users without a document (403) instead of giving them `{}`. Default false. */
  readonly requireDocument?: boolean | undefined
  /** Make the index on the user id field unique (and partial). Default false. */
  readonly uniqueUserId?: boolean | undefined
  /** Largest document, in BSON bytes after the projection. Default 262,144. */
  readonly maxDocumentBytes?: number | undefined
  /** How long a load may take. Default 1,000. */
  readonly loadTimeoutMs?: number | undefined
  /** Loads in flight. Default 50, and always under half of the driver's `maxPoolSize`. */
  readonly maxConcurrentLoads?: number | undefined

  /** Age at which a token's copy is read anew, by the next request. Default 1,800,000: 30 minutes. */
  readonly snapshotTtlMs?: number | undefined
  /** Most copies kept. Default 10,000. */
  readonly maxSnapshots?: number | undefined
  /** Most memory for copies, estimated. Default 67,108,864: 64 MiB. */
  readonly maxSnapshotBytes?: number | undefined

  /** `client_id` of our tokens (RFC 9068 2.2). Default: the first audience. */
  readonly clientId?: string | undefined
  /** Lifetime of an access token. Default 1,800: 30 minutes. */
  readonly accessTokenTtlSeconds?: number | undefined
  /** Leeway for clocks that differ, 0 to 300. Default 5. */
  readonly clockToleranceSeconds?: number | undefined
  /** Longest access token that is looked at, in characters. Default 8,192. */
  readonly maxTokenLength?: number | undefined

  /** The collection of sessions. Default: `sessions`, in the database of `collection`. */
  readonly sessionCollection?: CollectionLike | undefined
  /** Lifetime of a session, from its login: 1,800 (30 minutes) to 157,680,000 (5 years). Default 60 days. */
  readonly refreshTokenTtlSeconds?: number | undefined
  /** How long a session's read or write may take. Default 3,000. */
  readonly sessionTimeoutMs?: number | undefined
  /** How long `verifyCredentials` may take. Default 10,000. */
  readonly verifyCredentialsTimeoutMs?: number | undefined

  /** The `realm` of challenges (RFC 9110 11.5). Default `api`. */
  readonly realm?: string | undefined
  /** Where time is read: for tests. */
  readonly clock?: Clock | undefined
}

/** Options of `createCustomUserData`. Give `secret` or `keys`. */
export type CustomUserDataOptions<Document extends object> = CommonOptions<Document> &
  (
    | {
        /** HS256 secret of 32 bytes or more. */ readonly secret: string | Uint8Array | KeyObject
        readonly keys?: undefined
      }
    | {
        /** Named keys; the first signs. */ readonly keys: readonly KeyOptions[]
        readonly secret?: undefined
      }
  )

const DAY_SECONDS = 86_400
const YEAR_SECONDS = 365 * DAY_SECONDS
/** Node's timers take no more. */
const MAX_TIMER_MS = 2 ** 31 - 1
const NAME_YOUR_API = 'name your API, e.g. "https://api.example.com"'

const name = z.string({ error: 'write a text that is not empty' }).min(1, 'write a text that is not empty')
const printable = name.regex(
  /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/,
  'write printable ASCII without quotes or backslashes',
)
const callback = z.custom<(...args: never[]) => unknown>(
  value => typeof value === 'function',
  'write a function',
)

function whole(min: number, max: number): z.ZodNumber {
  const error = `write a whole number from ${min} to ${max}`
  return z.number({ error }).int(error).min(min, error).max(max, error)
}

const collection = z.custom<CollectionLike>(
  value => isObject(value) && 'collectionName' in value && 'aggregate' in value,
  'hand over a Collection, e.g. client.db().collection("custom_user_data")',
)

const key = z.strictObject({
  kid: name,
  alg: name,
  key: z.custom(
    value => value !== undefined && value !== null,
    'write PEM text, a JWK, a KeyObject or a secret',
  ),
})

const keyList = z.array(key, { error: 'write a list of { kid, alg, key }' }).min(1, 'write one key or more')
const newKeys = z.strictObject({ keys: keyList })

const schema = z.strictObject({
  collection,
  issuer: name.describe('a URL that names your service'),
  audience: z
    .union([name, z.array(name).min(1, NAME_YOUR_API)], { error: NAME_YOUR_API })
    .transform(value => (typeof value === 'string' ? [value] : value)),
  secret: z
    .custom(value => typeof value === 'string' || isObject(value), 'write text, bytes or a KeyObject')
    .optional(),
  keys: keyList.optional(),

  userIdField: name.regex(/^[^$.\0][^$\0]*$/, 'write the name of a field, e.g. "userId"').default('userId'),
  toFieldValues: callback.optional(),
  projection: z
    .custom<Record<string, unknown>>(
      value => isObject(value) && !Array.isArray(value),
      'write a $project stage, e.g. { secret: 0 }',
    )
    .optional(),
  schema: z
    .custom<StandardSchemaV1>(
      value => (isObject(value) || typeof value === 'function') && '~standard' in value,
      'write a Standard Schema: zod, valibot, arktype…',
    )
    .optional(),
  requireDocument: z.boolean('write true or false').default(false),
  uniqueUserId: z.boolean('write true or false').default(false),
  maxDocumentBytes: whole(1, 16 * 1024 * 1024).default(256 * 1024),
  loadTimeoutMs: whole(1, MAX_TIMER_MS).default(1_000),
  maxConcurrentLoads: whole(1, 100_000).optional(),

  snapshotTtlMs: whole(1, DAY_SECONDS * 1000).default(30 * 60 * 1000),
  maxSnapshots: whole(1, 16_000_000).default(10_000),
  maxSnapshotBytes: whole(1, Number.MAX_SAFE_INTEGER).default(64 * 1024 * 1024),

  clientId: name.optional(),
  accessTokenTtlSeconds: whole(1, DAY_SECONDS).default(30 * 60),
  clockToleranceSeconds: whole(0, 300).default(5),
  maxTokenLength: whole(256, 1024 * 1024).default(8 * 1024),

  sessionCollection: collection.optional(),
  refreshTokenTtlSeconds: whole(30 * 60, 5 * YEAR_SECONDS).default(60 * DAY_SECONDS),
  sessionTimeoutMs: whole(1, MAX_TIMER_MS).default(3_000),
  verifyCredentialsTimeoutMs: whole(1, MAX_TIMER_MS).default(10_000),

  realm: printable.default('api'),
  clock: z
    .custom<Clock>(value => isObject(value) && 'monotonic' in value, 'write { now, monotonic }')
    .default(systemClock),
})

/** Complete internal configuration: parsed once, at creation. */
export type Config = Omit<
  z.output<typeof schema>,
  'secret' | 'keys' | 'toFieldValues' | 'clockToleranceSeconds'
> & {
  readonly ownKeys: OwnKeys
  readonly clientId: string
  readonly clockToleranceMs: number
  readonly toFieldValues: ToFieldValues | undefined
}

/** Completes the options, or throws an {@link OptionError} that names each wrong one and what to write instead. */
export function parseOptions(options: unknown): Config {
  const result = schema.safeParse(options)
  if (!result.success) throw new OptionError(explain('createCustomUserData', result.error))
  const { secret, keys, clockToleranceSeconds, ...config } = result.data
  return {
    ...config,
    ownKeys: parseOwnKeys({ secret, keys }),
    clientId: config.clientId ?? config.audience[0] ?? '',
    clockToleranceMs: clockToleranceSeconds * 1000,
    toFieldValues: config.toFieldValues as ToFieldValues | undefined,
  }
}

/** Checks what `replaceKeys()` is given, as the option `keys` is checked. */
export function parseNewKeys(keys: unknown): OwnKeys {
  const result = newKeys.safeParse({ keys })
  if (!result.success) throw new OptionError(explain('replaceKeys', result.error))
  return result.data as OwnKeys
}

/** One secret, or a list of keys: never both, never neither. */
function parseOwnKeys(given: { readonly secret?: unknown; readonly keys?: unknown }): OwnKeys {
  if ((given.secret === undefined) === (given.keys === undefined)) {
    throw new OptionError(
      'createCustomUserData: give "secret" (text or 32 random bytes for HS256) or "keys" ([{ kid, alg, key }]), one of the two.',
    )
  }
  return given as OwnKeys
}

function explain(callee: string, error: z.ZodError): string {
  const lines = error.issues.map(issue => {
    if (issue.code === 'unrecognized_keys') return `there is no option ${quote(issue.keys)}`
    const path = issue.path.map(String).join('.')
    return path === '' ? 'give an object of options' : `option "${path}": ${issue.message}`
  })
  return `${callee}: ${lines.join('; ')}. The README lists all options.`
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function quote(names: readonly string[]): string {
  return names.map(option => `"${option}"`).join(', ')
}
