import type { ApiKeys } from '../account/api-keys/create-api-keys.js'
import { requireText } from '../wire/body-members.js'
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
    read({ body }) {
      const key = requireText(body, 'key')
      return {
        async verify() {
          const found = await store.findByText(key)
          return found ? { userId: found.userId, begin: sid => sessions.begin(found, sid) } : null
        },
      }
    },
  }
}
