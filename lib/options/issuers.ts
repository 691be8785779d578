import type { OwnKeys } from '../access-tokens/key-ring.js'
import { describeValue } from '../util/describe-value.js'
import { NAME_YOUR_API } from './access-tokens.js'
import type { accessTokenOptions, ownIssuerOptions } from './access-tokens.js'
import { wrong } from './explain.js'
import type { OptionsOf } from './options-object.js'

/** Who we are as an issuer. */
export interface OwnIssuer {
  readonly issuer: string
  readonly audience: readonly string[]
  readonly clientId: string
  readonly keys: OwnKeys
}

type Trusted = OptionsOf<typeof accessTokenOptions>['trustedIssuers']

/** Completes who we are, or throws. `undefined` where only the tokens of others are accepted. */
export function toOwnIssuer(
  given: OptionsOf<typeof ownIssuerOptions>,
  trustsOthers: boolean,
): OwnIssuer | undefined {
  if (trustsOthers && Object.values(given).every(value => value === undefined)) return undefined
  const { issuer, audience, clientId, secret, keys } = given
  const ownKeys = toOwnKeys({ secret, keys })
  if (issuer === undefined)
    throw wrong('option "issuer": name your service by its URL, e.g. "https://auth.example.com".')
  if (audience === undefined) throw wrong(`option "audience": ${NAME_YOUR_API}.`)
  return { issuer, audience, clientId: clientId ?? audience[0] ?? '', keys: ownKeys }
}

/** One secret, or a list of keys: never both, never neither. */
function toOwnKeys(given: { readonly secret?: unknown; readonly keys?: unknown }): OwnKeys {
  if ((given.secret === undefined) === (given.keys === undefined)) {
    throw wrong(
      'give "secret" (32 random bytes or more, for HS256) or "keys" ([{ kid, alg, key }]), one of the two.',
    )
  }
  return given as OwnKeys
}

/** Two issuers' users are never one: no prefix begins another, and only one is empty (our own, where we issue). */
export function requireDistinct(own: OwnIssuer | undefined, trusted: Trusted): void {
  const names = [...(own ? [own.issuer] : []), ...trusted.map(({ issuer }) => issuer)]
  if (new Set(names).size < names.length) throw wrong('option "trustedIssuers": an issuer is there twice.')
  const prefixes = [...(own ? [''] : []), ...trusted.map(({ userIdPrefix }) => userIdPrefix)]
  for (const [index, prefix] of prefixes.entries()) {
    const others = prefixes.filter((_other, at) => at !== index)
    if (others.some(other => (prefix === '' ? other === '' : other.startsWith(prefix)))) {
      throw wrong(
        `option "trustedIssuers": the userIdPrefix ${describeValue(prefix)} is, or begins, another issuer's. Write prefixes that ` +
          'differ from the start, as "idp|"; only one may be empty, and our own users have none.',
      )
    }
  }
}
