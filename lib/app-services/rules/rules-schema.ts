import * as v from 'valibot'
import type { RuleExpression } from '../../index.js'
import { aText, membersOf } from '../check-options.js'

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
