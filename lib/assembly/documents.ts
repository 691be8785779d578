import { MissedUsers } from '../checks/missed-users.js'
import { createLoader } from '../documents/loader.js'
import type { Loader } from '../documents/loader.js'
import { createUserDocuments } from '../documents/user-documents.js'
import type { Config } from '../options/parse-options.js'
import { createDocumentCodec } from '../token-data/document-codec.js'
import type { Checks } from './checks.js'
import type { Core } from './core.js'

/** The users' documents and the loader that reads them. */
export type Documents = ReturnType<typeof createDocuments>

/** Creates the access to users' documents. The first load starts the checks of `ready()`, for apps that never call it. */
export function createDocuments(core: Core, { readiness }: Checks) {
  const { config, database, userIdIndex, events, warnings, clock, metrics } = core
  const { userDataInToken, schema } = config
  const documents = createUserDocuments(config, database, userIdIndex, events)
  const prefixes = prefixesWithoutUsers(config)
  const missedUsers = new MissedUsers({ database, documents, warnings }, { ...config, prefixes })
  const codec = userDataInToken && createDocumentCodec(userDataInToken, schema, database.bson)
  const reader = createLoader(config, { documents, events, clock, metrics, encoder: codec?.encoder })
  const loader: Loader = {
    async load(userId, latest, decodeExactly) {
      readiness.start()
      const load = await reader.load(userId, latest, decodeExactly)
      if (load.exists) missedUsers.found()
      else {
        readiness.foundNothing()
        missedUsers.missed(userId)
      }
      return load
    },
  }
  return { documents, loader, codec, startSetUp: () => readiness.start() }
}

/** The prefixes of issuers, if each user has one. Otherwise the same id without a prefix is another user's. */
function prefixesWithoutUsers({ own, trustedIssuers = [] }: Config): readonly string[] {
  const prefixes = trustedIssuers.map(({ userIdPrefix }) => userIdPrefix)
  return own || prefixes.includes('') ? [] : prefixes
}
