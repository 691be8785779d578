import type { Options } from '@node-rs/argon2'

/** Argon2id (the module's default) as OWASP's password storage page recommends it: 19 MiB, two passes, one lane. */
const PARAMETERS: Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** Loaded on first use: an app with logins of its own never pays for the native module. */
const argon2 = (): Promise<typeof import('@node-rs/argon2')> => import('@node-rs/argon2')

/**
 * Hashes a password with argon2id, off the event loop: a PHC string to be stored where `passwordCredentials()`
 * looks for it. The password is taken exactly as it is.
 */
export async function hashPassword(password: string): Promise<string> {
  return (await argon2()).hash(password, PARAMETERS)
}

/** Whether a password is the one that a PHC string was made of. Rejects where that is no argon2 hash. */
export async function verifyPassword(hash: string, password: string): Promise<boolean> {
  return (await argon2()).verify(hash, password)
}
