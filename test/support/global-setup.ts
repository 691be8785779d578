import type { TestProject } from 'vitest/node'
import { resolveMongoUri } from '../../examples/support/start-mongod.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** The MongoDB that all test files share. */
    mongoUri: string
  }
}

/** Starts the MongoDB of the whole run, unless `MONGODB_URI` names one. Returns the teardown. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const mongo = await resolveMongoUri()
  project.provide('mongoUri', mongo.uri)
  return mongo.stop
}
