import { createHash, randomBytes } from 'node:crypto'

/** Makes a secret that nobody can guess: an API key, or the token of a mail. */
export function newSecret(): string {
  return randomBytes(32).toString('hex')
}

/** The form in which such a secret is stored. The secret is random, so nobody can guess it from the hash. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
