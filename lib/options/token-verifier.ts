import * as v from 'valibot'
import { ALGORITHM_NAMES } from '../access-tokens/algorithms.js'
import type { Algorithm } from '../access-tokens/algorithms.js'
import { isFetchable, isLoopbackAddress } from '../access-tokens/fetch-json.js'
import type { KeyOptions } from '../access-tokens/keys.js'
import { OptionError } from '../errors.js'
import { audience, jwksUri, keyMaterial, NOT_LOOPBACK, publishedAlgorithms } from './access-tokens.js'
import { parseArgument } from './arguments.js'
import { optionsObject } from './options-object.js'
import { AN_OBJECT, name } from './value-schemas.js'

/** The function in messages. */
export const TOKEN_VERIFIER = 'tokenVerifier()'

/** A token without a `kid` is compared with each key, so their number has a bound. */
const MAX_KEYS = 10

const key = optionsObject('write { alg, key }', {
  kid: v.optional(name),
  alg: v.picklist(ALGORITHM_NAMES, `write one of ${ALGORITHM_NAMES.join(', ')}`),
  key: keyMaterial,
})

const tokenVerifierOptions = optionsObject(AN_OBJECT, {
  keys: v.optional(
    v.pipe(
      v.array(key, 'write a list of { alg, key }'),
      v.minLength(1, 'write one key or more'),
      v.maxLength(MAX_KEYS, `write ${MAX_KEYS} keys or fewer`),
    ),
  ),
  jwksUri: v.optional(jwksUri),
  algorithms: v.optional(publishedAlgorithms),
  issuer: v.optional(name),
  audience,
})

/** Where the keys of another service are fetched. */
export interface PublishedKeys {
  readonly jwksUri: string | undefined
  readonly algorithms: readonly Algorithm[]
}

/** Complete options of `tokenVerifier()`. */
export interface TokenVerifierConfig {
  readonly issuer: string | undefined
  readonly audience: readonly string[]
  readonly keys: readonly KeyOptions[] | PublishedKeys
}

/** Completes the options of `tokenVerifier()`, or throws an `OptionError`. */
export function parseTokenVerifierOptions(given: unknown): TokenVerifierConfig {
  const options = parseArgument(TOKEN_VERIFIER, tokenVerifierOptions, given)
  const { keys, issuer, audience } = options
  return { issuer, audience, keys: keys ? withoutFetch(options) : toPublished(options) }
}

type Parsed = v.InferOutput<typeof tokenVerifierOptions>

function withoutFetch({ keys, jwksUri, algorithms }: Parsed): readonly KeyOptions[] {
  if (jwksUri !== undefined) throw wrong('"jwksUri": "keys" is given too. Give one of the two.')
  if (algorithms !== undefined)
    throw wrong(
      '"algorithms": it is for keys that are fetched, and "keys" has the alg of each key. Remove it.',
    )
  return keys as readonly KeyOptions[]
}

function toPublished({ jwksUri, algorithms, issuer }: Parsed): PublishedKeys {
  if (algorithms === undefined) {
    throw wrong(
      '"keys": give "keys" ([{ alg, key }]), or "algorithms" with "jwksUri" for keys that are fetched. All are undefined ' +
        'or incomplete.',
    )
  }
  if (jwksUri === undefined) {
    if (issuer === undefined)
      throw wrong('"jwksUri": write the address of the key set, or give "issuer" for OpenID discovery.')
    if (!isFetchable(issuer, issuer))
      throw wrong('"jwksUri": write the address of the key set, or an issuer that is an https address.')
  } else if (issuer !== undefined && isLoopbackAddress(jwksUri) && !isFetchable(jwksUri, issuer)) {
    throw wrong(`"jwksUri": ${NOT_LOOPBACK}.`)
  }
  return { jwksUri, algorithms }
}

function wrong(message: string): OptionError {
  return new OptionError(`${TOKEN_VERIFIER}: option ${message}`)
}
