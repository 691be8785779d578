import { availableParallelism } from 'node:os'
import { createConcurrencyLimit } from '../util/concurrency-limit.js'

/** The most hashes at a time. One core stays free for other work on the thread pool, such as files and host names. */
const MAX_HASHING = Math.max(1, availableParallelism() - 1)
/** The most hashes that wait. Further logins are answered with 503, because their answer would come too late. */
const MAX_WAITING = 100

/** The queue of this process, in which every hash waits for its turn, whatever function computes it. */
export const hashingQueue = createConcurrencyLimit(MAX_HASHING, MAX_WAITING)
