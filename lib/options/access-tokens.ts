import * as v from 'valibot'
import { ASYMMETRIC_ALGORITHM_NAMES } from '../access-tokens/algorithms.js'
import { isFetchable, isLoopbackAddress } from '../access-tokens/fetch-json.js'
import { toOrigin } from '../authenticate/request-origin.js'
import type { TokenOfRequest } from '../authenticate/token-places.js'
import { cookieIdentity, cookieName } from './cookies.js'
import { optionsObject } from './options-object.js'
import { MAX_TOKEN_LENGTH, userDataInToken } from './user-data-in-token.js'
import { accessTokenTransport } from './token-cookies.js'
import { callback, DAY_SECONDS, name, secret, whole } from './value-schemas.js'

/** The advice for a missing or wrong audience. */
export const NAME_YOUR_API = 'name your API, e.g. "https://api.example.com"'
const PREFIX = 'write a text, e.g. "idp|"'
const FETCHABLE = 'write an https address'
export const NOT_LOOPBACK =
  'this address is on loopback, and the issuer is not (or is not http): write an https address that is not on loopback'

/** The option `audience`: a text or a list of texts, which becomes a list. */
export const audience = v.pipe(
  v.union([name, v.pipe(v.array(name), v.minLength(1, NAME_YOUR_API))], NAME_YOUR_API),
  v.transform(value => (typeof value === 'string' ? [value] : value)),
)

/** The member `key` of a key, of which only the presence is checked here. */
export const keyMaterial = v.custom<unknown>(
  value => value !== undefined && value !== null,
  'write PEM text, a JWK, a KeyObject or a secret',
)

const key = optionsObject('write { kid, alg, key }', {
  kid: v.optional(name),
  alg: name,
  key: keyMaterial,
})

/** The option `keys`. */
export const keys = v.pipe(
  v.array(key, 'write a list of { kid, alg, key }'),
  v.minLength(1, 'write one key or more'),
)

/** These claims name no audience. An ID token has `azp` too, so it would pass as an access token (OpenID Connect Core 2). */
const NO_AUDIENCE_CLAIMS = ['iss', 'sub', 'exp', 'nbf', 'iat', 'jti', 'azp']
const USER_ID_CLAIM =
  'write the name of a claim, or a list of names that leads to a nested claim, e.g. ["user", "id"]'

/** Not a union, whose error would not name the entry that is wrong. */
const userIdClaim = v.pipe(
  v.lazy(given =>
    Array.isArray(given)
      ? v.pipe(v.array(name), v.minLength(1, USER_ID_CLAIM))
      : v.pipe(v.string(USER_ID_CLAIM), v.nonEmpty(USER_ID_CLAIM)),
  ),
  v.transform(value => (typeof value === 'string' ? [value] : value)),
)

const audienceClaim = v.pipe(
  name,
  v.check(
    claim => !NO_AUDIENCE_CLAIMS.includes(claim),
    'this claim names no audience: write the claim that does, e.g. "client_id"',
  ),
)

/** The option `algorithms` of keys that another service publishes. */
export const publishedAlgorithms = v.pipe(
  v.array(
    v.picklist(ASYMMETRIC_ALGORITHM_NAMES, `write some of ${ASYMMETRIC_ALGORITHM_NAMES.join(', ')}`),
    'write a list of algorithms, e.g. ["RS256"]',
  ),
  v.minLength(1, 'write one algorithm or more'),
)

/** The option `jwksUri`. */
export const jwksUri = v.pipe(
  v.string(FETCHABLE),
  v.check(address => isFetchable(address, address), FETCHABLE),
)

/** The options of a trusted issuer. */
export const trustedIssuer = v.pipe(
  optionsObject('write { issuer, audience, algorithms, jwksUri }', {
    issuer: name,
    audience,
    algorithms: publishedAlgorithms,
    jwksUri: v.optional(jwksUri),
    userIdPrefix: v.optional(
      v.pipe(
        v.string(PREFIX),
        v.check(text => text.isWellFormed(), PREFIX),
      ),
    ),
    audienceClaim: v.optional(audienceClaim, 'aud'),
    userIdClaim: v.optional(userIdClaim, 'sub'),
    profile: v.optional(v.picklist(['rfc9068', 'jwt'], 'write "rfc9068" or "jwt"'), 'rfc9068'),
  }),
  v.forward(
    v.partialCheck(
      [['issuer'], ['jwksUri']],
      ({ issuer, jwksUri }) => jwksUri !== undefined || isFetchable(issuer, issuer),
      'write the address of the key set, or an issuer that is an https address',
    ),
    ['jwksUri'],
  ),
  v.forward(
    v.partialCheck(
      [['issuer'], ['jwksUri']],
      // The check before this one reports a jwksUri that is not a URL.
      ({ issuer, jwksUri = '' }) => !isLoopbackAddress(jwksUri) || isFetchable(jwksUri, issuer),
      NOT_LOOPBACK,
    ),
    ['jwksUri'],
  ),
  v.forward(
    v.partialCheck(
      [['audienceClaim'], ['profile']],
      ({ audienceClaim: claim, profile }) => claim === 'aud' || profile === 'jwt',
      'only profile: "jwt" can have another claim than "aud", because RFC 9068 requires it: write profile: "jwt" too',
    ),
    ['audienceClaim'],
  ),
  v.transform(value => ({ ...value, userIdPrefix: value.userIdPrefix ?? `${value.issuer}|` })),
)

const toIdentity = (given: string): v.InferOutput<typeof cookieIdentity> => ({ name: given, path: '/' })

const origin = v.pipe(
  name,
  v.check(
    text => toOrigin(text) !== undefined,
    'write an origin such as "https://app.example.com": a scheme and a host, with neither a path nor a slash at the end',
  ),
)

const tokenPlaces = optionsObject('write { cookie, query, form }, or a function that takes the request', {
  cookie: v.optional(
    v.lazy(given =>
      typeof given === 'string' ? v.pipe(cookieName, v.transform(toIdentity)) : cookieIdentity,
    ),
  ),
  query: v.optional(name),
  form: v.optional(name),
})
const tokenOfRequest = v.pipe(
  callback,
  v.transform(tokenOf => ({ tokenOf: tokenOf as TokenOfRequest })),
)

/** Not a union, whose error would not name the entry that is wrong. */
const allowedOrigins = v.lazy(given =>
  Array.isArray(given) ? v.array(origin) : v.literal('any', 'write a list of origins, or "any"'),
)

/** Options of instances that issue tokens. */
export const ownIssuerOptions = {
  issuer: v.optional(name),
  audience: v.optional(audience),
  clientId: v.optional(name),
  secret: v.optional(secret),
  keys: v.optional(keys),
}

/** Options of access tokens: the issuers that are trusted, the places in a request, and the content of our own tokens. */
export const accessTokenOptions = {
  trustedIssuers: v.optional(
    v.array(trustedIssuer, 'write a list of { issuer, audience, algorithms, jwksUri }'),
  ),
  tokenPlaces: v.optional(
    v.lazy(given => (typeof given === 'function' ? tokenOfRequest : tokenPlaces)),
    {},
  ),
  accessTokenTransport,
  cacheControl: v.optional(
    v.picklist(['no-cache', 'no-store'], 'write "no-cache" or "no-store"'),
    'no-cache',
  ),
  allowedOrigins: v.optional(allowedOrigins, []),
  accessTokenTtlSeconds: v.optional(whole(1, DAY_SECONDS), 30 * 60),
  userDataInToken,
  clockToleranceSeconds: v.optional(whole(0, 300), 5),
  maxTokenLength: v.optional(whole(256, 1024 * 1024), MAX_TOKEN_LENGTH),
}
