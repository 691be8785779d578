import { createIssuers, createOwnIssuer } from '../access-tokens/issuers.js'
import { createKeyRing } from '../access-tokens/key-ring.js'
import { createTokenVerifier } from '../access-tokens/token-verifier.js'
import { createTrustedIssuer } from '../access-tokens/trusted-issuers.js'
import { OptionError } from '../errors.js'
import type { Core } from './core.js'

/** Keys, issuers and the verification of access tokens. */
export type AccessTokens = ReturnType<typeof createAccessTokens>

/** Creates what verifies access tokens: our own keys, if there are any, and those of trusted issuers. */
export function createAccessTokens({ config, events, clock }: Core) {
  const { own, trustedIssuers, clockToleranceMs, maxTokenLength } = config
  const ownKeys = own && createKeyRing(own.keys)
  const ours = own && ownKeys ? [createOwnIssuer(own, ownKeys, clockToleranceMs)] : []
  const trusted = trustedIssuers.map(given => createTrustedIssuer(given, clockToleranceMs, events, clock))
  const issuers = createIssuers([...ours, ...trusted])
  return {
    /** Absent if the instance only accepts the tokens of trusted issuers. */
    ownKeys,
    issuers,
    verifyToken: createTokenVerifier(maxTokenLength, issuers, clock),
    /** Ends the fetching of trusted issuers' keys. */
    close(): void {
      for (const { keys } of trusted) keys.close()
    },
  }
}

/** A part that only instances with keys of their own have. Throws an `OptionError` that names the callee without it. */
export function needOwn<T>(part: T | undefined, callee: string): T {
  if (part !== undefined) return part
  throw new OptionError(`${callee} needs keys of your own: give "secret" or "keys", "issuer" and "audience".`)
}
