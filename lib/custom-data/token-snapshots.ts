import { hash } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { AccessTokenClaims } from '../types.js'
import type { DocumentCodec } from './document-codec.js'
import { toFrozenCopy } from './frozen-copy.js'
import { createInvalidationTimes } from './invalidation-times.js'
import type { LoadedDocument } from './loader.js'
import type { Snapshot } from './snapshot-cache.js'

/** What is to be known of the instance. */
export interface TokenSnapshotsConfig {
  /** Whose tokens are believed: our own. */
  readonly issuer: string
  readonly snapshotTtlMs: number
  readonly clockToleranceMs: number
  readonly requireDocument: boolean
  /** Whether tokens hold what clients may see, which is not what handlers are to get. */
  readonly forClientsOnly: boolean
  /** What the document depends on: of another collection, or under another projection, it is another. */
  readonly source: unknown
}

/** A document that a token brought along. */
export interface BroughtDocument {
  readonly document: LoadedDocument
  /** When it was read, in monotonic milliseconds. */
  readonly loadedAt: number
}

/** Custom data on its way into our access tokens, and back out of them. */
export interface TokenSnapshots {
  /** The claims that carry a snapshot; `undefined` where no Extended JSON says it. */
  toClaims: (snapshot: Snapshot) => Readonly<Record<string, unknown>> | undefined
  /** The document in a verified token, where it may be served; else the database is to be read. */
  read: (userId: string, claims: AccessTokenClaims) => Promise<BroughtDocument | undefined>
  /** The claims as handlers get them: they have `customData`, and its memory is to be paid once. */
  withoutUserData: (claims: AccessTokenClaims) => AccessTokenClaims
  /** Voids what tokens hold of a user, as far as it was read before now. */
  invalidate: (userId: string) => void
  /** Voids what tokens hold of anybody, as far as it was read before now. */
  invalidateAll: () => void
}

/** When and from where the document was read. There without `user_data`: the user had none. */
interface ReadClaim {
  /** Wall-clock milliseconds. `iat` is later, by the time that a login takes. */
  readonly at: number
  readonly from: string
}

const DATA = 'user_data'
const READ = 'user_data_read'

/** Creates the way in and out of tokens for one instance. */
export function createTokenSnapshots(
  config: TokenSnapshotsConfig,
  codec: DocumentCodec,
  clock: Clock,
): TokenSnapshots {
  const { snapshotTtlMs, clockToleranceMs } = config
  const invalidations = createInvalidationTimes(clock)
  const from = hash('sha256', JSON.stringify(config.source), 'base64url').slice(0, 8)

  /** Clocks differ: within the tolerance nobody can tell which was first, the reading or the invalidation. */
  function isServed(userId: string, claims: AccessTokenClaims, readAt: number): boolean {
    const ageMs = clock.now() - Math.min(readAt, (claims.iat ?? 0) * 1000)
    const isYoung = ageMs >= -clockToleranceMs && ageMs < snapshotTtlMs
    return isYoung && !invalidations.isVoid(userId, clock.now() - readAt + clockToleranceMs)
  }

  async function decode(claims: AccessTokenClaims): Promise<LoadedDocument | undefined> {
    const json = claims[DATA]
    if (json === undefined && config.requireDocument) return undefined
    const data = json === undefined ? {} : await codec.decode(json)
    if (!data) return undefined
    const documentId = (data as { _id?: unknown })._id
    const size = JSON.stringify(json ?? {}).length
    return { data: toFrozenCopy(data), exists: json !== undefined, documentId, size }
  }

  return {
    toClaims({ exists, encoded, loadedAt }) {
      // Without the other claim no instance takes a part for the whole, whatever its own options say.
      if (config.forClientsOnly) return exists ? encoded && { [DATA]: encoded.json } : {}
      const read: ReadClaim = { at: Math.floor(clock.now() - (clock.monotonic() - loadedAt)), from }
      if (!exists) return { [READ]: read }
      return encoded && { [DATA]: encoded.json, [READ]: read }
    },
    async read(userId, claims) {
      const read = claims[READ]
      if (claims.iss !== config.issuer || !isReadClaim(read)) return undefined
      if (read.from !== from || !isServed(userId, claims, read.at)) return undefined
      const document = await decode(claims)
      const ageMs = Math.max(0, clock.now() - read.at)
      return document && { document, loadedAt: clock.monotonic() - ageMs }
    },
    withoutUserData(claims) {
      if (claims.iss !== config.issuer) return claims
      const others = Object.entries(claims).filter(([claim]) => claim !== DATA && claim !== READ)
      return Object.fromEntries(others) as AccessTokenClaims
    },
    invalidate: invalidations.add,
    invalidateAll: invalidations.addAll,
  }
}

function isReadClaim(value: unknown): value is ReadClaim {
  if (typeof value !== 'object' || value === null) return false
  const { at, from } = value as Partial<ReadClaim>
  return typeof at === 'number' && typeof from === 'string'
}
