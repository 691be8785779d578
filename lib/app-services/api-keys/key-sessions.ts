import type { CustomUserData } from '../../index.js'
import type { ApiKeyStore, StoredApiKey } from './api-key-store.js'

interface KeySessionsParts {
  readonly store: ApiKeyStore
  readonly userData: Pick<CustomUserData<object>, 'revoke'>
}

/** How many sessions are ended at the same time, so that other requests get connections too. */
const BATCH = 20

/**
 * The sessions that began with API keys. They end with their key: at once in the process that ends them, and in others as
 * the instance notices the end of a session, with the next refresh at the latest.
 */
export class KeySessions {
  readonly #parts: KeySessionsParts

  constructor(parts: KeySessionsParts) {
    this.#parts = parts
  }

  /** Notes a session that has begun. Resolves to `false` if its key was disabled or removed meanwhile: then it has ended. */
  async begin(key: StoredApiKey, sid: string): Promise<boolean> {
    const replaced = await this.#parts.store.addSession(key, sid)
    await this.#revoke(replaced ?? [sid])
    return replaced !== undefined
  }

  /** Whether a session may be refreshed. A session that may not has ended. */
  async mayGoOn(userId: string, sid: string): Promise<boolean> {
    const mayGoOn = await this.#parts.store.hasSession(userId, sid)
    if (!mayGoOn) await this.#revoke([sid])
    return mayGoOn
  }

  /** Forgets a session after its logout. */
  forget(userId: string, sid: string): Promise<void> {
    return this.#parts.store.forgetSessions(userId, [sid])
  }

  /** Ends the sessions of a key that was disabled. A disabled key gets no further ones. */
  async endAll({ userId, sessions }: StoredApiKey): Promise<void> {
    await this.#revoke(sessions)
    // They are forgotten last, so that a repeated call ends the sessions that a failed one has left.
    if (sessions.length > 0) await this.#parts.store.forgetSessions(userId, sessions)
  }

  async #revoke(sids: readonly string[]): Promise<void> {
    for (let start = 0; start < sids.length; start += BATCH) {
      const batch = sids.slice(start, start + BATCH)
      await Promise.all(batch.map(sid => this.#parts.userData.revoke({ sid })))
    }
  }
}
