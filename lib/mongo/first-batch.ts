import type { ClientSession, Db, Document, RunCommandOptions } from 'mongodb'
import type { CommandSessions } from './command-sessions.js'
import { codeOf, hasCode, hasLabel, SERVER_ERRORS } from './server-errors.js'

/** What a command may take, and how its answer is read. */
interface FirstBatchOptions extends Omit<RunCommandOptions, 'session'> {
  readonly signal: AbortSignal
  /** Set here: V8 takes 1 us to add a member to a copy. */
  session: ClientSession | undefined
}

/** Where a command is sent. */
export interface ReadTarget {
  readonly db: Db
  /** Whether a read may be sent once more: the team may have told its driver not to. */
  readonly retryReads: boolean
  readonly sessions: CommandSessions
}

/** The first batch of a read. */
export interface FirstBatch<T> {
  readonly rows: readonly T[]
  /** Whether there were more rows than the reply's 16 MB had room for. They are given up. */
  readonly hasMore: boolean
}

interface CursorReply<T> {
  readonly cursor: { readonly id: unknown; readonly firstBatch: readonly T[] }
}

/**
 * The errors after which a driver sends a read once more (specification of retryable reads): the primary is going, gone,
 * or not yet there.
 */
const PASSING = [
  SERVER_ERRORS.hostUnreachable,
  SERVER_ERRORS.hostNotFound,
  SERVER_ERRORS.networkTimeout,
  SERVER_ERRORS.shutdownInProgress,
  SERVER_ERRORS.readConcernMajorityNotAvailableYet,
  SERVER_ERRORS.primarySteppedDown,
  SERVER_ERRORS.exceededTimeLimit,
  SERVER_ERRORS.socketException,
  SERVER_ERRORS.notWritablePrimary,
  SERVER_ERRORS.interruptedAtShutdown,
  SERVER_ERRORS.interruptedDueToReplStateChange,
  SERVER_ERRORS.notPrimaryNoSecondaryOk,
  SERVER_ERRORS.notPrimaryOrSecondary,
]

/** The driver's errors of the network, by name: its classes are the team's, whose driver may not be the one that is here. */
const NETWORK_ERRORS = [
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoPoolClearedError',
  'PoolClearedOnNetworkError',
]

/**
 * Runs a `find` or an `aggregate` of which the first batch is all that is wanted. A cursor of the driver would do the
 * same, and cost the processor a quarter more. What it does beside is done here: one repetition, and the end of a cursor
 * that has more. Told to decode with `promoteValues: false` the driver itself does not understand the server's codes (it asks
 * for numbers), so that the repetition may meet the primary that is going once more: the next load is the next attempt.
 */
export async function readFirstBatch<T>(
  target: ReadTarget,
  command: Document,
  options: FirstBatchOptions,
): Promise<FirstBatch<T>> {
  const { db, retryReads } = target
  let reply: Document
  try {
    reply = await run(target, command, options)
  } catch (error) {
    if (!retryReads || options.signal.aborted || !mayPass(error)) throw error
    reply = await run(target, command, options)
  }
  const { cursor } = reply as CursorReply<T>
  const hasMore = String(cursor.id) !== '0'
  if (hasMore) killCursor(db, command, cursor.id)
  return { rows: cursor.firstBatch, hasMore }
}

/** In a session that it has for itself, if there is one. */
function run({ db, sessions }: ReadTarget, command: Document, options: FirstBatchOptions): Promise<Document> {
  const session = sessions.take()
  options.session = session
  return db.command(command, options as RunCommandOptions).then(
    reply => {
      sessions.giveBack(session)
      return reply
    },
    (error: unknown) => {
      sessions.discard(session)
      if (!session || !mayLackSessions(error)) throw error
      // Nothing was sent: that is no repetition that the team could have turned off.
      sessions.giveUp()
      options.session = undefined
      return db.command(command, options as RunCommandOptions)
    },
  )
}

/**
 * Whether the server may be one that has no sessions, as some have that only speak MongoDB's protocol. Where something else is
 * incompatible, no more is lost than the sessions.
 */
function mayLackSessions(error: unknown): boolean {
  return error instanceof Error && error.name === 'MongoCompatibilityError'
}

/** What the driver has given up after repeating it by itself, because the server is overloaded, is not repeated again. */
function mayPass(error: unknown): boolean {
  if (hasLabel(error, 'SystemOverloadedError')) return false
  if (codeOf(error) !== undefined) return hasCode(error, ...PASSING)
  return error instanceof Error && NETWORK_ERRORS.includes(error.name)
}

/**
 * In the background, and not worth an error: the server ends it by itself, after ten minutes. So it does where another
 * mongos is chosen than the one that has it.
 */
function killCursor(db: Db, command: Document, id: unknown): void {
  const collection: unknown = command['find'] ?? command['aggregate']
  // A 64-bit integer whatever the driver made of it.
  db.command({ killCursors: collection, cursors: [BigInt(String(id))] }).catch(() => undefined)
}
