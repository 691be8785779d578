import type { OwnKeys } from '../access-tokens/key-ring.js'
import { describeValue } from '../util/describe-value.js'
import type { TrustedIssuerConfig } from '../access-tokens/trusted-issuers.js'
import { OptionError } from '../errors.js'
import { nearestName } from '../util/nearest-name.js'
import { NAME_YOUR_API, trustedIssuer } from './access-tokens.js'
import type { ownIssuerOptions } from './access-tokens.js'
import { parseArgument, requireArgument } from './arguments.js'
import { wrong } from './explain.js'
import type { OptionsOf } from './options-object.js'

/** The names and keys of an instance that issues tokens. */
export interface OwnIssuer {
  readonly issuer: string
  readonly audience: readonly string[]
  readonly clientId: string
  readonly keys: OwnKeys
}

/** The names of an issuer that others must not overlap. */
interface IssuerNames {
  readonly issuer: string
  readonly userIdPrefix: string
}

/**
 * Completes the names and keys of the instance; `undefined` if none is given, for an app that issues no tokens.
 *
 * @throws OptionError if some are given and one is missing
 */
export function toOwnIssuer(given: OptionsOf<typeof ownIssuerOptions>): OwnIssuer | undefined {
  if (Object.values(given).every(value => value === undefined)) return undefined
  const { issuer, audience, clientId, secret, keys } = given
  const ownKeys = toOwnKeys({ secret, keys })
  if (issuer === undefined)
    throw wrong('option "issuer": name your service by its URL, e.g. "https://auth.example.com".')
  if (audience === undefined) throw wrong(`option "audience": ${NAME_YOUR_API}.`)
  return { issuer, audience, clientId: clientId ?? audience[0] ?? '', keys: ownKeys }
}

/** Throws unless exactly one of the options `secret` and `keys` is given. */
function toOwnKeys(given: { readonly secret?: unknown; readonly keys?: unknown }): OwnKeys {
  const oneOfTwo =
    'give "secret" (32 random bytes or more, for HS256) or "keys" ([{ kid, alg, key }]), one of the two'
  if (given.secret !== undefined && given.keys !== undefined) throw wrong(`${oneOfTwo}.`)
  if (given.secret === undefined && given.keys === undefined) {
    throw wrong(
      `${oneOfTwo}. Both are undefined. If "secret" comes from a variable of the environment, set that variable, e.g. to the ` +
        `output of: node -p "crypto.randomBytes(32).toString('base64url')"`,
    )
  }
  return given as OwnKeys
}

/**
 * Throws if users of two issuers could get the same id. So no prefix begins another prefix, and only one is empty. An
 * instance that issues tokens has the empty prefix itself.
 */
export function requireDistinct(own: OwnIssuer | undefined, trusted: readonly IssuerNames[]): void {
  const names = [...(own ? [own.issuer] : []), ...trusted.map(({ issuer }) => issuer)]
  const twice = names.find((name, index) => names.indexOf(name) < index)
  if (twice !== undefined) throw wrong(explainTwice(twice, own))
  const prefix = findOverlap(own, trusted)
  if (prefix !== undefined) throw wrong(`option "trustedIssuers": ${explainOverlap(prefix)}`)
}

/**
 * Completes the options of `addTrustedIssuer()`.
 *
 * @throws OptionError for a wrong option, and for an issuer that is trusted already, or whose `userIdPrefix` overlaps with another
 */
export function parseAddedIssuer(
  given: unknown,
  own: OwnIssuer | undefined,
  trusted: readonly IssuerNames[],
): TrustedIssuerConfig {
  const callee = 'addTrustedIssuer()'
  const added = parseArgument<TrustedIssuerConfig>(callee, trustedIssuer, given)
  const name = describeValue(added.issuer)
  if (added.issuer === own?.issuer) {
    throw new OptionError(`${callee}: ${name} is the option "issuer": your own tokens are accepted anyway.`)
  }
  if (trusted.some(({ issuer }) => issuer === added.issuer)) {
    throw new OptionError(`${callee}: ${name} is trusted already. Call removeTrustedIssuer(${name}) first.`)
  }
  const prefix = findOverlap(own, [...trusted, added])
  if (prefix !== undefined) throw new OptionError(`${callee}: ${explainOverlap(prefix)}`)
  return added
}

/** Throws unless a value names an issuer that is trusted: a misspelt name would leave its tokens accepted. */
export function requireTrusted(given: unknown, trusted: readonly IssuerNames[]): asserts given is string {
  const callee = 'removeTrustedIssuer()'
  requireArgument(
    callee,
    typeof given === 'string',
    given,
    'write the issuer, e.g. "https://idp.example.com"',
  )
  const names = trusted.map(({ issuer }) => issuer)
  if (names.includes(given as string)) return
  const nearest = nearestName(given as string, names)
  const advice = nearest === undefined ? '' : ` Did you mean ${describeValue(nearest)}?`
  throw new OptionError(`${callee}: ${describeValue(given)} is no trusted issuer of this instance.${advice}`)
}

/** A prefix that another issuer has too, or that begins the prefix of another issuer. */
function findOverlap(own: OwnIssuer | undefined, trusted: readonly IssuerNames[]): string | undefined {
  const prefixes = [...(own ? [''] : []), ...trusted.map(({ userIdPrefix }) => userIdPrefix)]
  return prefixes.find((prefix, index) => {
    const others = prefixes.filter((_other, at) => at !== index)
    return others.some(other => (prefix === '' ? other === '' : other.startsWith(prefix)))
  })
}

function explainOverlap(prefix: string): string {
  return (
    `the userIdPrefix ${describeValue(prefix)} is the prefix of another issuer, or its beginning, so ` +
    'two users could get the same id. Write prefixes that differ from the start, e.g. "idp|". Only one issuer may have an ' +
    'empty prefix. If you issue tokens yourself, that issuer is you.'
  )
}

function explainTwice(issuer: string, own: OwnIssuer | undefined): string {
  const name = describeValue(issuer)
  return issuer === own?.issuer
    ? `option "trustedIssuers": ${name} is also the option "issuer". Remove the entry: your own tokens are accepted anyway.`
    : `option "trustedIssuers": ${name} is listed twice. Remove one of the two entries.`
}
