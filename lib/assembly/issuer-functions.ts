import type { CustomUserData } from '../instance.js'
import type { AccessTokens } from './access-tokens.js'
import type { SnapshotParts } from './snapshots.js'

/** Creates the functions with which the team adds and removes trusted issuers while the app runs. */
export function createIssuerFunctions(
  { addTrusted, removeTrusted }: AccessTokens,
  { snapshots }: SnapshotParts,
): Pick<CustomUserData<object>, 'addTrustedIssuer' | 'removeTrustedIssuer'> {
  return {
    addTrustedIssuer(issuer) {
      // An id that begins with the prefix is another user's from now on, so older tokens with such an id are verified again.
      snapshots.dropUsers(addTrusted(issuer))
    },
    removeTrustedIssuer(issuer) {
      snapshots.dropUsers(removeTrusted(issuer))
    },
  }
}
