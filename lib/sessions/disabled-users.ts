import type { Collection } from 'mongodb'
import type { Clock } from '../clock.js'
import { withDeadline } from '../deadline.js'
import { CustomUserDataError } from '../errors.js'
import { toExactOperations } from '../mongo/exact-operations.js'
import type { ExactOperations } from '../mongo/exact-operations.js'
import type { DisabledUserDocument } from './session-document.js'

/** Users who may not log in, for every process. Rejects with `sessions_unavailable` where MongoDB is away. */
export interface DisabledUsers {
  add: (userId: string) => Promise<void>
  remove: (userId: string) => Promise<void>
  has: (userId: string) => Promise<boolean>
}

/** Creates the list, kept in the collection of the sessions. */
export function createDisabledUsers(
  timeoutMs: number,
  openCollection: () => Promise<Collection<DisabledUserDocument>>,
  clock: Clock,
): DisabledUsers {
  async function run<T>(
    operation: (users: Collection<DisabledUserDocument>, options: ExactOperations) => Promise<T>,
  ): Promise<T> {
    try {
      return await withDeadline(timeoutMs, async signal =>
        operation(await openCollection(), toExactOperations(timeoutMs, signal)),
      )
    } catch (cause) {
      const message = 'The list of disabled users could not be read or written in time.'
      throw new CustomUserDataError('sessions_unavailable', message, { cause })
    }
  }

  return {
    add: userId =>
      run(async (users, { write }) => {
        const disabled = { $setOnInsert: { disabledAt: new Date(clock.now()) } }
        await users.updateOne({ _id: keyOf(userId) }, disabled, { ...write, upsert: true })
      }),
    remove: userId =>
      run(async (users, { write }) => {
        await users.deleteOne({ _id: keyOf(userId) }, write)
      }),
    has: userId =>
      run(async (users, { read }) => {
        const found = await users.findOne({ _id: keyOf(userId) }, { ...read, projection: { _id: 1 } })
        return found !== null
      }),
  }
}

const KEY_PREFIX = 'disabled:'

/** No session's id has a colon. */
function keyOf(userId: string): string {
  return `${KEY_PREFIX}${userId}`
}

/** Whom the `_id` of a document names as disabled; `undefined` where it is a session's. */
export function userIdOf(key: string): string | undefined {
  return key.startsWith(KEY_PREFIX) ? key.slice(KEY_PREFIX.length) : undefined
}
