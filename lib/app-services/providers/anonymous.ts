import { newId } from '../ids.js'
import type { Provider } from './provider.js'

/** Creates the provider of anonymous users. Each login makes a new user, who ends after 90 days without use. */
export function anonymousProvider(): Provider {
  return {
    type: 'anon-user',
    userType: 'normal',
    isLinkable: false,
    refusal: 'anonymous users are refused',
    read: () => ({
      verify: () => Promise.resolve({ providerType: 'anon-user', id: newId(), data: {} }),
    }),
  }
}
