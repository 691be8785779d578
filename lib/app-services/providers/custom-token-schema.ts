import * as v from 'valibot'
import { aBoolean, aText, membersOf } from '../check-options.js'

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
