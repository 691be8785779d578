import { hash } from 'node:crypto'
import type { Clock } from '../clock.js'
import { withDeadline } from '../deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { AccessTokenClaims } from '../types.js'
import { toChangeKeys, toDocumentKey, toUserKey } from './bson-key.js'
import type { DocumentCodec } from './document-codec.js'
import { toFrozenCopy } from './frozen-copy.js'
import { estimateHeapBytes } from './heap-size.js'
import { createInvalidationTimes } from './invalidation-times.js'
import type { LoadedDocument } from './loader.js'
import type { Snapshot } from './snapshot-cache.js'
import type { UserDocuments } from './user-documents.js'

/** What is to be known of the instance. */
export interface TokenSnapshotsConfig {
  /** Whose tokens are believed: our own. */
  readonly issuer: string
  readonly snapshotTtlMs: number
  readonly clockToleranceMs: number
  readonly requireDocument: boolean
  readonly loadTimeoutMs: number
  /** Whether tokens hold what clients may see, which is not what handlers are to get. */
  readonly forClientsOnly: boolean
  /** What the document depends on: of another collection, or under another projection, it is another. */
  readonly source: unknown
}

/** A document that a token brought along. */
export interface BroughtDocument {
  readonly document: LoadedDocument
  /** The values of the user id field that it would be looked for by. */
  readonly userIdValues: readonly unknown[]
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
  /** Voids what tokens hold of a document that has changed, and of the user whose it is now. */
  changed: (documentId: unknown, userIdValue: unknown) => void
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

/** What the way in and out of tokens works with. */
export interface TokenSnapshotsParts {
  readonly codec: DocumentCodec
  readonly documents: Pick<UserDocuments, 'values'>
  readonly clock: Clock
}

/** Creates the way in and out of tokens for one instance. */
export function createTokenSnapshots(
  config: TokenSnapshotsConfig,
  { codec, documents, clock }: TokenSnapshotsParts,
): TokenSnapshots {
  const { snapshotTtlMs, clockToleranceMs } = config
  const invalidations = createInvalidationTimes(clock)
  const from = hash('sha256', JSON.stringify(config.source), 'base64url').slice(0, 8)

  function isYoung(claims: AccessTokenClaims, readAt: number): boolean {
    const ageMs = clock.now() - Math.min(readAt, (claims.iat ?? 0) * 1000)
    return ageMs >= -clockToleranceMs && ageMs < snapshotTtlMs
  }

  /** Clocks differ: within the tolerance nobody can tell which was first, the reading or the invalidation. */
  function isVoid(keys: readonly string[], readAt: number): boolean {
    return keys.some(key => invalidations.isVoid(key, clock.now() - readAt + clockToleranceMs))
  }

  function valuesOf(userId: string): Promise<readonly unknown[]> {
    return withDeadline(config.loadTimeoutMs, signal => documents.values(userId, signal)).catch(
      (cause: unknown) => {
        // To read the document now would be to wait for the same MongoDB once more.
        const message = 'Custom data could not be loaded in time.'
        throw (
          asCustomUserDataError(cause) ??
          new CustomUserDataError('custom_data_unavailable', message, { cause })
        )
      },
    )
  }

  async function decode(claims: AccessTokenClaims): Promise<LoadedDocument | undefined> {
    const json = claims[DATA]
    if (json === undefined && config.requireDocument) return undefined
    const data = json === undefined ? {} : await codec.decode(json)
    if (!data) return undefined
    const documentId = (data as { _id?: unknown })._id
    const heapBytes = estimateHeapBytes(data)
    return { data: toFrozenCopy(data), exists: json !== undefined, documentId, heapBytes }
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
      if (read.from !== from || !isYoung(claims, read.at)) return undefined
      const document = await decode(claims)
      if (!document) return undefined
      const userIdValues = await valuesOf(userId)
      const keys = [
        toInvalidationKey(userId),
        ...userIdValues.map(toUserKey),
        toDocumentKey(document.documentId),
      ]
      if (isVoid(keys, read.at)) return undefined
      const ageMs = Math.max(0, clock.now() - read.at)
      return { document, userIdValues, loadedAt: clock.monotonic() - ageMs }
    },
    withoutUserData(claims) {
      if (claims.iss !== config.issuer || !(DATA in claims || READ in claims)) return claims
      const others = Object.entries(claims).filter(([claim]) => claim !== DATA && claim !== READ)
      return Object.fromEntries(others) as AccessTokenClaims
    },
    invalidate(userId) {
      invalidations.add(toInvalidationKey(userId))
    },
    changed(documentId, userIdValue) {
      const keys = toChangeKeys(documentId, userIdValue)
      if (keys) keys.forEach(invalidations.add)
      else invalidations.addAll()
    },
    invalidateAll: invalidations.addAll,
  }
}

/** As no key of a change is. */
function toInvalidationKey(userId: string): string {
  return `invalidated ${userId}`
}

function isReadClaim(value: unknown): value is ReadClaim {
  if (typeof value !== 'object' || value === null) return false
  const { at, from } = value as Partial<ReadClaim>
  return typeof at === 'number' && typeof from === 'string'
}
