import type { Db, Document, RunCommandOptions } from 'mongodb'

/** What a command may take, and how its answer is read. */
type FirstBatchOptions = RunCommandOptions & { readonly signal: AbortSignal }

/**
 * The errors, beside a lost connection, after which a driver sends a read once more (specification of retryable reads):
 * the primary is going, gone, or not yet there.
 */
const PASSING = [6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]

/**
 * Runs a `find` or an `aggregate` of which the first batch is all that is wanted. A cursor of the driver would do the
 * same, and cost the processor a quarter more. What it does beside is done here: one repetition.
 */
export async function readFirstBatch<T>(
  db: Db,
  command: Document,
  options: FirstBatchOptions,
): Promise<readonly T[]> {
  const answer = await commandTwiceAtMost(db, command, options)
  return (answer as { cursor: { firstBatch: T[] } }).cursor.firstBatch
}

async function commandTwiceAtMost(db: Db, command: Document, options: FirstBatchOptions): Promise<Document> {
  try {
    return await db.command(command, options)
  } catch (error) {
    if (options.signal.aborted || !mayPass(error)) throw error
    return db.command(command, options)
  }
}

/** A number as code is the server's; without, the server was not reached or did not answer. */
function mayPass(error: unknown): boolean {
  const code: unknown = (error as { code?: unknown } | null)?.code
  return typeof code !== 'number' || PASSING.includes(code)
}
