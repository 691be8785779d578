import { isUtf8 } from 'node:buffer'
import { CustomUserDataError } from '../errors.js'

/** What is read of a token's protected header (RFC 7515 section 4.1). Other members are never followed. */
export interface ProtectedHeader {
  readonly alg: string
  readonly typ: string | undefined
  readonly kid: string | undefined
}

/** A token taken apart. Nothing in it is trusted before its signature is verified. */
export interface CompactJws {
  readonly header: ProtectedHeader
  /** The payload's bytes. */
  readonly payload: Buffer
}

/** The payload of a JWT (RFC 7519 section 4), before or after its claims are verified. */
export type ClaimsSet = Readonly<Record<string, unknown>>

const MAX_KID_LENGTH = 256

/**
 * Takes a compact JWS apart, more strictly than jsonwebtoken does: three parts of canonical base64url (RFC 7515 2;
 * RFC 8725bis 3.14), a header in UTF-8 JSON, no critical extensions (RFC 7515 4.1.11). Throws `invalid_token`.
 */
export function parseCompactJws(token: string): CompactJws {
  const parts = token.split('.')
  const [header, payload, signature] = parts
  // Five parts would be a JWE: refused before anything is decoded, since decrypting is not trusting.
  if (parts.length !== 3 || !header || payload === undefined || !signature) throw malformed()
  decodeBase64url(signature)
  return { header: parseProtectedHeader(header), payload: decodeBase64url(payload) }
}

/** The claims in a payload: a JSON object in UTF-8 (RFC 7519 7.2 step 10). Throws `invalid_token`. */
export function parseClaimsSet(payload: Buffer): ClaimsSet {
  return parseObject(payload)
}

/** The last header that was well-formed, and its text: the tokens of one key have the same. It says nothing of trust. */
let latestHeader: { readonly part: string; readonly header: ProtectedHeader } | undefined

function parseProtectedHeader(part: string): ProtectedHeader {
  if (latestHeader?.part === part) return latestHeader.header
  const header = toProtectedHeader(parseObject(decodeBase64url(part)))
  // A copy: V8 keeps the whole token for a part of it.
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
  // toString() would silently put U+FFFD for bytes that are not UTF-8.
  if (!isUtf8(bytes)) throw malformed()
  try {
    return JSON.parse(bytes.toString())
  } catch {
    // Without the cause: its message quotes the token.
    throw malformed()
  }
}

/** One token, one spelling: padding, foreign characters and set trailing bits are refused. */
function decodeBase64url(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url')
  if (bytes.toString('base64url') !== part) throw malformed()
  return bytes
}

function malformed(): CustomUserDataError {
  return new CustomUserDataError('invalid_token', 'The access token is malformed.')
}
