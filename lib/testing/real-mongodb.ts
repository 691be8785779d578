import { CustomUserDataError } from '../errors.js'

/**
 * The error of a command that the plain object of a test instance cannot run.
 *
 * @param command the command or the part of it, after "cannot run"
 */
export function needsRealMongoDb(command: string): CustomUserDataError {
  return new CustomUserDataError(
    'real_mongodb_needed',
    `An instance of createTestUserData() keeps its documents in a plain object, which cannot run ${command}. ` +
      'Use a real MongoDB for this test: start one with MongoMemoryServer of mongodb-memory-server, and give its ' +
      'collection to createCustomUserData().',
  )
}
