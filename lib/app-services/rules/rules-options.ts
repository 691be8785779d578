import * as v from 'valibot'
import type { RuleExpression } from '../../index.js'
import { aText, membersOf } from '../check-options.js'

/**
 * The rules of the custom data collection, as a `rules.json` of an exported app has them. The first role whose `apply_when`
 * holds decides. A user without a role gets 403.
 *
 * Expressions name the user, as `%%user.id`, or the document, by `%%root`, `%%prevRoot`, `%%this`, `%%prev` or a plain field.
 * The document and `%%user.custom_data` are read from MongoDB for each operation, so a new role counts at once.
 *
 * @example
 * const rules = {
 *   database: 'app',
 *   collection: 'custom_user_data',
 *   roles: [
 *     {
 *       name: 'owner',
 *       apply_when: { owner_id: '%%user.id' },
 *       insert: true,
 *       delete: false,
 *       fields: { role: { read: true, write: false } },
 *       additional_fields: { read: true, write: true },
 *     },
 *   ],
 * }
 */
export interface CollectionRules {
  /** The name of the database, which must be the one of `customData`. */
  readonly database: string
  /** The name of the collection, which must be the one of `customData`. */
  readonly collection: string
  /** The roles, in the order in which they are tried. */
  readonly roles: readonly CollectionRole[]
  /**
   * Must be empty: a user has only the one document, so there is nothing to select.
   * @default none
   */
  readonly filters?: readonly object[] | undefined
  /**
   * Must be empty. Use a validator of the collection.
   * @default none
   */
  readonly schema?: object | undefined
  /** Not used: no operation follows a relationship. */
  readonly relationships?: object | undefined
  /** Not used. */
  readonly id?: string | undefined
  /** Not used. */
  readonly _id?: unknown
}

/** A role of {@link CollectionRules}. */
export interface CollectionRole {
  /** The name of the role, which no other role has. */
  readonly name: string
  /**
   * Who has the role. `{}` is everybody.
   * @example { owner_id: '%%user.id' }
   */
  readonly apply_when: RuleExpression
  /**
   * Whether the document may be read and written at all. `write` cannot name `%%root`, see {@link CollectionRole.write}.
   * @default both hold
   */
  readonly document_filters?:
    { readonly read?: RuleExpression | undefined; readonly write?: RuleExpression | undefined } | undefined
  /**
   * Whether the user may create the document. The role also needs the right to write its fields.
   * @default false
   */
  readonly insert?: RuleExpression | undefined
  /**
   * Whether the user may delete the document.
   * @default false
   */
  readonly delete?: RuleExpression | undefined
  /**
   * Whether the user may read all fields. If it is given, it wins over `fields` and `additional_fields`.
   * @default the rules of the fields
   */
  readonly read?: RuleExpression | undefined
  /**
   * Whether the user may write all fields, which includes reading them. If it is given, it wins over `fields` and
   * `additional_fields`. It is decided before the write, so it can name `%%prevRoot`, the document before, but not `%%root`.
   * @default the rules of the fields
   */
  readonly write?: RuleExpression | undefined
  /** Not used: Atlas Search is not served. */
  readonly search?: RuleExpression | undefined
  /**
   * Rules of single fields of the top level. The right to write includes the right to read.
   * @default none
   * @example { role: { read: true, write: false } }
   */
  readonly fields?: Readonly<Record<string, FieldRule>> | undefined
  /**
   * The rule of all other fields.
   * @default neither read nor write
   */
  readonly additional_fields?: FieldRule | undefined
}

/** The rights on a field. */
export interface FieldRule {
  /**
   * Whether the user may read the field.
   * @default false
   */
  readonly read?: RuleExpression | undefined
  /**
   * Whether the user may write the field, which includes reading it.
   * @default false
   */
  readonly write?: RuleExpression | undefined
}

const expression = v.custom<RuleExpression>(
  value =>
    typeof value === 'boolean' || (typeof value === 'object' && value !== null && !Array.isArray(value)),
  'write true, false or an expression such as { "%%user.custom_data.role": "admin" }',
)
const optional = v.optional(expression)

const nothing = (why: string) =>
  v.optional(
    v.custom<object>(
      value => typeof value === 'object' && value !== null && Object.keys(value).length === 0,
      why,
    ),
  )

const fieldRule = membersOf({
  read: optional,
  write: optional,
  fields: nothing('rules of fields inside of a field are not supported: write a rule for the whole field'),
})

const fieldName = v.pipe(
  v.string(),
  v.regex(/^[^.$][^.]*$/, 'write the name of a field of the top level: without dots, and without $ in front'),
)

const role = membersOf({
  name: aText,
  apply_when: expression,
  document_filters: v.optional(membersOf({ read: optional, write: optional })),
  insert: optional,
  delete: optional,
  read: optional,
  write: optional,
  search: optional,
  fields: v.optional(v.record(fieldName, fieldRule), {}),
  additional_fields: v.optional(fieldRule, {}),
})

/** The schema of {@link CollectionRules}. */
export const collectionRules = membersOf({
  database: aText,
  collection: aText,
  roles: v.pipe(
    v.array(role, 'write a list of roles'),
    v.minLength(1, 'write one role at least, because without a role every operation is refused'),
  ),
  filters: nothing(
    'filters are not supported, because a user has only the one document: leave them out, and limit the fields by the roles',
  ),
  schema: nothing(
    'the schema of App Services is not checked here: leave it out, and give the collection a validator of MongoDB',
  ),
  relationships: v.optional(v.unknown()),
  id: v.optional(v.unknown()),
  _id: v.optional(v.unknown()),
})

/** Parsed rules. */
export type ParsedRules = v.InferOutput<typeof collectionRules>

/** A parsed role. */
export type ParsedRole = ParsedRules['roles'][number]
