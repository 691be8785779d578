/** A collection of half-finished logins, and the check of codes from an app. */
import type { Collection } from 'mongodb'

export { createHash, randomBytes } from 'node:crypto'
export declare const challenges: Collection<{ hash: string; userId: string; tries: number; expiresAt: Date }>
export declare const isCodeOf: (userId: string, code: unknown) => Promise<boolean>
