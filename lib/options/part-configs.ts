import { createSecretKey, randomBytes } from 'node:crypto'
import type { Issuer } from '../access-tokens/issuers.js'
import type { KeyRing } from '../access-tokens/key-ring.js'
import type { SnapshotsConfig } from '../snapshots/snapshot-loads.js'
import type { ClaimSnapshotsConfig } from '../token-data/claim-snapshots.js'
import { OptionError } from '../errors.js'
import type { OwnIssuer } from './issuers.js'
import type { Config } from './parse-options.js'
import { bodyTransport, createCookieTransport } from '../routes/refresh-transport.js'
import type { RefreshTransport } from '../routes/refresh-transport.js'
import type { RevocationsConfig } from '../sessions/revocations.js'
import type { SessionScope } from '../sessions/session-scope.js'
import { deriveSessionSecret, prepareSessionSecrets } from '../sessions/session-secrets.js'
import type { SessionSecret } from '../sessions/session-secrets.js'

/** Whether changes are followed decides what is noted of each copy. */
export function toSnapshotsConfig(config: Config): SnapshotsConfig {
  return { ...config, followsChanges: config.changeStreams !== 'off' }
}

/** Only our own tokens carry custom data. With a projection for clients, handlers do not get the data in the token. */
export function toClaimSnapshotsConfig(config: Config): ClaimSnapshotsConfig {
  const { own, userDataInToken } = config
  return {
    ...config,
    issuer: own?.issuer ?? '',
    forClientsOnly: userDataInToken?.projection !== undefined,
    followsChanges: config.changeStreams !== 'off',
  }
}

/** Trusted issuers decide how long their access tokens live. A longer life than this is not expected. */
const FOREIGN_TOKEN_MS = 60 * 24 * 3_600_000

/** How long revocations are remembered: until every token from before a revocation has expired. */
export function toRevocationsConfig(config: Config): RevocationsConfig {
  const sessionMs = config.accessTokenTtlSeconds * 1000 + config.clockToleranceMs
  const userMs = Math.max(config.refreshTokenTtlSeconds * 1000, FOREIGN_TOKEN_MS)
  return { sessionMs, userMs, clockToleranceMs: config.clockToleranceMs }
}

/** Instances without keys of their own issue no tokens, but they read and write the records of trusted issuers' users. */
export function toSessionScope({ own }: Config): SessionScope {
  return { issuer: own?.issuer ?? '', clientId: own?.clientId ?? '' }
}

/** Successors are derived with secrets of their own, so that a new signing key ends no session. */
export function toSessionSecrets(
  config: Config,
  ownKeys: KeyRing | undefined,
): readonly [SessionSecret, ...SessionSecret[]] {
  const [first, ...others] = config.sessionSecrets ? prepareSessionSecrets(config.sessionSecrets) : []
  if (first) return [first, ...others]
  const signer = ownKeys?.signer().signingKey
  // Without keys of its own the instance has no sessions.
  if (!signer) return [deriveSessionSecret(createSecretKey(randomBytes(32)))]
  if (signer.type === 'secret') return [deriveSessionSecret(signer)]
  throw new OptionError(
    'createCustomUserData: give "sessionSecrets", a list of random texts of 32 bytes or more.',
  )
}

/** How refresh tokens travel, as the option says. */
export function createTransport({ refreshTokenTransport, refreshTokenTtlSeconds }: Config): RefreshTransport {
  if (refreshTokenTransport === 'body') return bodyTransport
  const options = refreshTokenTransport === 'cookie' ? {} : refreshTokenTransport.cookie
  return createCookieTransport(options, refreshTokenTtlSeconds)
}

/** Ourselves, as one of the issuers whose tokens are accepted: our tokens have all of RFC 9068 2.2's claims. */
export function toIssuer({ issuer, audience }: OwnIssuer, keys: KeyRing, clockToleranceMs: number): Issuer {
  return {
    expectations: {
      issuer,
      audience,
      clockToleranceMs,
      profile: 'rfc9068',
    },
    keys,
    userIdPrefix: '',
    userIdClaim: 'sub',
  }
}
