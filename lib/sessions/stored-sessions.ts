import type { Events } from '../events.js'
import { MARK } from '../mongo/own-collection.js'
import { SessionCollection } from './session-collection.js'
import type { OpenSessions } from './session-collection.js'
import type { SessionScope } from './session-scope.js'
import type { SessionDocument, SessionOrigin } from './session-document.js'

/** A session as it is stored, alive or ended, without the hashes of its tokens. */
export interface StoredSession extends SessionOrigin {
  /** The session's id. */
  readonly sid: string
  /** The `client_id` of its tokens. */
  readonly clientId: string
  /** The time of the login. */
  readonly createdAt: Date
  /** The time of the last refresh, or of the login. */
  readonly lastUsedAt: Date
  /** When the session was ended; `null` if it ends by itself. */
  readonly endedAt: Date | null
  /** When MongoDB removes the document at the latest, up to a minute later. */
  readonly expiresAt: Date
}

type StoredMembers = Pick<
  SessionDocument,
  '_id' | 'clientId' | 'createdAt' | 'lastUsedAt' | 'revokedAt' | 'expiresAt' | 'device' | 'address'
>

const STORED = {
  clientId: 1,
  createdAt: 1,
  lastUsedAt: 1,
  revokedAt: 1,
  expiresAt: 1,
  device: 1,
  address: 1,
} as const

/** Creates the function that lists all sessions of a user that are stored for this issuer, newest first. */
export function createStoredSessions(
  { issuer, sessionTimeoutMs }: Pick<SessionScope, 'issuer'> & { readonly sessionTimeoutMs: number },
  openCollection: OpenSessions<SessionDocument>,
  events: Events,
) {
  const collection = new SessionCollection('session', sessionTimeoutMs, openCollection, events)
  return (userId: string): Promise<StoredSession[]> =>
    collection.read(async (sessions, { read }) => {
      const filter = { [MARK]: 'session', issuer: { $eq: issuer }, userId: { $eq: userId } } as const
      const options = { ...read, sort: { createdAt: -1 }, projection: STORED } as const
      const found = await sessions.find<StoredMembers>(filter, options).toArray()
      return found.map(toStoredSession)
    })
}

function toStoredSession({ _id: sid, revokedAt, ...session }: StoredMembers): StoredSession {
  const { clientId, createdAt, lastUsedAt, expiresAt, device, address } = session
  return { sid, clientId, createdAt, lastUsedAt, endedAt: revokedAt, expiresAt, device, address }
}
