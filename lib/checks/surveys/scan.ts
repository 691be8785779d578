import type { Collection, Document } from 'mongodb'
import { hasCode, SERVER_ERRORS } from '../../mongo/server-errors.js'
import { PLAIN_BSON } from '../../mongo/team-database.js'
import { DeadlineError, withDeadline } from '../../util/deadline.js'
import { isThrown } from '../../util/thrown.js'
import type { SurveyLimits } from './survey.js'

/** Rows of one answer of the server: a compromise between many round trips and much memory. */
const BATCH = 5_000
/** Milliseconds for the goodbye to the server, which must not hold up the report. */
const CLOSE_MS = 1_000

/**
 * Reads a computed row of each document, in batches, so that memory stays small whatever the collection holds. Resolves to
 * whether all documents were read within the time.
 *
 * @param projection computes the row at the server, so that whole documents are not sent
 */
export async function scan(
  collection: Collection,
  projection: Document,
  { timeoutMs, progress }: SurveyLimits,
  onRow: (row: Document) => void,
): Promise<boolean> {
  const endsAt = performance.now() + timeoutMs
  const total = await estimateCount(collection, timeoutMs)
  const options = { ...PLAIN_BSON, projection, readPreference: 'primary', maxTimeMS: timeoutMs } as const
  const cursor = collection.find({}, { ...options, batchSize: BATCH })
  let done = 0
  try {
    while (await withDeadline(Math.max(1, endsAt - performance.now()), () => cursor.hasNext())) {
      const rows = cursor.readBufferedDocuments()
      for (const row of rows) onRow(row)
      done += rows.length
      progress(done, total)
    }
    return true
  } catch (error) {
    if (isOutOfTime(error)) return false
    throw error
  } finally {
    // The rows are read by then, and the server ends a cursor that nobody closes.
    await withDeadline(CLOSE_MS, () => cursor.close()).catch(() => undefined)
  }
}

/** Whether an operation failed because its time was over. */
export function isOutOfTime(error: unknown): boolean {
  return isThrown(DeadlineError, error) || hasCode(error, SERVER_ERRORS.maxTimeMSExpired)
}

/** Only for the progress, so a server that does not tell is no error. */
async function estimateCount(collection: Collection, timeoutMs: number): Promise<number | undefined> {
  try {
    return await withDeadline(timeoutMs, () => collection.estimatedDocumentCount({ maxTimeMS: timeoutMs }))
  } catch {
    return undefined
  }
}
