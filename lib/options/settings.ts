import type { InstanceSettings } from '../instance.js'
import type { Config } from './parse-options.js'

/** What an instance tells of its options. It is frozen, because a change would have no effect on the instance. */
export function toSettings(config: Config): InstanceSettings {
  const { collection, userIdField, projection, maxDocumentBytes, userDataInToken, own, clock } = config
  return Object.freeze({
    collectionName: collection.collectionName,
    userIdField,
    projection: projection && Object.freeze({ ...projection }),
    maxDocumentBytes,
    userDataInToken: userDataInToken?.format ?? false,
    issuesTokens: own !== undefined,
    issuer: own?.issuer,
    clock,
  })
}
