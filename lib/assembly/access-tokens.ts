import { createIssuers, createOwnIssuer } from '../access-tokens/issuers.js'
import { createKeyRing } from '../access-tokens/key-ring.js'
import { createTokenVerifier } from '../access-tokens/token-verifier.js'
import { createTrustedIssuer } from '../access-tokens/trusted-issuers.js'
import type { TrustedIssuerConfig } from '../access-tokens/trusted-issuers.js'
import { OptionError } from '../errors.js'
import { parseAddedIssuer, requireTrusted } from '../options/issuers.js'
import type { Core } from './core.js'

/** Keys, issuers and the verification of access tokens. */
export type AccessTokens = ReturnType<typeof createAccessTokens>

/** Creates what verifies access tokens: our own keys, if there are any, and those of trusted issuers. */
export function createAccessTokens({ config, events, clock }: Core) {
  const { own, trustedIssuers, clockToleranceMs, maxTokenLength } = config
  const ownKeys = own && createKeyRing(own.keys)
  const ours = own && ownKeys ? [createOwnIssuer(own, ownKeys, clockToleranceMs)] : []
  const create = (given: TrustedIssuerConfig) => createTrustedIssuer(given, clockToleranceMs, events, clock)
  const trusted = new Map(trustedIssuers?.map(given => [given.issuer, create(given)]))
  const issuers = createIssuers([...ours, ...trusted.values()])
  const names = () => Array.from(trusted, ([issuer, { userIdPrefix }]) => ({ issuer, userIdPrefix }))
  return {
    /** Absent if the instance issues no tokens. */
    ownKeys,
    /** Throws an `OptionError` that names the callee, if the options name no issuer of access tokens. */
    requireIssuers: (callee: string): void => {
      if (own || trustedIssuers) return
      throw new OptionError(
        `${callee} needs to know whose access tokens it accepts: give "secret" or "keys", "issuer" and "audience", or ` +
          `"trustedIssuers". With "collection" alone, mount attach() behind the guard that your app has.`,
      )
    },
    issuers,
    verifyToken: createTokenVerifier(maxTokenLength, issuers, clock),
    /** Trusts another issuer from now on. Returns the prefix of its users. Throws an `OptionError`. */
    addTrusted: (given: unknown): string => {
      const config = parseAddedIssuer(given, own, names())
      const added = create(config)
      trusted.set(config.issuer, added)
      issuers.add(added)
      events.emit('trusted_issuer_added', { issuer: config.issuer })
      return config.userIdPrefix
    },
    /** Refuses all tokens of an issuer from now on. Returns the prefix of its users. Throws an `OptionError`. */
    removeTrusted: (issuer: unknown): string => {
      const known = names()
      requireTrusted(issuer, known)
      trusted.get(issuer)?.keys.remove()
      trusted.delete(issuer)
      issuers.remove(issuer)
      events.emit('trusted_issuer_removed', { issuer })
      return known.find(({ issuer: name }) => name === issuer)?.userIdPrefix ?? ''
    },
    /** Ends the fetching of trusted issuers' keys. */
    close(): void {
      for (const { keys } of trusted.values()) keys.close()
    },
  }
}

/** A part that only instances with keys of their own have. Throws an `OptionError` that names the callee without it. */
export function needOwn<T>(part: T | undefined, callee: string): T {
  if (part !== undefined) return part
  throw new OptionError(`${callee} needs keys of your own: give "secret" or "keys", "issuer" and "audience".`)
}
