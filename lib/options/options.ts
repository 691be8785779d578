import type { KeyObject } from 'node:crypto'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { KeyOptions } from '../access-tokens/keys.js'
import type { TrustedIssuer } from '../access-tokens/trusted-issuers.js'
import type { TokenPlaces } from '../authenticate/token-places.js'
import type { Clock } from '../util/clock.js'
import type { ClientProjection } from '../token-data/client-projection.js'
import type { ExtendedJsonFormat } from '../token-data/document-codec.js'
import type { ToFieldValues } from '../documents/user-documents.js'
import type { BsonLibrary } from '../mongo/team-bson.js'
import type { CollectionLike } from '../mongo/collection-like.js'
import type { Hooks } from '../login/hooks.js'
import type { RefreshCookieOptions } from '../routes/refresh-transport.js'
import type { LoginThrottleOptions } from '../login/login-throttle.js'

/** What of the user's data goes into access tokens. */
export interface UserDataInTokenOptions {
  /** `canonical` says the type of each number, as App Services did; `relaxed` is shorter and reads like JSON. */
  readonly format: ExtendedJsonFormat
  /** What clients may see, if not all that handlers do: then the token is for clients alone, and instances read. */
  readonly projection?: ClientProjection | undefined
  /** Longest token; a longer one goes without. Default 8,192, and never above `maxTokenLength`. */
  readonly maxTokenBytes?: number | undefined
}

/** Options that every instance takes. Durations carry their unit in the name. */
interface CommonOptions<Document extends object> {
  /** The collection that holds the documents: of mongodb (5.9 to 7) or of mongoose (7.8, 8 or 9). */
  readonly collection: CollectionLike
  /**
   * The BSON library of the driver that `collection` belongs to. Only `userDataInToken` needs it, and only if your app has
   * another copy of mongodb than the copy that Node resolves for this package. A collection of mongoose brings it.
   *
   * @default the library of mongoose, or of the `mongodb` that the collection belongs to
   * @throws {OptionError} `invalid_option` at creation, if `userDataInToken` is on and no library is found
   * @example
   * import { BSON } from 'mongodb'
   * createCustomUserData({ collection, bson: BSON, userDataInToken: 'relaxed', ...others })
   */
  readonly bson?: BsonLibrary | undefined
  /** The field that holds the user's id; `_id` and dotted paths are fine. Default `userId`. */
  readonly userIdField?: string | undefined
  /**
   * The values that an id may have in that field, for ids that are numbers or UUIDs. If several match, the lowest in BSON
   * order wins. Return an empty list for an id that cannot be converted: that user has no document. `null`, `undefined` and
   * `NaN` are refused, because they would be the same value for many users. So are infinite numbers, bigints that do not fit
   * into 64 bits, and texts with half of a character. The function must not be async.
   *
   * @default the id as a string, and as an ObjectId if it is 24 lower-case hex digits
   * @throws `callback_failed` (500) if it throws or returns a value that cannot be an id
   * @example
   * id => (/^(0|[1-9]\d{0,14})$/.test(id) ? [Number(id)] : [])
   */
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
  /**
   * How long a load may take. Default 1,000. As with all deadlines here, where this process stood still when that time
   * was over (a blocked event loop, a paused machine), it gets what it missed, and as much again at most.
   */
  readonly loadTimeoutMs?: number | undefined
  /** Loads in flight. Default 50, and always under half of the driver's `maxPoolSize`. */
  readonly maxConcurrentLoads?: number | undefined

  /** Age at which a token's copy is read anew, by the next request. Default 1,800,000: 30 minutes. */
  readonly snapshotTtlMs?: number | undefined
  /**
   * The most snapshots in the cache. One user may have a tenth of them, or 16 if that is more, and a tenth of
   * `maxSnapshotBytes`. Beyond that the user's own oldest snapshot is dropped.
   *
   * @default 10_000
   */
  readonly maxSnapshots?: number | undefined
  /**
   * The most bytes of memory for snapshots. It is an estimate from the types of their values and the length of their
   * tokens: a full cache takes between half of it and all of it.
   *
   * @default 67_108_864
   */
  readonly maxSnapshotBytes?: number | undefined

  /** Whether changes that other processes make are followed, by change streams on custom data and sessions: `auto` where
   *  the server can, or `off`. Takes two connections. Default `off`: a copy serves for as long as its token's data may. */
  readonly changeStreams?: 'auto' | 'off' | undefined
  /**
   * How many milliseconds cached snapshots are served after a change stream was last known to be current.
   *
   * @default 60_000
   */
  readonly changeStreamTimeoutMs?: number | undefined

  /** External issuers whose tokens are accepted too, each with its keys, its audience and its users apart. */
  readonly trustedIssuers?: readonly TrustedIssuer[] | undefined
  /** Where else than in the Authorization header a token may be. Default: nowhere. */
  readonly tokenPlaces?: TokenPlaces | undefined
  /** Lifetime of an access token. Default 1,800: 30 minutes. */
  readonly accessTokenTtlSeconds?: number | undefined
  /**
   * Whether our access tokens carry the user's document as `user_data`, in Extended JSON. Any instance then serves custom
   * data from the token without a read; with `changeStreams: 'auto'` only while both streams are open. Anybody who holds
   * the token can read the document.
   *
   * @default false
   */
  readonly userDataInToken?: false | ExtendedJsonFormat | UserDataInTokenOptions | undefined
  /** Leeway for clocks that differ, 0 to 300. Default 5. */
  readonly clockToleranceSeconds?: number | undefined
  /** Longest access token that is looked at, in characters. Default 8,192. */
  readonly maxTokenLength?: number | undefined

  /**
   * The collection of sessions. It must hold no documents of your app, which is checked before the first use.
   *
   * @default the collection `custom_user_data_sessions` in the database of `collection`
   */
  readonly sessionCollection?: CollectionLike | undefined
  /** Lifetime of a session, from its login: 1,800 (30 minutes) to 157,680,000 (5 years). Default 60 days. */
  readonly refreshTokenTtlSeconds?: number | undefined
  /** How long a session lives without a refresh, in seconds. Default: as long as it lives at all. */
  readonly refreshTokenIdleSeconds?: number | undefined
  /** Whether a refresh gives a new refresh token. `false` for clients that cannot follow. Default true. */
  readonly rotateRefreshTokens?: boolean | undefined
  /** How long an exchanged refresh token still gets its successor again, 0 to 60. Default: until that one is used, so
   *  that a lost answer or a second tab logs nobody out. */
  readonly reuseWindowSeconds?: number | undefined
  /**
   * Secrets of 32 bytes or more from which successors of refresh tokens are derived. The first secret derives new ones, and
   * all are tried for old ones. Needed if the first of `keys` is a key pair. Keep an old secret for as long as sessions
   * live. Each secret must pass the same check as `secret`.
   *
   * @default one secret, derived from the HS secret
   */
  readonly sessionSecrets?: readonly (string | Uint8Array | KeyObject)[] | undefined
  /** How refresh tokens travel: in the JSON, or in an HttpOnly cookie. Default `body`. */
  readonly refreshTokenTransport?: 'body' | 'cookie' | { readonly cookie: RefreshCookieOptions } | undefined
  /**
   * How often, in milliseconds, the session of an access token in use is read, so that this process notices a logout in
   * another one. For a trusted issuer's token the record of its user is read. 0 reads at each request.
   *
   * @default never: a logout is noticed when the access token expires, `disable()` of a trusted issuer's user at the next
   * load, and both at once with change streams
   */
  readonly sessionCheckIntervalMs?: number | undefined
  /**
   * The collection in which failed logins are counted. It must hold no documents of your app.
   * @default the collection `custom_user_data_login_attempts` in the database of `collection`
   */
  readonly loginAttemptCollection?: CollectionLike | undefined
  /**
   * How many failed logins are allowed, see {@link LoginThrottleOptions}. `false` counts no logins.
   * @default {}
   */
  readonly loginThrottle?: LoginThrottleOptions | false | undefined
  /** What is to happen around logins, refreshes and what ends them. */
  readonly hooks?: Hooks | undefined
  /** How long a session's read or write may take. Default 3,000. */
  readonly sessionTimeoutMs?: number | undefined
  /** How long a write of `forUser()` or `ownData()` may take. Default 3,000. */
  readonly writeTimeoutMs?: number | undefined
  /** How long `verifyCredentials` may take. Default 10,000. */
  readonly verifyCredentialsTimeoutMs?: number | undefined

  /** The `realm` of challenges (RFC 9110 11.5). Default `api`. */
  readonly realm?: string | undefined
  /** Where time is read: for tests. */
  readonly clock?: Clock | undefined
}

/** Who we are as an issuer: needed to log users in, not to accept the tokens of others. */
interface OwnIdentity {
  /** Who issues the tokens: a URL that names your service (RFC 9068 `iss`). */
  readonly issuer: string
  /** Whom the tokens are for: one or several names of your API (RFC 9068 `aud`). */
  readonly audience: string | readonly string[]
  /** `client_id` of the tokens (RFC 9068 2.2). Default: the first audience. */
  readonly clientId?: string | undefined
}

interface OwnSecret extends OwnIdentity {
  /**
   * HS256 secret of 32 bytes or more. A secret that is known from public code or easy to guess is refused at creation.
   * @example node -p "crypto.randomBytes(32).toString('base64url')"
   */
  readonly secret: string | Uint8Array | KeyObject
  readonly keys?: undefined
}

interface OwnNamedKeys extends OwnIdentity {
  /** Named keys; the first signs. */
  readonly keys: readonly KeyOptions[]
  readonly secret?: undefined
}

/** Options of `createCustomUserData`: who we are, by `secret` or `keys`, and perhaps whom we trust. */
export type CustomUserDataOptions<Document extends object> = CommonOptions<Document> &
  (OwnSecret | OwnNamedKeys)

/** Options for APIs that only accept the tokens of others: no login, refresh or logout. */
export interface TrustedIssuersOnlyOptions<Document extends object> extends CommonOptions<Document> {
  readonly trustedIssuers: readonly TrustedIssuer[]
  readonly issuer?: undefined
  readonly audience?: undefined
  readonly clientId?: undefined
  readonly keys?: undefined
  readonly secret?: undefined
}
