import * as v from 'valibot'
import type { TokenVerifierOptions } from '../../index.js'
import { aBoolean, aText, membersOf } from '../check-options.js'

/** A claim of a custom JWT that becomes metadata of the user, `user.profile` for clients. */
export interface MetadataField {
  /**
   * Where the claim is, with dots between the names: `profile.email`. `\.` stands for a dot in a name.
   * @example 'https://example\\.com/email'
   */
  readonly path: string
  /**
   * The name that the user's data gets, 63 characters at most.
   * @default the last name of the path
   */
  readonly name?: string | undefined
  /**
   * Whether a token without the claim is refused.
   * @default false
   */
  readonly required?: boolean | undefined
}

/** Options of logins by a JWT that another service issued. The keys and `jwksUri` are those of `tokenVerifier()`. */
export interface CustomTokenOptions extends Omit<TokenVerifierOptions, 'audience'> {
  /**
   * The audience of the tokens.
   * @default the app id
   */
  readonly audience?: string | readonly string[] | undefined
  /**
   * Whether one audience is enough. Otherwise a token must have all of them.
   * @default false
   */
  readonly requireAnyAudience?: boolean | undefined
  /**
   * Claims that become metadata of the user. They are read at each login.
   * @default none
   */
  readonly metadataFields?: readonly MetadataField[] | undefined
}

/** App Services allowed no longer name of metadata. */
const MAX_NAME_LENGTH = 63
const NAME = `write a name of 1 to ${MAX_NAME_LENGTH} characters, without a dot, that does not begin with $`

const metadataName = v.pipe(
  aText,
  v.maxLength(MAX_NAME_LENGTH, NAME),
  v.check(name => !name.includes('.') && !name.startsWith('$') && name !== '__proto__', NAME),
)

const metadataField = v.pipe(
  membersOf({
    path: aText,
    name: v.optional(metadataName),
    required: v.optional(aBoolean, false),
  }),
  v.transform(({ path, name, required }) => {
    const names = toNames(path)
    return { names, name: name ?? names.at(-1) ?? path, required }
  }),
  v.check(
    ({ name }) => v.is(metadataName, name),
    `${NAME}, or another path: its last name is the name of the data`,
  ),
)

/** The option `providers.customToken`. `tokenVerifier()` checks the members that it shares with it. */
export const customTokenOptions = v.pipe(
  v.looseObject(
    {
      audience: v.optional(
        v.union(
          [aText, v.pipe(v.array(aText), v.minLength(1, 'write an audience'))],
          'write the audience of the tokens, or a list',
        ),
      ),
      requireAnyAudience: v.optional(aBoolean, false),
      metadataFields: v.optional(v.array(metadataField, 'write a list such as [{ path: "email" }]'), []),
    },
    'give { keys } or { jwksUri, algorithms }',
  ),
  v.transform(({ audience, requireAnyAudience, metadataFields, ...verifier }) => ({
    audience: audience === undefined ? undefined : [audience].flat(),
    requireAnyAudience,
    metadataFields,
    verifier: verifier,
  })),
)

/** {@link CustomTokenOptions}, parsed. */
export type CustomTokenConfig = v.InferOutput<typeof customTokenOptions>

/** The names of a path. A backslash before a dot makes the dot part of a name. */
function toNames(path: string): string[] {
  return path.split(/(?<!\\)\./).map(name => name.replaceAll('\\.', '.'))
}
