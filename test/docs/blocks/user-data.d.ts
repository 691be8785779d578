/** The module of an app that creates its instance. Blocks require it as './user-data'. */
import type { MongoClient } from 'mongodb'
import type { createTestClock } from 'express-custom-user-data/testing'
import type { userData as instance, verifyCredentials as verify } from '../setups/common.js'

export const userData: typeof instance
export const verifyCredentials: typeof verify
export const client: MongoClient
export const ready: () => Promise<unknown>
/** Only in the module that a test puts in its place. */
export const clock: ReturnType<typeof createTestClock>
