import { hash } from 'node:crypto'
import { elapsedMs } from '../util/clock.js'
import type { Clock, Moment } from '../util/clock.js'
import { withDeadline } from '../util/deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { AccessTokenClaims } from '../types.js'
import { toChangeKeys, toDocumentKey, toUserKey } from '../snapshots/change-key.js'
import { maxBsonBytes } from './bson-size.js'
import type { DocumentCodec } from './document-codec.js'
import { toExactText } from './exact-text.js'
import { toFrozenCopy } from '../documents/frozen-copy.js'
import { estimateHeapBytes } from '../documents/heap-size.js'
import { createInvalidationTimes } from './invalidation-times.js'
import type { InvalidationTimes } from './invalidation-times.js'
import type { LoadedDocument } from '../documents/loader.js'
import type { Snapshot } from '../snapshots/snapshot-cache.js'
import type { UserDocuments } from '../documents/user-documents.js'

/** The settings that decide whether custom data inside a token may be served. */
export interface ClaimSnapshotsConfig {
  /** The issuer whose tokens may hold custom data: this instance. */
  readonly issuer: string
  readonly snapshotTtlMs: number
  readonly clockToleranceMs: number
  readonly requireDocument: boolean
  readonly loadTimeoutMs: number
  /** Whether tokens hold only the fields that clients may see. Handlers do not get these. */
  readonly forClientsOnly: boolean
  /** BSON bytes. */
  readonly maxDocumentBytes: number
  readonly userIdField: string
  /** Whether change events tell which documents have changed. */
  readonly followsChanges: boolean
  readonly projection?: Readonly<Record<string, unknown>> | undefined
}

/** A document from a claim of a token. */
export interface ClaimDocument {
  readonly document: LoadedDocument
  /** The values of the user id field that a load would search for. */
  readonly userIdValues: readonly unknown[]
  /** When it was read. */
  readonly loadedAt: Moment
}

/** When and from where the document was read. A token with this claim and no `user_data` is of a user without a document. */
interface ReadClaim {
  /** Wall-clock milliseconds. `iat` is later, by the time that a login takes. */
  readonly at: number
  /** A digest of the settings that decide which document is the user's, and which part of it handlers get. */
  readonly from: string
}

const DATA = 'user_data'
const READ = 'user_data_read'
/** Length of the digest of a source, in characters of base64url: 96 bits, so that sources do not collide by chance. */
const SOURCE_LENGTH = 16

/** The parts that locate a user's document, and that tell whether data inside a token may be current. */
export interface ClaimSnapshotsParts {
  readonly codec: Pick<DocumentCodec, 'decode'>
  readonly documents: Pick<UserDocuments, 'values'>
  /** The database and the collection; `undefined` while the team's connection does not know its database. */
  readonly namespace: () => string | undefined
  /** Whether this instance follows changes and revocations now, or the team has chosen not to follow them. */
  readonly isUpToDate: () => boolean
  /** Whether the session of a verified token must be read before the token is served. */
  readonly mayBeRevoked: (userId: string, claims: AccessTokenClaims) => boolean
  readonly clock: Clock
}

/** Puts custom data into access tokens, and reads it from them. */
export class ClaimSnapshots {
  readonly #config: ClaimSnapshotsConfig
  readonly #parts: ClaimSnapshotsParts
  readonly #invalidations: InvalidationTimes

  constructor(config: ClaimSnapshotsConfig, parts: ClaimSnapshotsParts) {
    this.#config = config
    this.#parts = parts
    this.#invalidations = createInvalidationTimes(parts.clock)
  }

  /** The claims that carry a snapshot; `undefined` if Extended JSON cannot express it, or if its source has no digest. */
  toClaims(snapshot: Snapshot): Readonly<Record<string, unknown>> | undefined {
    const { exists, encoded, loadedAt, userIdValues } = snapshot
    // Without the other claim no instance takes these fields for the whole document, whatever its options are.
    if (this.#config.forClientsOnly) return exists ? encoded && { [DATA]: encoded.json } : {}
    const from = this.#sourceOf(userIdValues)
    if (from === undefined) return undefined
    const { clock } = this.#parts
    const read: ReadClaim = { at: Math.floor(clock.now() - elapsedMs(clock, loadedAt)), from }
    if (!exists) return { [READ]: read }
    return encoded && { [DATA]: encoded.json, [READ]: read }
  }

  /** The document in a verified token; `undefined` if it may not be served, so that the database must be read. */
  async read(userId: string, claims: AccessTokenClaims): Promise<ClaimDocument | undefined> {
    const read = claims[READ]
    if (claims.iss !== this.#config.issuer || !isReadClaim(read)) return undefined
    const { clock, isUpToDate, mayBeRevoked } = this.#parts
    if (!isUpToDate() || !this.#hasFreshData(claims, read.at) || mayBeRevoked(userId, claims))
      return undefined
    const userIdValues = await this.#valuesOf(userId)
    if (read.from !== this.#sourceOf(userIdValues)) return undefined
    const document = await this.#decode(claims)
    // The stream may have broken while the document was decoded.
    if (!document || !isUpToDate()) return undefined
    // An event names the document by its `_id`. Data without it could not be dropped when the document changes.
    if (this.#config.followsChanges && document.exists && document.documentId === undefined) return undefined
    const keys = [
      toInvalidationKey(userId),
      ...userIdValues.map(toUserKey),
      toDocumentKey(document.documentId),
    ]
    if (this.#isInvalidated(keys, read.at)) return undefined
    const ageMs = Math.max(0, clock.now() - read.at)
    const loadedAt = { wall: clock.now() - ageMs, monotonic: clock.monotonic() - ageMs }
    return { document, userIdValues, loadedAt }
  }

  /** The claims without the custom data, which handlers have as `customData`, so that it is in memory once. */
  withoutUserData(claims: AccessTokenClaims): AccessTokenClaims {
    if (claims.iss !== this.#config.issuer || !(DATA in claims || READ in claims)) return claims
    const others = Object.entries(claims).filter(([claim]) => claim !== DATA && claim !== READ)
    return Object.fromEntries(others) as AccessTokenClaims
  }

  /** Invalidates the data of a user in tokens that was read before now. */
  invalidate(userId: string): void {
    this.#invalidations.add(toInvalidationKey(userId))
  }

  /** Invalidates the data in tokens of a changed document, and of the user who has the document now. */
  changed(documentId: unknown, userIdValue: unknown): void {
    const keys = toChangeKeys(documentId, userIdValue)
    if (keys) keys.forEach(this.#invalidations.add)
    else this.#invalidations.addAll()
  }

  /** Invalidates all data in tokens that was read before now. */
  invalidateAll(): void {
    this.#invalidations.addAll()
  }

  /**
   * The digest of the source of a user's document; `undefined` if the source has no exact text. The source includes the
   * values that are searched for: a token from before a correction of `toFieldValues` may hold another user's document.
   */
  #sourceOf(userIdValues: readonly unknown[]): string | undefined {
    const { userIdField, projection = null } = this.#config
    const text = toExactText([this.#parts.namespace(), userIdField, projection, userIdValues])
    return text === undefined ? undefined : hash('sha256', text, 'base64url').slice(0, SOURCE_LENGTH)
  }

  #hasFreshData(claims: AccessTokenClaims, readAt: number): boolean {
    const { clockToleranceMs, snapshotTtlMs } = this.#config
    const ageMs = this.#parts.clock.now() - Math.min(readAt, (claims.iat ?? 0) * 1000)
    return ageMs >= -clockToleranceMs && ageMs < snapshotTtlMs
  }

  /** Clocks differ. Within the tolerance the order of read and invalidation is unknown, so the data counts as invalidated. */
  #isInvalidated(keys: readonly string[], readAt: number): boolean {
    const ageMs = this.#parts.clock.now() - readAt + this.#config.clockToleranceMs
    return keys.some(key => this.#invalidations.isInvalidated(key, ageMs))
  }

  async #valuesOf(userId: string): Promise<readonly unknown[]> {
    const { documents } = this.#parts
    try {
      return await withDeadline(this.#config.loadTimeoutMs, signal => documents.values(userId, signal))
    } catch (cause) {
      // A read of the document would wait for the same MongoDB once more.
      const message = 'Custom data could not be loaded in time.'
      throw (
        asCustomUserDataError(cause) ?? new CustomUserDataError('custom_data_unavailable', message, { cause })
      )
    }
  }

  async #decode(claims: AccessTokenClaims): Promise<LoadedDocument | undefined> {
    const json = claims[DATA]
    if (json === undefined && this.#config.requireDocument) return undefined
    // The load that follows reports that the document is too large.
    if (json !== undefined && maxBsonBytes(json) > this.#config.maxDocumentBytes) return undefined
    const data = json === undefined ? {} : await this.#parts.codec.decode(json)
    if (!data) return undefined
    const documentId = (data as { _id?: unknown })._id
    const heapBytes = estimateHeapBytes(data)
    return { data: toFrozenCopy(data), exists: json !== undefined, documentId, heapBytes }
  }
}

/** No key of a change event begins like this. */
function toInvalidationKey(userId: string): string {
  return `invalidated ${userId}`
}

function isReadClaim(value: unknown): value is ReadClaim {
  if (typeof value !== 'object' || value === null) return false
  const { at, from } = value as Partial<ReadClaim>
  return typeof at === 'number' && typeof from === 'string'
}
