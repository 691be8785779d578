/** The globals of Jest that the guides use, and names of earlier blocks. */
import type { Express } from 'express'
import type { createTestClock } from 'express-custom-user-data/testing'

export { asUser, createTestClock, createTestUserData, tokenFor } from 'express-custom-user-data/testing'
export { MongoMemoryServer } from 'mongodb-memory-server-core'
export { default as request } from 'supertest'
type Run = () => unknown
export declare const jest: { mock: (module: string, factory: Run) => void }
export declare const test: (name: string, run: Run) => void
export declare const beforeAll: (run: Run, timeoutMs?: number) => void
export declare const beforeEach: (run: Run) => void
export declare const afterAll: (run: Run) => void
export declare const expect: (value: unknown) => { toBe: (wanted: unknown) => void }
export declare const app: Express
export declare const clock: ReturnType<typeof createTestClock>
