import type { OwnKeys } from '../access-tokens/key-ring.js'
import { describeValue } from '../util/describe-value.js'
import { NAME_YOUR_API } from './access-tokens.js'
import type { accessTokenOptions, ownIssuerOptions } from './access-tokens.js'
import { wrong } from './explain.js'
import type { OptionsOf } from './options-object.js'

/** The names and keys of an instance that issues tokens. */
export interface OwnIssuer {
  readonly issuer: string
  readonly audience: readonly string[]
  readonly clientId: string
  readonly keys: OwnKeys
}

type Trusted = OptionsOf<typeof accessTokenOptions>['trustedIssuers']

/**
 * Completes the names and keys of the instance; `undefined` if it only accepts the tokens of trusted issuers.
 *
 * @throws OptionError if one of them is missing
 */
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

/** Throws unless exactly one of the options `secret` and `keys` is given. */
function toOwnKeys(given: { readonly secret?: unknown; readonly keys?: unknown }): OwnKeys {
  if ((given.secret === undefined) === (given.keys === undefined)) {
    throw wrong(
      'give "secret" (32 random bytes or more, for HS256) or "keys" ([{ kid, alg, key }]), one of the two.',
    )
  }
  return given as OwnKeys
}

/**
 * Throws if users of two issuers could get the same id. So no prefix begins another prefix, and only one is empty. An
 * instance that issues tokens has the empty prefix itself.
 */
export function requireDistinct(own: OwnIssuer | undefined, trusted: Trusted): void {
  const names = [...(own ? [own.issuer] : []), ...trusted.map(({ issuer }) => issuer)]
  const twice = names.find((name, index) => names.indexOf(name) < index)
  if (twice !== undefined) throw wrong(explainTwice(twice, own))
  const prefixes = [...(own ? [''] : []), ...trusted.map(({ userIdPrefix }) => userIdPrefix)]
  for (const [index, prefix] of prefixes.entries()) {
    const others = prefixes.filter((_other, at) => at !== index)
    if (others.some(other => (prefix === '' ? other === '' : other.startsWith(prefix)))) {
      throw wrong(
        `option "trustedIssuers": the userIdPrefix ${describeValue(prefix)} is the prefix of another issuer, or its beginning, so ` +
          'two users could get the same id. Write prefixes that differ from the start, e.g. "idp|". Only one issuer may have an ' +
          'empty prefix. If you issue tokens yourself, that issuer is you.',
      )
    }
  }
}

function explainTwice(issuer: string, own: OwnIssuer | undefined): string {
  const name = describeValue(issuer)
  return issuer === own?.issuer
    ? `option "trustedIssuers": ${name} is also the option "issuer". Remove the entry: your own tokens are accepted anyway.`
    : `option "trustedIssuers": ${name} is listed twice. Remove one of the two entries.`
}
