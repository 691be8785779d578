import { isDate } from 'node:util/types'
import type { RevokedEvent } from '../audit-events.js'
import { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import type { BackgroundWork } from '../util/background-work.js'
import type { Clock } from '../util/clock.js'
import { describeForLog } from '../util/redaction.js'
import type { Revocations } from './revocations.js'
import type { EndedSession } from './session-document.js'
import { BATCH_SIZE } from './session-store.js'
import type { SessionStore } from './session-store.js'
import type { UserRecords } from './user-records.js'

interface UserSessionsParts {
  readonly store: Pick<SessionStore, 'endBatch' | 'deleteBatch'>
  readonly userRecords: UserRecords
  readonly revocations: Revocations
  readonly events: Events
  readonly clock: Clock
  readonly backgroundWork: BackgroundWork
}

/** Ends sessions that were stored no later than a time, and resolves to them; fewer than {@link BATCH_SIZE} are the last. */
type EndBatch = (until: Date) => Promise<EndedSession[]>

/** Ends all sessions of a user at once. */
export class UserSessions {
  readonly #accessTokenMs: number
  readonly #parts: UserSessionsParts

  /** @param accessTokenMs milliseconds that an access token may be valid, with the tolerance of clocks */
  constructor(accessTokenMs: number, parts: UserSessionsParts) {
    this.#accessTokenMs = accessTokenMs
    this.#parts = parts
  }

  /** Ends all sessions of a user, also those of logins in progress. A login that begins after it has resolved works. */
  revoke(userId: string, by: 'revoke' | 'logoutAll'): Promise<void> {
    const { store, userRecords } = this.#parts
    return this.#endAll({ userId, by }, userRecords.revoke(userId), until => store.endBatch(userId, until))
  }

  /** Ends all sessions like `revoke()`, and refuses the user's logins until `enable()`. */
  disable(userId: string): Promise<void> {
    const { store, userRecords, revocations } = this.#parts
    const event = { userId, by: 'disable' } as const
    revocations.noteDisabled(userId, true)
    return this.#endAll(event, userRecords.disable(userId), until => store.endBatch(userId, until))
  }

  /** Lets a disabled user log in again. */
  async enable(userId: string): Promise<void> {
    const { userRecords, revocations, events } = this.#parts
    await userRecords.enable(userId)
    revocations.noteDisabled(userId, false)
    events.emit('enabled', { userId })
  }

  /**
   * Ends all sessions like `revoke()`, and removes their documents afterwards. `onRemoved` is called then, unless this call
   * removed none.
   */
  delete(userId: string, onRemoved: () => void): Promise<void> {
    const { store, userRecords } = this.#parts
    const event = { userId, by: 'deleteSessions' } as const
    let allRemoved = 0
    const deleteBatch = async (until: Date) => {
      const { found, removed } = await store.deleteBatch(userId, until)
      allRemoved += removed
      if (found.length < BATCH_SIZE && allRemoved > 0) onRemoved()
      return found
    }
    return this.#endAll(event, userRecords.revoke(userId), deleteBatch)
  }

  /**
   * Ends all sessions like `revoke()`, and resolves when their documents are removed. Then nothing can refresh, so the
   * record of the revocation is only needed until the last access token has expired, which is after `tokenMs`. A failure
   * leaves the record as it is for other revocations.
   */
  async erase(
    userId: string,
    tokenMs: number,
  ): Promise<{ readonly sessions: number; readonly recordExpiresAt: Date }> {
    const { store, userRecords, revocations, events } = this.#parts
    const revokedAt = await userRecords.revoke(userId)
    revocations.revokeUser(userId, revokedAt)
    events.emit('revoked', { by: 'eraseUser', userId })
    const removed = await this.#endBatches(
      new Date(revokedAt),
      async until => (await store.deleteBatch(userId, until)).found,
      userId,
    )
    await userRecords.passed(userId, revokedAt)
    const recordExpiresAt = await userRecords.release(userId, revokedAt, tokenMs)
    revocations.noteDisabled(userId, false)
    return { sessions: removed, recordExpiresAt }
  }

  /**
   * The record ends all sessions by one write, however many there are: logins, refreshes and loads compare themselves with
   * it. The documents of the sessions follow in the background. The answer waits for the server's clock, so that a login
   * that begins after the answer is not refused.
   */
  async #endAll(event: RevokedEvent, revocation: Promise<number>, endBatch: EndBatch): Promise<void> {
    const { userId } = event
    const { userRecords, revocations, events, backgroundWork } = this.#parts
    const revokedAt = await revocation
    revocations.revokeUser(userId, revokedAt)
    // The sessions have ended, also if the wait below fails.
    events.emit('revoked', event)
    backgroundWork.start(() => this.#endDocuments(userId, new Date(revokedAt), endBatch))
    await userRecords.passed(userId, revokedAt)
  }

  async #endDocuments(userId: string, until: Date, endBatch: EndBatch): Promise<void> {
    const { events } = this.#parts
    try {
      await this.#endBatches(until, endBatch, userId)
    } catch (error) {
      const message =
        'All sessions of the user have ended, but their documents could not be changed. They stay until they expire, or ' +
        `until you call the function again: ${describeForLog(error)}`
      events.warn({ code: 'session_not_removed', message, userId })
    }
  }

  /** Resolves to the number of sessions. */
  async #endBatches(until: Date, endBatch: EndBatch, userId: string): Promise<number> {
    const { revocations, clock, backgroundWork } = this.#parts
    for (let all = 0; ;) {
      if (backgroundWork.mustEnd) throw new CustomUserDataError('closed', 'The instance was closed before.')
      const batch = await endBatch(until)
      all += batch.length
      const since = clock.now() - this.#accessTokenMs
      // The access tokens of other sessions have expired, and remembering many sessions takes memory.
      const recent = batch.filter(({ lastUsedAt }) => !isDate(lastUsedAt) || lastUsedAt.getTime() >= since)
      for (const { _id: sid } of recent) revocations.revokeSession(sid, userId)
      if (batch.length < BATCH_SIZE) return all
    }
  }
}
