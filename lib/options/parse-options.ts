import * as v from 'valibot'
import type { OwnKeys } from '../access-tokens/key-ring.js'
import type { CheckCode } from '../checks/check-codes.js'
import { systemClock } from '../util/clock.js'
import type { Clock } from '../util/clock.js'
import type { ToFieldValues } from '../documents/user-documents.js'
import { accessTokenOptions, keys, ownIssuerOptions } from './access-tokens.js'
import { parseArgument } from './arguments.js'
import { collectionNamed } from './collection-option.js'
import { toAccessCookie, toRefreshCookie } from './token-cookies.js'
import { checks, toChecksOff } from './checks.js'
import { customDataOptions } from './custom-data.js'
import { explain, wrong } from './explain.js'
import { requireDistinct, toOwnIssuer } from './issuers.js'
import type { OwnIssuer } from './issuers.js'
import { isSameCollection } from '../mongo/collection-like.js'
import { optionsObject } from './options-object.js'
import { sessionOptions } from './sessions.js'
import { completeUserDataInToken } from './user-data-in-token.js'
import type { UserDataInToken } from './user-data-in-token.js'
import { AN_OBJECT, bson, printable } from './value-schemas.js'
import { isObject } from '../util/plain-object.js'
import type { ParsedTokenPlaces } from '../authenticate/token-places.js'
import type { RefreshCookie } from '../routes/refresh-cookie.js'
import type { TokenCookie } from '../util/cookies.js'
import type { Hooks } from '../login/hooks.js'

const schema = optionsObject(AN_OBJECT, {
  collection: collectionNamed('custom_user_data'),
  bson: v.optional(bson),
  ...ownIssuerOptions,
  ...customDataOptions,
  ...accessTokenOptions,
  ...sessionOptions,
  realm: v.optional(printable, 'api'),
  checks: v.optional(checks, true),
  clock: v.optional(
    v.custom<Clock>(isClock, 'write { now, monotonic }, two functions that return milliseconds'),
    systemClock,
  ),
})

function isClock(value: unknown): boolean {
  if (!isObject(value)) return false
  const { now, monotonic } = value as { readonly now?: unknown; readonly monotonic?: unknown }
  return typeof now === 'function' && typeof monotonic === 'function'
}

const newKeys = optionsObject(AN_OBJECT, { keys })

type Parsed = v.InferOutput<typeof schema>

/** The complete options of an instance. */
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
  | 'reuseToleranceSeconds'
  | 'refreshTokenTransport'
  | 'accessTokenTransport'
  | 'tokenPlaces'
  | 'hooks'
  | 'userDataInToken'
  | 'checks'
> & {
  /** Absent if the instance issues no tokens. */
  readonly own: OwnIssuer | undefined
  readonly clockToleranceMs: number
  readonly refreshTokenIdleSeconds: number
  readonly reuseToleranceMs: number
  /** Absent if refresh tokens are in the JSON. */
  readonly refreshCookie: RefreshCookie | undefined
  /** Absent if access tokens are in the JSON. */
  readonly accessCookie: TokenCookie | undefined
  readonly tokenPlaces: ParsedTokenPlaces
  readonly hooks: Hooks
  readonly userDataInToken: UserDataInToken | undefined
  readonly toFieldValues: ToFieldValues | undefined
  /** The codes of the checks that do not run. */
  readonly checksOff: ReadonlySet<CheckCode>
}

/** Completes the options, or throws an `OptionError` that names each wrong option and what to write instead. */
export function parseOptions(options: unknown): Config {
  const {
    issuer,
    audience,
    clientId,
    secret,
    keys,
    clockToleranceSeconds,
    reuseToleranceSeconds,
    refreshTokenTransport,
    accessTokenTransport,
    tokenPlaces,
    checks,
    ...config
  } = parseArgument('createCustomUserData', schema, options)
  const own = toOwnIssuer({ issuer, audience, clientId, secret, keys })
  requireDistinct(own, config.trustedIssuers ?? [])
  requireOwnCollections(config)
  const { refreshTokenTtlSeconds, refreshTokenIdleSeconds = refreshTokenTtlSeconds } = config
  if (refreshTokenIdleSeconds > refreshTokenTtlSeconds) {
    throw wrong('option "refreshTokenIdleSeconds": write no more than "refreshTokenTtlSeconds".')
  }
  const refreshCookie = toRefreshCookie(refreshTokenTransport, own)
  const accessCookie = toAccessCookie(accessTokenTransport, own, tokenPlaces, refreshCookie)
  return {
    ...config,
    own,
    clockToleranceMs: clockToleranceSeconds * 1000,
    reuseToleranceMs: reuseToleranceSeconds * 1000,
    refreshTokenIdleSeconds,
    refreshCookie,
    accessCookie,
    tokenPlaces: accessCookie ? { ...tokenPlaces, cookie: accessCookie } : tokenPlaces,
    userDataInToken: own && completeUserDataInToken(config.userDataInToken, config.maxTokenLength),
    hooks: config.hooks as Hooks,
    checksOff: toChecksOff(checks),
    toFieldValues: config.toFieldValues as ToFieldValues | undefined,
  }
}

const OWN_COLLECTIONS = {
  sessionCollection: 'custom_user_data_sessions',
  loginAttemptCollection: 'custom_user_data_login_attempts',
} as const

/** Throws if a collection of this package is the collection of custom data: its documents would be loaded as custom data. */
function requireOwnCollections(config: Pick<Parsed, 'collection' | keyof typeof OWN_COLLECTIONS>): void {
  const { collection } = config
  for (const name of ['sessionCollection', 'loginAttemptCollection'] as const) {
    const given = config[name]
    const isShared = given
      ? isSameCollection(given, collection)
      : collection.collectionName === OWN_COLLECTIONS[name]
    if (isShared) {
      throw wrong(
        `option "${name}": it is the collection of custom data, "${collection.collectionName}". ` +
          'Give another collection that holds no documents of your app.',
      )
    }
  }
}

/** Checks the argument of `replaceKeys()` like the option `keys`. */
export function parseNewKeys(given: unknown): OwnKeys {
  const result = v.safeParse(newKeys, { keys: given })
  if (!result.success) throw explain('replaceKeys()', result.issues)
  return result.output as OwnKeys
}
