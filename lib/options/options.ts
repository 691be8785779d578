import type { KeyObject } from 'node:crypto'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { KeyOptions } from '../access-tokens/keys.js'
import type { TrustedIssuer } from '../access-tokens/trusted-issuers.js'
import type { CacheControl } from '../authenticate/cache-headers.js'
import type { AllowedOrigins } from '../authenticate/request-origin.js'
import type { TokenOfRequest, TokenPlaces } from '../authenticate/token-places.js'
import type { ChecksOption } from '../checks/check-codes.js'
import type { Clock } from '../util/clock.js'
import type { ClientProjection } from '../token-data/client-projection.js'
import type { ExtendedJsonFormat } from '../token-data/extended-json.js'
import type { ToFieldValues } from '../documents/user-documents.js'
import type { BsonLibrary } from '../mongo/team-bson.js'
import type { CollectionLike, TypedCollection } from '../mongo/collection-like.js'
import type { Hooks } from '../login/hooks.js'
import type { AccessCookieOptions } from '../routes/access-transport.js'
import type { RefreshCookieOptions } from '../routes/refresh-cookie.js'
import type { LoginThrottleOptions } from '../login/login-throttle.js'

/** Options of `userDataInToken`: which data of the user goes into access tokens. */
export interface UserDataInTokenOptions {
  /** `canonical` states the type of each number, as App Services did. `relaxed` is shorter and reads like JSON. */
  readonly format: ExtendedJsonFormat
  /**
   * The fields that clients may see: `{ language: 1 }` or `{ notes: 0 }`. With it the token serves clients alone, and handlers
   * get custom data from MongoDB.
   *
   * @default all data that handlers see
   */
  readonly projection?: ClientProjection | undefined
  /**
   * The longest token that may carry data, in bytes. A longer token is issued without data.
   *
   * @default 8_192, or `maxTokenLength` if that is less
   */
  readonly maxTokenBytes?: number | undefined
}

/** Options that every instance takes. Names of durations end with their unit. */
interface CommonOptions<Document extends object> {
  /** The collection that holds the documents: of mongodb (5.9 to 7) or of mongoose (7.8, 8 or 9). */
  readonly collection: TypedCollection<Document> | CollectionLike
  /**
   * The BSON library of the driver that `collection` belongs to. Only `userDataInToken`, `extendedJson` and `ownData()` need it, and only if
   * your app has another installation of mongodb than the one that Node resolves for this package. A collection of mongoose brings it.
   *
   * @default the library of mongoose, or of the `mongodb` that the collection belongs to
   * @throws {OptionError} `invalid_option` at creation, if `userDataInToken` or `extendedJson` is on and no library is found; also from `ownData()`
   * @example
   * import { BSON } from 'mongodb'
   * createCustomUserData({ collection, bson: BSON, userDataInToken: 'relaxed', ...others })
   */
  readonly bson?: BsonLibrary | undefined
  /**
   * The field that holds the user's id. It may be `_id` or a dotted path.
   *
   * @default 'userId'
   */
  readonly userIdField?: string | undefined
  /**
   * The values that an id may have in that field, for ids that are numbers or UUIDs. If several match, the lowest in BSON
   * order wins. The first value is the one that is written to a new document. Return an empty list for an id that cannot be
   * converted: that user has no document. `null`, `undefined` and `NaN` are refused, because they would be the same value for
   * many users. So are infinite numbers, bigints that do not fit into 64 bits, and texts with half of a character. The function
   * must not be async.
   *
   * @default the id as a string, and as an ObjectId if it is 24 lower-case hex digits; a new document gets the ObjectId if the
   * collection holds user ids that are ObjectIds, and none that is a string
   * @throws `callback_failed` (500) if it throws or returns a value that cannot be an id
   * @example
   * id => (/^(0|[1-9]\d{0,14})$/.test(id) ? [Number(id)] : [])
   */
  readonly toFieldValues?: ToFieldValues | undefined
  /**
   * The fields that handlers may see, as a `$project` stage of an aggregation. `_id` can only be shown (1) or left out (0).
   *
   * @default the whole document
   * @example { passwordHash: 0 }
   */
  readonly projection?: Readonly<Record<string, unknown>> | undefined
  /**
   * A Standard Schema (zod, valibot, arktype…) that types and checks each loaded document. For a document that it refuses,
   * the answer is 500 `custom_data_invalid`.
   *
   * @default documents are not checked
   */
  readonly schema?: StandardSchemaV1<unknown, Document> | undefined
  /**
   * The Extended JSON of MongoDB in which clients get custom data: in the answers of `login()` and `refresh()` as
   * `user.customData`, and in those of `ownData()` for the content type `application/ejson`. The option of the same name of each
   * of these routes overrides it. `canonical` states the type of each number, and `relaxed` writes plain JSON numbers. Plain JSON
   * has no dates, ObjectIds or binaries, so they become texts.
   *
   * @default false, which writes plain JSON, as `res.json(req.user.customData)` does
   * @throws {OptionError} `invalid_option` if the BSON library of the driver is not found, see `bson`
   */
  readonly extendedJson?: ExtendedJsonFormat | false | undefined
  /**
   * Whether users without a document are refused with 403 `custom_data_missing`. Otherwise their custom data is `{}`.
   *
   * @default false
   */
  readonly requireDocument?: boolean | undefined
  /**
   * Whether `ready()` makes the index on the user id field unique. The index is partial, so documents without the field do
   * not collide.
   *
   * @default false
   */
  readonly uniqueUserId?: boolean | undefined
  /**
   * The largest document that is loaded, in BSON bytes after the projection. For a larger document the answer is 500
   * `custom_data_too_large`.
   *
   * @default 262_144 (256 KiB)
   */
  readonly maxDocumentBytes?: number | undefined
  /**
   * Milliseconds that a load may take. The request is answered with 503 when this time is over.
   *
   * @default 1_000
   */
  readonly loadTimeoutMs?: number | undefined
  /**
   * Milliseconds that each step of the first `ready()` may take, such as the first connection to MongoDB. Building an index
   * has no limit. Later calls of `ready()` send a ping, which may take `loadTimeoutMs`.
   *
   * @default 10_000
   */
  readonly readyTimeoutMs?: number | undefined
  /**
   * How many loads may run at the same time. It is always less than half of the driver's `maxPoolSize`.
   *
   * @default 50
   */
  readonly maxConcurrentLoads?: number | undefined

  /**
   * The age in milliseconds at which a snapshot is stale. The next request with its token loads a new one.
   *
   * @default 1_800_000 (30 minutes)
   */
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

  /**
   * Whether change streams on custom data and sessions tell this process of changes that others make. `auto` opens them if
   * the server has change streams; they take two connections. With `off` a change is seen when the snapshot is stale.
   *
   * @default 'off'
   */
  readonly changeStreams?: 'auto' | 'off' | undefined
  /**
   * How many milliseconds cached snapshots are served after a change stream was last known to be current.
   *
   * @default 60_000
   */
  readonly changeStreamTimeoutMs?: number | undefined

  /**
   * Other issuers whose access tokens are accepted, each with its own keys and audience. A prefix keeps their users apart.
   *
   * @default []
   */
  readonly trustedIssuers?: readonly TrustedIssuer[] | undefined
  /**
   * Other places than the Authorization header where a token may be, see {@link TokenPlaces}. A function takes the place of the
   * header: it returns the token of a request. If it is async, throws or returns no text, the answer is 500 `callback_failed`.
   * Changes that a page of another origin sends are refused (`allowedOrigins`), unless the token stands in a header other than
   * `Cookie`, in the address or in the body.
   *
   * @default {}
   * @example req => req.headers['x-access-token']
   */
  readonly tokenPlaces?: TokenPlaces | TokenOfRequest | undefined
  /**
   * How access tokens travel: in the JSON of answers, or in an HttpOnly cookie that `login()` and `refresh()` set, the guards
   * read, and `logout()` clears. They are then not in the JSON. An Authorization header wins over the cookie.
   *
   * @default 'body'
   * @example { cookie: { path: '/api' } }
   */
  readonly accessTokenTransport?: 'body' | 'cookie' | { readonly cookie: AccessCookieOptions } | undefined
  /**
   * What caches may do with the answers of guarded routes. With `no-cache` only the user's own browser stores an answer, and
   * asks the server before each use: `Cache-Control: private, no-cache`. With `no-store` nothing is stored, so the button
   * "back" does not show a page after the logout. A route can set another `Cache-Control` itself.
   *
   * @default 'no-cache'
   */
  readonly cacheControl?: CacheControl | undefined

  /**
   * Origins whose pages may send requests with a cookie that this package reads, besides the app's own origin: logins,
   * refreshes and logouts that set or clear a cookie, and requests with an access token in a cookie, other than GET, HEAD and
   * OPTIONS. Other hosts and ports of the same site must be listed too. Requests of all other pages are refused (403
   * `foreign_origin`) by their headers `Sec-Fetch-Site` and `Origin`. `any` turns this check off.
   *
   * @default []
   * @example ['https://app.example.com', 'http://localhost:5173', 'capacitor://localhost']
   */
  readonly allowedOrigins?: AllowedOrigins | undefined
  /**
   * Seconds that an access token of ours is valid, 1 to 86,400.
   *
   * @default 1_800 (30 minutes)
   */
  readonly accessTokenTtlSeconds?: number | undefined
  /**
   * Whether our access tokens carry the user's document as the claim `user_data`, in Extended JSON. Any instance then serves
   * custom data from the token without a read. With `changeStreams: 'auto'` it does so only while both streams are open.
   * Anybody who holds the token can read the document.
   *
   * @default false
   */
  readonly userDataInToken?: false | ExtendedJsonFormat | UserDataInTokenOptions | undefined
  /**
   * By how many seconds the clocks of issuers and of this process may differ, 0 to 300.
   *
   * @default 5
   */
  readonly clockToleranceSeconds?: number | undefined
  /**
   * The longest access token that is verified, in characters. A longer one is refused.
   *
   * @default 8_192
   */
  readonly maxTokenLength?: number | undefined

  /**
   * The collection of sessions. It must hold no documents of your app, which is checked before the first use.
   *
   * @default the collection `custom_user_data_sessions` in the database of `collection`
   */
  readonly sessionCollection?: CollectionLike | undefined
  /**
   * Seconds that a session lives from its login: 1,800 (30 minutes) to 157,680,000 (5 years).
   *
   * @default 5_184_000 (60 days)
   */
  readonly refreshTokenTtlSeconds?: number | undefined
  /**
   * Seconds that a session lives without a refresh, 60 or more.
   *
   * @default the value of `refreshTokenTtlSeconds`
   */
  readonly refreshTokenIdleSeconds?: number | undefined
  /**
   * The most sessions that a user may have. A login beyond it ends the session that was not used for the longest time, with
   * its access tokens. `false` sets no limit. `login()` and `issueTokens()` take the same option for their logins.
   *
   * @default 100
   */
  readonly maxSessionsPerUser?: number | false | undefined
  /**
   * Whether each refresh gives a new refresh token. Write `false` only for clients that cannot store a new one.
   *
   * @default true
   */
  readonly rotateRefreshTokens?: boolean | undefined
  /**
   * Seconds after its exchange in which a refresh token gets the session's current refresh token although its successor was
   * used, 0 to 120, by MongoDB's clock. Otherwise several tabs of a browser that refresh at once would look like a thief. An
   * older token ends its session. A token whose successor was never used gets that successor at any time.
   *
   * @default 30
   */
  readonly reuseToleranceSeconds?: number | undefined
  /**
   * Secrets of 32 bytes or more from which successors of refresh tokens are derived. The first secret derives new ones, and
   * all are tried for old ones. The HS keys follow after these, so `sessionSecrets: [secret]` is the same as the default. The
   * option is needed if none of the keys is an HS key. Each secret must pass the same check as `secret`.
   *
   * To replace a secret while several processes run: add the new secret at the end everywhere, then put it first everywhere,
   * and remove the old secret everywhere after `refreshTokenTtlSeconds`. Deploy each step before you begin the next one. To
   * go from an HS key to a key pair, list the secret of the HS key here first.
   *
   * @default the secrets of the HS keys, in the order of the keys
   * @example [formerSecret]
   */
  readonly sessionSecrets?: readonly (string | Uint8Array | KeyObject)[] | undefined
  /**
   * How refresh tokens travel: in the JSON of requests and answers, or in an HttpOnly cookie.
   *
   * @default 'body'
   * @example { cookie: { sameSite: 'lax', path: '/auth' } }
   */
  readonly refreshTokenTransport?: 'body' | 'cookie' | { readonly cookie: RefreshCookieOptions } | undefined
  /**
   * The field with the refresh token in the bodies of requests to `refresh()`, `logout()` and `login()`. Each of these routes
   * takes the same option for itself. The names in answers follow from the option `answer` of `login()` and `refresh()`. With
   * `refreshTokenTransport: 'cookie'` it has no effect.
   *
   * @default 'refresh_token'
   * @example 'refreshToken'
   */
  readonly refreshTokenField?: string | undefined
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
  /**
   * How the events `login_refused` and `throttled` name accounts. `digest`: by a keyed digest, as `accountDigest()` returns it.
   * `clear`: by the name as it was typed, which may be a password that a user typed into the wrong field.
   *
   * @default 'digest'
   */
  readonly accountsInEvents?: 'digest' | 'clear' | undefined
  /**
   * Functions of yours that run at logins, refreshes, logouts and deletions, see {@link Hooks}.
   *
   * @default {}
   */
  readonly hooks?: Hooks<Document> | undefined
  /**
   * Milliseconds that a read or write of sessions may take. After that the answer is 503 `sessions_unavailable`.
   *
   * @default 3_000
   */
  readonly sessionTimeoutMs?: number | undefined
  /**
   * Milliseconds that a write of `forUser()` or `ownData()` may take. After that it is a 503 `custom_data_unavailable`.
   *
   * @default 3_000
   */
  readonly writeTimeoutMs?: number | undefined
  /**
   * Milliseconds that `verifyCredentials` may take. After that the answer is 503 `credentials_unavailable`.
   *
   * @default 10_000
   */
  readonly verifyCredentialsTimeoutMs?: number | undefined

  /**
   * The `realm` of challenges (RFC 9110 11.5).
   *
   * @default 'api'
   */
  readonly realm?: string | undefined
  /**
   * Turns off checks of the set-up. `false` turns off all checks. An object turns off single checks: its members are the
   * codes of their warnings, with the value `false`. A check that is off sends no query. The guide
   * [self-checks](../self-checks.md) has a table of the checks.
   *
   * @default true
   * @example { preflight_refused: false }
   */
  readonly checks?: ChecksOption | undefined
  /**
   * The clock of this instance. Tests give one that they can move.
   *
   * @default the clocks of the machine
   */
  readonly clock?: Clock | undefined
}

/** The names of an instance that issues tokens. Instances that only accept the tokens of others have none. */
interface OwnIdentity {
  /** The issuer of the tokens: a URL that names your service (RFC 9068 `iss`). */
  readonly issuer: string
  /** One or several names of your API, for which the tokens are meant (RFC 9068 `aud`). */
  readonly audience: string | readonly string[]
  /**
   * The claim `client_id` of the tokens (RFC 9068 2.2).
   *
   * @default the first audience
   */
  readonly clientId?: string | undefined
}

/** Options with several named keys. */
interface OptionsWithKeys<Document extends object> extends CommonOptions<Document>, OwnIdentity {
  /** Named keys. The first signs new tokens, and all verify. */
  readonly keys: readonly KeyOptions[]
  readonly secret?: undefined
}

/** Options with one secret. */
interface OptionsWithSecret<Document extends object> extends CommonOptions<Document>, OwnIdentity {
  /**
   * HS256 secret of 32 bytes or more. A secret that is known from public code or easy to guess is refused at creation.
   * @example node -p "crypto.randomBytes(32).toString('base64url')"
   */
  readonly secret: string | Uint8Array | KeyObject
  readonly keys?: undefined
}

/** Options of `createCustomUserData()` for apps that issue tokens, with `secret` or `keys`. */
export type CustomUserDataOptions<Document extends object> =
  OptionsWithKeys<Document> | OptionsWithSecret<Document>

/**
 * Options for apps that issue no tokens: with `trustedIssuers` they accept the tokens of others, and without them they use
 * `attach()` behind a guard of their own. They have no login, refresh or logout.
 */
export interface OptionsWithoutKeys<Document extends object> extends CommonOptions<Document> {
  /** Not given: this app issues no tokens. */
  readonly issuer?: undefined
  /** Not given: each trusted issuer has an `audience` of its own. */
  readonly audience?: undefined
  /** Not given: this app issues no tokens. */
  readonly clientId?: undefined
  /** Not given: this app signs no tokens. */
  readonly keys?: undefined
  /** Not given: this app signs no tokens. */
  readonly secret?: undefined
}
