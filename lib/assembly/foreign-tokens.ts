import { createForeignKeys } from '../access-tokens/foreign-keys.js'
import { createForeignTokenVerifier } from '../access-tokens/foreign-tokens.js'
import { RemoteKeySet } from '../access-tokens/remote-key-set.js'
import type { CustomUserData } from '../instance.js'
import { parseTokenVerifierOptions, TOKEN_VERIFIER } from '../options/token-verifier.js'
import type { PublishedKeys } from '../options/token-verifier.js'
import type { Calls } from './calls.js'
import type { Core } from './core.js'

/** The keys that other services publish, for `tokenVerifier()`. */
export type ForeignKeySets = ReturnType<typeof createForeignKeySets>

/**
 * Creates the registry of key sets. Verifiers with the same options share one set, so an app that creates a verifier in each
 * request does not fetch the keys each time.
 */
export function createForeignKeySets({ events, clock }: Core) {
  const sets = new Map<string, RemoteKeySet>()
  return {
    of({ jwksUri, algorithms }: PublishedKeys, issuer: string | undefined): RemoteKeySet {
      const id = JSON.stringify([issuer, jwksUri, algorithms])
      const known = sets.get(id)
      if (known) return known
      // The options have one of the two.
      const origin = issuer ?? withoutQuery(jwksUri ?? '')
      const created = new RemoteKeySet({ issuer: origin, jwksUri, algorithms }, events, clock)
      sets.set(id, created)
      return created
    },
    /** Ends the fetching of the keys. */
    close(): void {
      for (const set of sets.values()) set.close()
    },
  }
}

/** Creates the function that creates verifiers of other services' tokens. */
export function createForeignTokenFunctions(
  { config, clock }: Core,
  keySets: ForeignKeySets,
  calls: Calls,
): Pick<CustomUserData<object>, 'tokenVerifier'> {
  const { maxTokenLength, clockToleranceMs } = config
  return {
    tokenVerifier(options) {
      const { issuer, audience, keys } = parseTokenVerifierOptions(options)
      const source = 'algorithms' in keys ? keySets.of(keys, issuer) : createForeignKeys(keys, TOKEN_VERIFIER)
      const rules = { issuer, audience, clockToleranceMs }
      const verify = createForeignTokenVerifier(rules, source, maxTokenLength, clock)
      return token => calls.count('tokenVerifier', () => verify(token))
    },
  }
}

/** The address for events. Its query may hold a key of an interface. */
function withoutQuery(address: string): string {
  const { origin, pathname } = new URL(address)
  return origin + pathname
}
