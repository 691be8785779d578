import { isUtf8 } from 'node:buffer'
import { CustomUserDataError } from '../errors.js'
import { exceededLimit } from '../util/nesting.js'

/** The members of a token's protected header that are used (RFC 7515 4.1). Others, such as `jku` or `jwk`, are ignored. */
export interface ProtectedHeader {
  readonly alg: string
  readonly typ: string | undefined
  readonly kid: string | undefined
}

/** The parts of a token. Nothing in them is trusted before the signature is verified. */
export interface CompactJws {
  readonly header: ProtectedHeader
  /** The payload's bytes. */
  readonly payload: Buffer
}

/** The payload of a JWT (RFC 7519 section 4), before or after its claims are verified. */
export type ClaimsSet = Readonly<Record<string, unknown>>

const MAX_KID_LENGTH = 256
/** MongoDB stores 100 levels, and Extended JSON adds two to them, so custom data inside a token stays below this depth. */
const MAX_CLAIMS_DEPTH = 128

/**
 * Parses a compact JWS, more strictly than jsonwebtoken: three parts in canonical base64url (RFC 7515 2, RFC 8725bis
 * 3.14), a header in UTF-8 JSON, and no critical extensions (RFC 7515 4.1.11).
 * @throws `invalid_token`
 */
export function parseCompactJws(token: string): CompactJws {
  const parts = token.split('.')
  const [header, payload, signature] = parts
  // Five parts are a JWE. Anybody with the public key can encrypt one, so it proves nothing about its issuer.
  if (parts.length !== 3 || !header || payload === undefined || !signature) throw malformed()
  decodeBase64url(signature)
  return { header: parseProtectedHeader(header), payload: decodeBase64url(payload) }
}

/**
 * Parses a payload: a JSON object in UTF-8 (RFC 7519 7.2 step 10). Claims are frozen and compared by recursive functions, so
 * their depth is limited here.
 * @throws `invalid_token`
 */
export function parseClaimsSet(payload: Buffer): ClaimsSet {
  const claims = parseObject(payload)
  if (exceededLimit(claims, { depth: MAX_CLAIMS_DEPTH, members: Infinity })) throw malformed()
  return claims
}

/** The last well-formed header, parsed. All tokens of one key have the same header, so most are parsed only once. */
let latestHeader: { readonly part: string; readonly header: ProtectedHeader } | undefined

function parseProtectedHeader(part: string): ProtectedHeader {
  if (latestHeader?.part === part) return latestHeader.header
  const header = toProtectedHeader(parseObject(decodeBase64url(part)))
  // A new string, because V8 keeps the whole token in memory for a part of it.
  latestHeader = { part: Buffer.from(part).toString(), header }
  return header
}

function toProtectedHeader(header: Record<string, unknown>): ProtectedHeader {
  const { alg, typ, kid } = header
  if (Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) throw malformed()
  if (typeof alg !== 'string' || (typ !== undefined && typeof typ !== 'string')) throw malformed()
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > MAX_KID_LENGTH)) throw malformed()
  return Object.freeze({ alg, typ, kid })
}

function parseObject(bytes: Buffer): Record<string, unknown> {
  const value = parseJson(bytes)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed()
  return value as Record<string, unknown>
}

function parseJson(bytes: Buffer): unknown {
  // toString() would silently replace bytes that are not UTF-8 by U+FFFD.
  if (!isUtf8(bytes)) throw malformed()
  try {
    return JSON.parse(bytes.toString())
  } catch {
    // The cause is left out, because its message quotes the token.
    throw malformed()
  }
}

/** Each token has one spelling: padding, other characters and set bits after the last byte are refused. */
function decodeBase64url(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url')
  if (bytes.toString('base64url') !== part) throw malformed()
  return bytes
}

function malformed(): CustomUserDataError {
  return new CustomUserDataError('invalid_token', 'The access token is malformed.')
}
