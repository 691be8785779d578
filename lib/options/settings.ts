import type { InstanceSettings } from '../instance.js'
import type { Config } from './parse-options.js'

/** What an instance tells of its options. It is frozen, because it has no effect on the instance. */
export function toSettings({
  collection,
  userIdField,
  userDataInToken,
  own,
  clock,
}: Pick<Config, 'collection' | 'userIdField' | 'userDataInToken' | 'own' | 'clock'>): InstanceSettings {
  return Object.freeze({
    collectionName: collection.collectionName,
    userIdField,
    userDataInToken: userDataInToken?.format ?? false,
    issuesTokens: own !== undefined,
    clock,
  })
}
