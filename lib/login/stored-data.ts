import type { UserSessions } from '../sessions/user-sessions.js'
import type { StoredSession } from '../sessions/stored-sessions.js'
import type { StoredRecord, UserRecords } from '../sessions/user-records.js'
import type { AttemptStore, StoredAttempts } from './attempt-store.js'
import type { AllLoginDigests } from './login-digests.js'

/** Options of `storedAbout()` and `eraseUser()`. */
export interface StoredDataOptions {
  /**
   * The names with which the user logs in. Failed logins are counted by these names, and not by the user's id.
   * @default [], which neither lists nor erases failed logins
   */
  readonly accounts?: readonly string[] | undefined
}

/** The failed logins of one account, as they are counted. */
export interface StoredFailedLogins extends StoredAttempts {
  /** The name that was given. Only a keyed digest of it is stored. */
  readonly account: string
}

/** What is stored of a user in the collections of this package. */
export interface StoredData {
  /** All sessions of the user, alive and ended, newest first. */
  readonly sessions: readonly StoredSession[]
  /** The record of a revocation; `null` without one. It is stored with the user's id. */
  readonly record: StoredRecord | null
  /** The failed logins and known addresses of the accounts that were given and have any. */
  readonly failedLogins: readonly StoredFailedLogins[]
}

/** The result of `eraseUser()`. */
export interface ErasedUser {
  /** How many sessions were removed, alive or ended. */
  readonly sessions: number
  /** How many of the accounts that were given had failed logins or known addresses. */
  readonly failedLogins: number
  /**
   * When MongoDB removes the record of the revocation, which holds the user's id and two times. Until then it refuses access
   * tokens from before.
   */
  readonly recordExpiresAt: Date
}

interface StoredDataParts {
  readonly listSessions: (userId: string) => Promise<StoredSession[]>
  readonly userSessions: Pick<UserSessions, 'erase'>
  readonly userRecords: Pick<UserRecords, 'describe'>
  readonly attempts: Pick<AttemptStore, 'describeAccount' | 'removeAccount'>
  /** One for each session secret. */
  readonly digests: AllLoginDigests
}

/** Lists and erases everything that this package stores of a user. The document of custom data belongs to the team. */
export function createStoredData({
  listSessions,
  userSessions,
  userRecords,
  attempts,
  digests,
}: StoredDataParts) {
  async function describeAccount(account: string): Promise<StoredFailedLogins[]> {
    const found = await Promise.all(
      digests().map(digest => attempts.describeAccount(digest.account(account))),
    )
    const stored = found.filter(counts => counts !== undefined)
    if (stored.length === 0) return []
    // While a secret is being replaced, some processes count under one secret alone. So each count has the most of something.
    return [
      {
        account,
        failures: Math.max(...stored.map(({ failures }) => failures)),
        knownAddresses: Math.max(...stored.map(({ knownAddresses }) => knownAddresses)),
        expiresAt: new Date(Math.max(...stored.map(({ expiresAt }) => expiresAt.getTime()))),
      },
    ]
  }

  async function removeAccount(account: string): Promise<boolean> {
    const removed = await Promise.all(
      digests().map(digest => attempts.removeAccount(digest.account(account))),
    )
    return removed.includes(true)
  }

  return {
    async list(userId: string, accounts: readonly string[]): Promise<StoredData> {
      const [stored, record, failedLogins] = await Promise.all([
        listSessions(userId),
        userRecords.describe(userId),
        Promise.all(accounts.map(describeAccount)),
      ])
      return { sessions: stored, record: record ?? null, failedLogins: failedLogins.flat() }
    },
    /** @param tokenMs how long an access token of the user may live, in milliseconds */
    async erase(userId: string, accounts: readonly string[], tokenMs: number): Promise<ErasedUser> {
      const erased = await userSessions.erase(userId, tokenMs)
      // A login in progress counts its attempt, so the counts are removed after all logins from before have ended.
      const removed = await Promise.all(accounts.map(removeAccount))
      return { ...erased, failedLogins: removed.filter(isRemoved => isRemoved).length }
    },
  }
}
