import type { KeyObject } from 'node:crypto'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { z } from 'zod'
import { ASYMMETRIC_ALGORITHM_NAMES } from './access-tokens/algorithms.js'
import { isFetchable } from './access-tokens/fetch-json.js'
import type { OwnKeys } from './access-tokens/key-ring.js'
import { systemClock } from './clock.js'
import type { Clock } from './clock.js'
import type { ToFieldValues } from './custom-data/user-documents.js'
import { OptionError } from './errors.js'
import type { CollectionLike } from './mongo/team-database.js'
import {
  completeUserDataInToken,
  MAX_TOKEN_LENGTH,
  userDataInTokenSchema,
} from './parse-user-data-in-token.js'
import type { UserDataInToken } from './parse-user-data-in-token.js'
import type { Hooks } from './routes/hooks.js'

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
  kid: name.optional(),
  alg: name,
  key: z.custom(
    value => value !== undefined && value !== null,
    'write PEM text, a JWK, a KeyObject or a secret',
  ),
})

const keyList = z.array(key, { error: 'write a list of { kid, alg, key }' }).min(1, 'write one key or more')

const newKeys = z.strictObject({ keys: keyList })

const audience = z
  .union([name, z.array(name).min(1, NAME_YOUR_API)], { error: NAME_YOUR_API })
  .transform(value => (typeof value === 'string' ? [value] : value))

const fetchable = z.string().refine(isFetchable, 'write an https address (http only on loopback)')

const trustedIssuer = z
  .strictObject({
    issuer: name,
    audience,
    algorithms: z
      .array(z.enum(ASYMMETRIC_ALGORITHM_NAMES, `write some of ${ASYMMETRIC_ALGORITHM_NAMES.join(', ')}`))
      .min(1, 'write one algorithm or more'),
    jwksUri: fetchable.optional(),
    userIdPrefix: z.string().optional(),
    userIdClaim: name.default('sub'),
    profile: z.enum(['rfc9068', 'jwt'], 'write "rfc9068" or "jwt"').default('rfc9068'),
  })
  .refine(({ issuer, jwksUri }) => jwksUri !== undefined || isFetchable(issuer), {
    path: ['jwksUri'],
    error: 'write the address of the key set, or an issuer that is an https address',
  })
  .transform(value => ({ ...value, userIdPrefix: value.userIdPrefix ?? `${value.issuer}|` }))

/** What a browser would refuse is found here, and not when the first user cannot refresh (RFC 6265 4.1.1). */
const refreshCookie = z.strictObject({
  name: name
    .regex(
      /^(?!__host-)[\w!#$%&'*+.^`|~-]+$/i,
      'write a cookie name, as "refresh_token", without the prefix __Host-',
    )
    .optional(),
  sameSite: z.enum(['strict', 'lax', 'none'], 'write "strict", "lax" or "none"').optional(),
  path: name
    .regex(/^\/[\x20-\x3a\x3c-\x7e]*$/, 'write a path that begins with a slash, as "/auth"')
    .optional(),
  domain: name.regex(/^[a-z\d.-]+$/i, 'write a domain, as "example.com"').optional(),
})

const HOOKS = {
  beforeLogin: callback.optional(),
  createCustomData: callback.optional(),
  afterLogin: callback.optional(),
  afterRefresh: callback.optional(),
  afterLogout: callback.optional(),
  afterDelete: callback.optional(),
}

const schema = z.strictObject({
  collection,
  issuer: name.optional(),
  audience: audience.optional(),
  clientId: name.optional(),
  secret: z.custom(isSecret, 'write text, bytes or a KeyObject').optional(),
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

  changeStreams: z.enum(['auto', 'off'], 'write "auto" or "off"').default('off'),
  changeStreamTimeoutMs: whole(1_000, DAY_SECONDS * 1000).default(60_000),

  trustedIssuers: z
    .array(trustedIssuer, 'write a list of { issuer, audience, algorithms, jwksUri }')
    .default([]),
  tokenPlaces: z
    .strictObject({ cookie: name.optional(), query: name.optional(), form: name.optional() })
    .default({}),
  accessTokenTtlSeconds: whole(1, DAY_SECONDS).default(30 * 60),
  userDataInToken: userDataInTokenSchema,
  clockToleranceSeconds: whole(0, 300).default(5),
  maxTokenLength: whole(256, 1024 * 1024).default(MAX_TOKEN_LENGTH),

  sessionCollection: collection.optional(),
  refreshTokenTtlSeconds: whole(30 * 60, 5 * YEAR_SECONDS).default(60 * DAY_SECONDS),
  refreshTokenIdleSeconds: whole(60, 5 * YEAR_SECONDS).optional(),
  rotateRefreshTokens: z.boolean('write true or false').default(true),
  reuseWindowSeconds: whole(0, 60).optional(),
  sessionSecrets: z
    .array(
      z.custom<string | Uint8Array | KeyObject>(isSecret, 'write text, bytes or a KeyObject'),
      'write a list of secrets',
    )
    .min(1, 'write one secret or more')
    .optional(),
  refreshTokenTransport: z
    .union([z.enum(['body', 'cookie']), z.strictObject({ cookie: refreshCookie })], {
      error: 'write "body", "cookie" or { cookie: { name, sameSite, path, domain } }',
    })
    .default('body'),
  sessionCheckIntervalMs: whole(0, DAY_SECONDS * 1000).optional(),
  loginThrottle: z
    .union([
      z.literal(false),
      z.strictObject({
        accountAndAddressFailures: whole(1, 100).default(10),
        addressFailures: whole(1, 1_000_000).default(100),
        windowSeconds: whole(1, DAY_SECONDS).default(15 * 60),
        accountFailures: whole(1, 100).default(100),
      }),
    ])
    .prefault({}),
  hooks: z.strictObject(HOOKS).default({}),
  sessionTimeoutMs: whole(1, MAX_TIMER_MS).default(3_000),
  writeTimeoutMs: whole(1, MAX_TIMER_MS).default(3_000),
  verifyCredentialsTimeoutMs: whole(1, MAX_TIMER_MS).default(10_000),

  realm: printable.default('api'),
  clock: z
    .custom<Clock>(value => isObject(value) && 'monotonic' in value, 'write { now, monotonic }')
    .default(systemClock),
})

/** Who we are as an issuer. */
export interface OwnIssuer {
  readonly issuer: string
  readonly audience: readonly string[]
  readonly clientId: string
  readonly keys: OwnKeys
}

type Parsed = z.output<typeof schema>

/** Complete internal configuration: parsed once, at creation. */
export type Config = Omit<
  Parsed,
  | 'issuer'
  | 'audience'
  | 'clientId'
  | 'secret'
  | 'keys'
  | 'toFieldValues'
  | 'clockToleranceSeconds'
  | 'refreshTokenIdleSeconds'
  | 'reuseWindowSeconds'
  | 'hooks'
  | 'userDataInToken'
> & {
  /** Absent where only the tokens of others are accepted. */
  readonly own: OwnIssuer | undefined
  readonly clockToleranceMs: number
  readonly refreshTokenIdleSeconds: number
  readonly reuseWindowMs: number | undefined
  readonly hooks: Hooks
  readonly userDataInToken: UserDataInToken | undefined
  readonly toFieldValues: ToFieldValues | undefined
}

/** Completes the options, or throws an {@link OptionError} that names each wrong one and what to write instead. */
export function parseOptions(options: unknown): Config {
  const result = schema.safeParse(options)
  if (!result.success) throw new OptionError(explain('createCustomUserData', result.error))
  const { issuer, audience, clientId, secret, keys, clockToleranceSeconds, reuseWindowSeconds, ...config } =
    result.data
  const own = parseOwnIssuer({ issuer, audience, clientId, secret, keys }, config.trustedIssuers.length > 0)
  requireDistinct(own, config.trustedIssuers)
  const { refreshTokenTtlSeconds, refreshTokenIdleSeconds = refreshTokenTtlSeconds } = config
  if (refreshTokenIdleSeconds > refreshTokenTtlSeconds) {
    throw wrong('option "refreshTokenIdleSeconds": write no more than "refreshTokenTtlSeconds".')
  }
  return {
    ...config,
    own,
    clockToleranceMs: clockToleranceSeconds * 1000,
    reuseWindowMs: reuseWindowSeconds === undefined ? undefined : reuseWindowSeconds * 1000,
    refreshTokenIdleSeconds,
    userDataInToken: own && parseUserDataInToken(config.userDataInToken, config.maxTokenLength),
    hooks: config.hooks as Hooks,
    toFieldValues: config.toFieldValues as ToFieldValues | undefined,
  }
}

/** A token that we would not look at again must not be issued. */
function parseUserDataInToken(
  given: Parsed['userDataInToken'],
  maxTokenLength: number,
): UserDataInToken | undefined {
  const complete = completeUserDataInToken(given, maxTokenLength)
  if (!complete || complete.maxTokenBytes <= maxTokenLength) return complete
  throw wrong(
    `option "userDataInToken.maxTokenBytes": write ${maxTokenLength} at most, or raise "maxTokenLength".`,
  )
}

/** One secret, or a list of keys: never both, never neither. */
function parseOwnKeys(given: { readonly secret?: unknown; readonly keys?: unknown }): OwnKeys {
  if ((given.secret === undefined) === (given.keys === undefined)) {
    throw wrong(
      'give "secret" (32 random bytes or more, for HS256) or "keys" ([{ kid, alg, key }]), one of the two.',
    )
  }
  return given as OwnKeys
}

/** Checks what `replaceKeys()` is given, as the option `keys` is checked. */
export function parseNewKeys(given: unknown): OwnKeys {
  const result = newKeys.safeParse({ keys: given })
  if (!result.success) throw new OptionError(explain('replaceKeys', result.error))
  return result.data as OwnKeys
}

function parseOwnIssuer(
  given: Pick<Parsed, 'issuer' | 'audience' | 'clientId' | 'secret' | 'keys'>,
  trustsOthers: boolean,
): OwnIssuer | undefined {
  if (trustsOthers && Object.values(given).every(value => value === undefined)) return undefined
  const { issuer, audience, clientId, secret, keys } = given
  const ownKeys = parseOwnKeys({ secret, keys })
  if (issuer === undefined)
    throw wrong('option "issuer": name your service by its URL, e.g. "https://auth.example.com".')
  if (audience === undefined) throw wrong(`option "audience": ${NAME_YOUR_API}.`)
  return { issuer, audience, clientId: clientId ?? audience[0] ?? '', keys: ownKeys }
}

/** Two issuers' users are never one: no prefix begins another, and only one is empty (our own, where we issue). */
function requireDistinct(own: OwnIssuer | undefined, trusted: Parsed['trustedIssuers']): void {
  const names = [...(own ? [own.issuer] : []), ...trusted.map(({ issuer }) => issuer)]
  if (new Set(names).size < names.length) throw wrong('option "trustedIssuers": an issuer is there twice.')
  const prefixes = [...(own ? [''] : []), ...trusted.map(({ userIdPrefix }) => userIdPrefix)]
  for (const [index, prefix] of prefixes.entries()) {
    const others = prefixes.filter((_other, at) => at !== index)
    if (others.some(other => (prefix === '' ? other === '' : other.startsWith(prefix)))) {
      throw wrong(
        `option "trustedIssuers": the userIdPrefix "${prefix}" is, or begins, another issuer's. Write prefixes that ` +
          'differ from the start, as "idp|"; only one may be empty, and our own users have none.',
      )
    }
  }
}

function wrong(message: string): OptionError {
  return new OptionError(`createCustomUserData: ${message}`)
}

function explain(callee: string, error: z.ZodError): string {
  const lines = error.issues.map(issue => {
    if (issue.code === 'unrecognized_keys') return `there is no option ${quote(issue.keys)}`
    const path = issue.path.map(String).join('.')
    return path === '' ? 'give an object of options' : `option "${path}": ${issue.message}`
  })
  return `${callee}: ${lines.join('; ')}. The README lists all options.`
}

function isSecret(value: unknown): boolean {
  return typeof value === 'string' || isObject(value)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function quote(names: readonly string[]): string {
  return names.map(option => `"${option}"`).join(', ')
}
