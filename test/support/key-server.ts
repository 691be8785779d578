import { generateKeyPairSync, sign } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'
import type { RequestListener } from 'node:http'
import type { TrustedIssuer } from 'express-custom-user-data'
import { serve } from './http-server.js'
import type { TestServer } from './http-server.js'
import { AUDIENCE, validClaims } from './user-data.js'

/** A key pair of another issuer, for ES256. */
export interface TestKey {
  readonly kid: string
  /** The public key as the issuer publishes it. */
  readonly jwk: JsonWebKey
  readonly privateJwk: JsonWebKey
  /** Signs claims. Members of the header can be replaced. */
  sign: (claims: unknown, header?: Record<string, unknown>) => string
}

/** Makes a key pair. */
export function createTestKey(kid = 'key-1'): TestKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const described = { kid, alg: 'ES256', use: 'sig' }
  return {
    kid,
    jwk: { ...publicKey.export({ format: 'jwk' }), ...described },
    privateJwk: { ...privateKey.export({ format: 'jwk' }), ...described },
    sign(claims, header = {}) {
      const input = `${encode({ alg: 'ES256', typ: 'at+jwt', kid, ...header })}.${encode(claims)}`
      const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
      return `${input}.${signature.toString('base64url')}`
    },
  }
}

/** A server on loopback that publishes keys, or answers as a test says, and records the requests. */
export interface KeyServer extends TestServer {
  readonly jwksUri: string
  /** The requested paths, oldest first. */
  readonly hits: string[]
  /** Answers every request with a set of these keys. */
  publish: (...keys: readonly object[]) => void
  /** Answers every request with this handler. */
  answerBy: (handle: RequestListener) => void
}

/** Starts the server, which publishes no keys at first. */
export async function startKeyServer(...keys: readonly object[]): Promise<KeyServer> {
  const hits: string[] = []
  let handle = answerJson({ keys })
  const server = await serve((req, res) => {
    hits.push(req.url ?? '')
    handle(req, res)
  })
  return {
    ...server,
    jwksUri: `${server.origin}/jwks.json`,
    hits,
    publish: (...published) => (handle = answerJson({ keys: published })),
    answerBy: next => (handle = next),
  }
}

/** Answers with a value as JSON. */
export function answerJson(value: unknown): RequestListener {
  return (_req, res) => {
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify(value))
  }
}

/** An issuer with a key server, and the key that it publishes. */
export interface TestIssuer {
  readonly server: KeyServer
  readonly key: TestKey
  /** The issuer as an option; members can be replaced. */
  option: (changes?: Partial<TrustedIssuer>) => TrustedIssuer
  /** A token of this issuer, signed by its key unless another is given. */
  token: (claims?: Record<string, unknown>, key?: TestKey) => string
}

/** Starts an issuer named by the address of its own key server. */
export async function startIssuer(key: TestKey = createTestKey()): Promise<TestIssuer> {
  const server = await startKeyServer(key.jwk)
  const { origin: issuer, jwksUri } = server
  return {
    server,
    key,
    option: changes => ({ issuer, audience: AUDIENCE, algorithms: ['ES256'], jwksUri, ...changes }),
    token: (claims = {}, signedBy = key) => signedBy.sign({ ...validClaims(), iss: issuer, ...claims }),
  }
}

function encode(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
