import { availableParallelism } from 'node:os'
import type { Options } from '@node-rs/argon2'
import { createConcurrencyLimit } from '../concurrency-limit.js'

/** Argon2id (the module's default) as OWASP's password storage page recommends it: 19 MiB, two passes, one lane. */
const PARAMETERS: Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** Loaded on first use: an app with logins of its own never pays for the native module. */
const argon2 = (): Promise<typeof import('@node-rs/argon2')> => import('@node-rs/argon2')

/** Hashes at a time: as many as there are cores, so that files and names are still looked up meanwhile. */
const MAX_HASHING = Math.max(1, availableParallelism() - 1)
/** Hashes that wait; beyond it a login is answered with 503 rather than late. */
const MAX_WAITING = 100
const queue = createConcurrencyLimit(MAX_HASHING, MAX_WAITING)

/**
 * Hashes a password with argon2id, off the event loop: a PHC string to be stored where `passwordCredentials()`
 * looks for it. The password is taken exactly as it is.
 */
export async function hashPassword(password: string): Promise<string> {
  return (await argon2()).hash(password, PARAMETERS)
}

/**
 * Whether a password is the one that a PHC string was made of. Rejects where that is no argon2 hash, with the signal's
 * reason when it aborts, and with a `QueueFullError` where too many wait.
 */
export async function verifyPassword(hash: string, password: string, signal: AbortSignal): Promise<boolean> {
  const { verify } = await argon2()
  return queue.run(signal, () => verify(hash, password))
}
