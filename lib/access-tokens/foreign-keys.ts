import { CustomUserDataError, OptionError } from '../errors.js'
import { noteRefusal } from '../refusals.js'
import type { ProtectedHeader } from './compact-jws.js'
import { NO_NAME, prepareForeignKey } from './keys.js'
import type { AccessTokenKey, CandidateKeys, KeyOptions, KeySource } from './keys.js'

/**
 * Creates the source of keys that the team has written down for another service. Keys may lack a name.
 *
 * @param callee the function in the messages of errors
 * @throws OptionError for a key that is weak, private or of another kind than its algorithm needs
 */
export function createForeignKeys(given: readonly KeyOptions[], callee: string): KeySource {
  const keys = given.map((options, index) => prepareForeignKey(options, `${callee}: keys[${index}]`))
  requireDistinctNames(keys, callee)

  function find(header: ProtectedHeader): CandidateKeys {
    const [first, ...others] = keysFor(header, keys)
    if (first) return [first, ...others]
    const message = 'The token is not signed by a key of its service.'
    const isKnown = keys.some(({ kid }) => kid !== NO_NAME && kid === header.kid)
    const reason = isKnown ? 'forged' : 'unknown_key'
    throw noteRefusal(new CustomUserDataError('invalid_token', message), { reason })
  }

  return {
    find,
    // The keys are fixed, so there is nothing to read again.
    load: header => Promise.resolve(header).then(find),
  }
}

/**
 * The keys that may have signed a token. The algorithm of the key decides, never that of the token (RFC 8725 3.1). A token
 * without `kid` can be of any key. A `kid` names a key; if no key has this name, the keys without a name are left.
 */
function keysFor({ alg, kid }: ProtectedHeader, keys: readonly AccessTokenKey[]): readonly AccessTokenKey[] {
  const ofAlgorithm = keys.filter(key => key.alg === alg)
  if (kid === undefined) return ofAlgorithm
  const named = ofAlgorithm.filter(key => key.kid === kid)
  return named.length > 0 ? named : ofAlgorithm.filter(key => key.kid === NO_NAME)
}

function requireDistinctNames(keys: readonly AccessTokenKey[], callee: string): void {
  const names = keys.map(({ kid }) => kid).filter(kid => kid !== NO_NAME)
  const twice = names.find((kid, index) => names.indexOf(kid) < index)
  if (twice === undefined) return
  throw new OptionError(`${callee}: keys: the kid "${twice}" is used twice. Give each key its own kid.`)
}
