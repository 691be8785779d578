import type { ApiKeys } from '../api-keys/create-api-keys.js'
import { AppServicesError } from '../wire/errors.js'
import type { Provider } from './provider.js'

/**
 * Creates the provider of API keys. The user of a key is its owner, and has the type `server`. Failed logins are counted for
 * the address alone, because a wrong key names no account.
 */
export function apiKeyProvider({ store, sessions }: ApiKeys): Provider {
  return {
    type: 'api-key',
    userType: 'server',
    isLinkable: false,
    refusal: 'invalid API key',
    read: ({ body: { key } }) => {
      if (key === undefined || key === null)
        throw new AppServicesError('MissingParameter', 'missing parameter: key')
      if (typeof key !== 'string') throw new AppServicesError('InvalidParameter', 'the key must be a text')
      return {
        async verify() {
          const found = await store.findByText(key)
          return found ? { userId: found.userId, begin: sid => sessions.begin(found, sid) } : null
        },
      }
    },
  }
}
