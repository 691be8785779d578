import type { Document } from 'mongodb'
import { withDeadline } from '../util/deadline.js'
import type { Events } from '../events.js'
import { toExactOperations } from '../mongo/exact-operations.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import { isOutdatedHash, rehashPassword } from './argon2.js'
import { isArgon2Hash } from './hash-kinds.js'

interface HashUpgradeParts {
  /** The database of the users collection. */
  readonly database: TeamDatabase
  /** The field of the document that holds the hash. */
  readonly hashField: string
  /** Milliseconds that the write may take. */
  readonly timeoutMs: number
  readonly events: Events
}

/** A user who gave the right password, with the document that holds the hash. */
interface LoggedIn {
  readonly id: string
  readonly document: Document
}

/** Milliseconds that a new hash may wait for its turn among the logins. */
const HASH_TIMEOUT_MS = 5_000

/**
 * Creates the function that replaces a weak hash, or a hash of another kind, by a hash of today (NIST SP 800-63B 3.1.1.2). It
 * never rejects: an error is a warning, and the next login tries again.
 */
export function createHashUpgrade(
  parts: HashUpgradeParts,
): (user: LoggedIn, password: string) => Promise<void> {
  const { database, hashField, timeoutMs, events } = parts

  /** Writes only if the old hash is still there, so that a password that was changed meanwhile stays changed. */
  async function replace({ _id }: Document, old: string, hash: string): Promise<void> {
    await withDeadline(timeoutMs, async signal =>
      (await database.collection()).updateOne(
        { _id: { $eq: _id as never }, [hashField]: { $eq: old } },
        { $set: { [hashField]: hash } },
        toExactOperations(timeoutMs, signal).write,
      ),
    )
  }

  return async ({ id, document }, password) => {
    const old = document[hashField] as string
    try {
      if (isArgon2Hash(old) && !isOutdatedHash(old)) return
      const hash = await withDeadline(HASH_TIMEOUT_MS, signal => rehashPassword(password, signal))
      await replace(document, old, hash)
    } catch (error) {
      const message = `The weak "${hashField}" of a user could not be replaced: ${nameOf(error)}.`
      events.warn({ code: 'password_hash_not_upgraded', message, userId: id })
    }
  }
}

/** Only the name and the number of an error, because the message of a server quotes the command with the hash. */
function nameOf(error: unknown): string {
  const { name, code } = error as { readonly name?: string; readonly code?: string | number }
  return [name, code].filter(part => part !== undefined).join(' ')
}
