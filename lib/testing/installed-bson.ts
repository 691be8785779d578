import { OptionError } from '../errors.js'
import type { BsonLibrary } from '../mongo/team-bson.js'

// eslint-disable-next-line @typescript-eslint/no-require-imports -- an app with mongoose alone must load this file too
const requireMongoDb = (): unknown => require('mongodb')

/**
 * The BSON library of the driver that Node resolves for this package.
 *
 * @param load loads the module `mongodb`
 * @throws {OptionError} if there is none
 */
export function findInstalledBson(load = requireMongoDb): BsonLibrary {
  try {
    return (load() as { readonly BSON: BsonLibrary }).BSON
  } catch (cause) {
    throw new OptionError(
      'createTestUserData: the module "mongodb" cannot be loaded, and the documents need its BSON library. Give the library ' +
        'by the option "bson": for mongoose write bson: mongoose.mongo.BSON.',
      { cause },
    )
  }
}
