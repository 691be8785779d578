import type { Options } from '@node-rs/argon2'
import { CustomUserDataError } from '../errors.js'
import { parseHashPasswordArguments } from '../options/logins.js'
import { hashingQueue } from './hashing-queue.js'
import { createPasswordText } from './password-text.js'
import type { PasswordTextOptions } from './password-text.js'

/** Argon2id (the module's default) as OWASP's password storage page recommends it: 19 MiB, two passes, one lane. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const satisfies Options
/** The module's numbers for argon2id and for version 1.3; its enums are types only. */
const ARGON2ID = 2
const VERSION_1_3 = 1
type Costs = Readonly<Record<'algorithm' | 'version' | 'memoryCost' | 'timeCost', number>>

/** Loaded on first use, because an app that does not use passwords need not load the native module. */
function argon2(): typeof import('@node-rs/argon2') {
  try {
    // Jest runs no import() unless Node is started with a flag.
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- for the reason above
    return require('@node-rs/argon2') as typeof import('@node-rs/argon2')
  } catch (cause) {
    const message =
      'The module @node-rs/argon2, which hashes passwords, cannot be loaded. Install the packages again on the platform ' +
      'that the app runs on, with their optional dependencies.'
    throw new CustomUserDataError('password_hashing_failed', message, { cause })
  }
}

/**
 * Hashes a password with argon2id, off the event loop. Resolves to a PHC string, which `passwordCredentials()` can check.
 * The password is hashed exactly as it is, unless the options name a Unicode form.
 *
 * @throws {OptionError} if the password is not a text, or for a wrong or unknown option; `password_hashing_failed` if the
 * module `@node-rs/argon2` cannot be loaded
 * @example const passwordHash = await hashPassword(password)
 */
export async function hashPassword(password: string, options?: PasswordTextOptions): Promise<string> {
  const toText = createPasswordText(parseHashPasswordArguments(password, options))
  return argon2().hash(toText(password), PARAMETERS)
}

/**
 * Whether a hash, as a PHC string, was made of a password. Rejects if the text is no argon2 hash, with a `QueueFullError` if
 * too many logins wait, with the signal's reason if it aborts, and with `password_hashing_failed` if the module is broken.
 *
 * @param isPreferred whether the login comes from an address that the account logged in from before. Such logins have a queue
 * of their own, which goes first, so that a storm of guesses from strangers does not lock users out.
 */
export async function verifyPassword(
  hash: string,
  password: string,
  signal: AbortSignal,
  isPreferred: boolean,
): Promise<boolean> {
  const { verify } = argon2()
  return hashingQueue.run(signal, () => verify(hash, password), isPreferred)
}

/** Makes a new hash of a password. It waits for its turn among the logins. */
export async function rehashPassword(password: string, signal: AbortSignal): Promise<string> {
  return hashingQueue.run(signal, () => hashPassword(password))
}

/**
 * Whether a hash is weaker than today's hashes: another variant or version of argon2, less memory, or less work in total.
 * More memory for fewer passes is as strong.
 */
export function isOutdatedHash(hash: string): boolean {
  const { parseOptions } = argon2()
  const { algorithm, version, memoryCost, timeCost }: Costs = parseOptions(hash)
  if (algorithm !== ARGON2ID || version !== VERSION_1_3) return true
  const workToday = PARAMETERS.memoryCost * PARAMETERS.timeCost
  return memoryCost < PARAMETERS.memoryCost || memoryCost * timeCost < workToday
}
