import { availableParallelism } from 'node:os'
import type { Options } from '@node-rs/argon2'
import { createConcurrencyLimit } from '../util/concurrency-limit.js'
import { parseHashPasswordArguments } from '../options/logins.js'
import { createPasswordText } from './password-text.js'
import type { PasswordTextOptions } from './password-text.js'

/** Argon2id (the module's default) as OWASP's password storage page recommends it: 19 MiB, two passes, one lane. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const satisfies Options
/** The module's numbers for argon2id and for version 1.3; its enums are types only. */
const ARGON2ID = 2
const VERSION_1_3 = 1
type Costs = Readonly<Record<'algorithm' | 'version' | 'memoryCost' | 'timeCost', number>>

/** Loaded on first use: an app with logins of its own never pays for the native module. */
const argon2 = (): Promise<typeof import('@node-rs/argon2')> => import('@node-rs/argon2')

/** Hashes at a time: as many as there are cores, so that files and names are still looked up meanwhile. */
const MAX_HASHING = Math.max(1, availableParallelism() - 1)
/** Hashes that wait; beyond it a login is answered with 503 rather than late. */
const MAX_WAITING = 100
const queue = createConcurrencyLimit(MAX_HASHING, MAX_WAITING)

/**
 * Hashes a password with argon2id, off the event loop: a PHC string to be stored where `passwordCredentials()`
 * looks for it. The password is taken exactly as it is, unless the options name a form of Unicode.
 *
 * @throws {OptionError} if the password is not a text, or for a wrong or unknown option
 */
export async function hashPassword(password: string, options?: PasswordTextOptions): Promise<string> {
  const toText = createPasswordText(parseHashPasswordArguments(password, options))
  return (await argon2()).hash(toText(password), PARAMETERS)
}

/**
 * Whether a password is the one that a PHC string was made of. Rejects where that is no argon2 hash, with the signal's
 * reason when it aborts, and with a `QueueFullError` where too many wait.
 */
export async function verifyPassword(hash: string, password: string, signal: AbortSignal): Promise<boolean> {
  const { verify } = await argon2()
  return queue.run(signal, () => verify(hash, password))
}

/** Hashes a password anew, in its turn among the logins. */
export async function rehashPassword(password: string, signal: AbortSignal): Promise<string> {
  return queue.run(signal, () => hashPassword(password))
}

/**
 * Whether a hash costs less to guess at than one that is made today: another variant or version of argon2, less memory,
 * or less work in all. More memory for fewer passes is as good.
 */
export async function isOutdatedHash(hash: string): Promise<boolean> {
  const { parseOptions } = await argon2()
  const { algorithm, version, memoryCost, timeCost }: Costs = parseOptions(hash)
  if (algorithm !== ARGON2ID || version !== VERSION_1_3) return true
  const workToday = PARAMETERS.memoryCost * PARAMETERS.timeCost
  return memoryCost < PARAMETERS.memoryCost || memoryCost * timeCost < workToday
}
