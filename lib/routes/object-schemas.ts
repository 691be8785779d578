import type { StandardSchemaV1 } from '@standard-schema/spec'

/** A schema of one field. */
export interface FieldSchema {
  readonly schema: StandardSchemaV1
  /** Gives the schema's input for a missing field, if not `undefined`. The field stays missing if it returns `undefined`. */
  readonly whenMissing?: () => unknown
}

/** Schemas by the name of their field. */
export type FieldSchemas = ReadonlyMap<string, FieldSchema>

/** The members of schemas that are read. Standard Schema itself does not tell a schema's fields. */
interface ObjectSchema {
  readonly '~standard': { readonly vendor: string }
  /** zod */
  readonly shape?: Readonly<Record<string, StandardSchemaV1>>
  readonly def?: { readonly checks?: readonly unknown[]; readonly catchall?: ZodCatchall }
  /** valibot */
  readonly entries?: Readonly<Record<string, StandardSchemaV1>>
  readonly pipe?: readonly unknown[]
  readonly fallback?: unknown
  readonly type?: string
  /** arktype */
  readonly json?: ArkTypeJson | readonly unknown[]
  readonly props?: readonly ArkTypeProperty[]
}

interface ZodCatchall {
  readonly def: { readonly type: string }
}

interface ArkTypeJson {
  /** The object before a conversion. */
  readonly in?: ArkTypeJson
  readonly domain?: unknown
  readonly required?: readonly { readonly key: string }[]
  readonly optional?: readonly { readonly key: string }[]
  readonly undeclared?: string
}

interface ArkTypeProperty {
  readonly kind: 'required' | 'optional'
  readonly key: string
  readonly value: StandardSchemaV1
  readonly default?: unknown
}

/**
 * Takes an object schema of zod, valibot or arktype apart. `undefined` for any other schema, and for an object with a rule of
 * its own, such as one across fields, because the rule would be lost.
 */
export function splitSchema(given: StandardSchemaV1): FieldSchemas | undefined {
  const schema = given as ObjectSchema
  switch (schema['~standard'].vendor) {
    case 'zod':
      return schema.def?.checks?.length ? undefined : toFieldSchemas(schema.shape)
    case 'valibot':
      return schema.pipe || 'fallback' in schema ? undefined : toFieldSchemas(schema.entries)
    case 'arktype':
      return hasOnlyFields(schema.json) ? splitArkType(schema.props) : undefined
    default:
      return undefined
  }
}

/** The names of the fields of an object schema, also of one with rules of its own; `undefined` if they are not known. */
export function fieldNamesOf(given: StandardSchemaV1 | undefined): string[] | undefined {
  const { shape, entries, json } = (given ?? {}) as Partial<ObjectSchema>
  const members = shape ?? entries
  if (members) return Object.keys(members)
  const object = (json as ArkTypeJson | undefined)?.in ?? json
  if (!isArkTypeObject(object)) return undefined
  return [...(object.required ?? []), ...(object.optional ?? [])].map(({ key }) => key)
}

/** Whether an object schema keeps fields that it does not name, such as a loose object. Others drop or refuse them. */
export function keepsOtherFields(given: StandardSchemaV1): boolean {
  const { def, type, json } = given as ObjectSchema
  switch (given['~standard'].vendor) {
    case 'zod':
      return def?.catchall !== undefined && def.catchall.def.type !== 'never'
    case 'valibot':
      return type === 'loose_object' || type === 'object_with_rest'
    default:
      return isArkTypeObject(json) && json.undeclared === undefined
  }
}

function toFieldSchemas(
  members: Readonly<Record<string, StandardSchemaV1>> | undefined,
): FieldSchemas | undefined {
  return (
    members &&
    new Map(
      Object.entries(members).map(([name, schema]) => [
        name,
        isExactlyOptional(schema) ? optional(schema) : { schema },
      ]),
    )
  )
}

/** Whether a field may be missing although its schema refuses `undefined`: `exactOptional()` of zod and of valibot. */
function isExactlyOptional(schema: StandardSchemaV1): boolean {
  const { type, _zod } = schema as {
    readonly type?: unknown
    readonly _zod?: { readonly traits?: ReadonlySet<string> }
  }
  return type === 'exact_optional' || _zod?.traits?.has('$ZodExactOptional') === true
}

function optional(schema: StandardSchemaV1): FieldSchema {
  return { schema, whenMissing: () => undefined }
}

function isArkTypeObject(json: ObjectSchema['json']): json is ArkTypeJson {
  return (json as ArkTypeJson | undefined)?.domain === 'object'
}

/** A rule across fields is a `predicate`, and a conversion of the whole object has `in` and `morphs`. */
const PARTS_OF_FIELDS = new Set(['domain', 'required', 'optional', 'undeclared'])

function hasOnlyFields(json: ObjectSchema['json']): boolean {
  return isArkTypeObject(json) && Object.keys(json).every(part => PARTS_OF_FIELDS.has(part))
}

function splitArkType(properties: readonly ArkTypeProperty[] = []): FieldSchemas {
  return new Map(
    properties.map(property => {
      const { kind, key, value: schema } = property
      if (kind === 'required') return [key, { schema }]
      const given = property.default
      const whenMissing = (): unknown => (typeof given === 'function' ? (given as () => unknown)() : given)
      return [key, { schema, whenMissing }]
    }),
  )
}
