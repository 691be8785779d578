/**
 * Merge into this interface to type `req.user.customData` where `express-custom-user-data/global` types `req.user`, and
 * instances whose own types do not say more:
 *
 * ```ts
 * declare module 'express-custom-user-data' {
 *   interface CustomUserDataTypes { customData: Profile }
 * }
 * ```
 *
 * Add `requireDocument: true` where the option of that name is on; without it a user may have no document,
 * and every field is optional.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- an interface, because types cannot be merged
export interface CustomUserDataTypes {}

type RegisteredDocument = CustomUserDataTypes extends { customData: infer D extends object }
  ? D
  : Record<string, unknown>

/** The type that `CustomUserDataTypes` names, or a record of unknown values. */
export type DefaultDocument = RegisteredDocument

/** The names of the fields that a document type declares. An index signature declares none, and `_id` does not count. */
type StatedNames<Document> = keyof {
  [Name in keyof Document as string extends Name ? never : Name extends '_id' ? never : Name]: true
}

/**
 * `Document`, or the default if it states no fields, as for `db.collection('…')` without a type. Each document of a union is
 * looked at alone, because the union itself states only the fields that all its documents share.
 */
export type KnownDocument<Document extends object> = Document extends unknown
  ? [StatedNames<Document>] extends [never]
    ? DefaultDocument
    : Document
  : never

type RegisteredCustomData = CustomUserDataTypes extends { requireDocument: true }
  ? DeepReadonly<RegisteredDocument>
  : CustomDataOf<RegisteredDocument>

/**
 * A document type as handlers see it: deeply read-only, and partial because a user may have no document. Custom data does not
 * follow the driver's options `useBigInt64`, `promoteLongs` and `promoteBuffers`: a stored 64-bit integer is a `number`, or a
 * `Long` beyond 2^53, and binary data is a `Binary`. So write these types, unless a `schema` converts the values.
 */
export type CustomDataOf<Document extends object> = DeepReadonly<Partial<Document>>

/** Values that a document holds whole: dates and BSON values, of whichever driver. */
type Whole = Date | RegExp | { readonly _bsontype: string } | ((...args: never[]) => unknown)

/** `T` as it is once frozen: objects and arrays read-only all the way down. */
export type DeepReadonly<T> = T extends Whole
  ? T
  : T extends readonly (infer Item)[]
    ? readonly DeepReadonly<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
      : T

/** The verified payload of an access token (RFC 9068 section 2.2). Times are in seconds since the epoch. */
export interface AccessTokenClaims {
  /** The issuer. */
  readonly iss: string
  /** The subject: the id of the user at the issuer. */
  readonly sub: string
  /** The APIs that the token is meant for. */
  readonly aud: string | readonly string[]
  /** When the token expires. */
  readonly exp: number
  /** When the token was issued. */
  readonly iat?: number
  /** The time before which the token is refused. */
  readonly nbf?: number
  /** The id of the token. */
  readonly jti?: string
  /** The client that the token was issued to. */
  readonly client_id?: string
  /** The session that the token belongs to. */
  readonly sid?: string
  readonly [claim: string]: unknown
}

/** `req.user` behind `authenticate()`: a fresh object on each request. */
export interface AuthenticatedUser<CustomData = RegisteredCustomData> {
  /** The user's id: the token's subject. */
  readonly id: string
  /** The user's document as last loaded for this token, frozen; `{}` for a user without one. */
  readonly customData: CustomData
  /**
   * The verified claims of the access token, frozen. Behind `attach()` it is `undefined`, whatever this type says, because the
   * package has verified no token there.
   */
  readonly claims: AccessTokenClaims
}

/** The answer of a login or a refresh (RFC 6749 section 5.1). */
export interface TokenAnswer<CustomData = RegisteredCustomData> {
  /** The access token, for the header `Authorization: Bearer …`. */
  readonly access_token: string
  /** How the access token is presented (RFC 6750). */
  readonly token_type: 'Bearer'
  /** Lifetime of the access token in seconds. */
  readonly expires_in: number
  /** The refresh token. The next refresh takes it, and answers with its successor. */
  readonly refresh_token: string
  /** The user, with the custom data that was read for this access token. */
  readonly user: { readonly id: string; readonly customData: CustomData }
}

/** A further access token of a session, as `reissue()` gives it. The session keeps its refresh token. */
export type AccessTokenAnswer<CustomData = RegisteredCustomData> = Omit<
  TokenAnswer<CustomData>,
  'refresh_token'
>

/**
 * The tokens of a login or a refresh that belong into the body of its answer. A token that is sent as a cookie is left out.
 */
export type AnswerTokens<CustomData = RegisteredCustomData> = Partial<TokenAnswer<CustomData>> &
  Pick<TokenAnswer<CustomData>, 'expires_in' | 'user'>
