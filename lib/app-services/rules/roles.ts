import { OptionError } from '../../index.js'
import type { RuleExpression } from '../../index.js'
import { compileDocumentRule } from './document-expression.js'
import type { DocumentFacts, DocumentRule } from './document-expression.js'
import type { Permissions } from './permissions.js'
import type { ParsedRole, ParsedRules } from './rules-schema.js'

/** What roles are decided by. */
export interface RoleFacts extends Omit<DocumentFacts, 'root' | 'prev'> {
  /** The user's document; `undefined` for a user without one. */
  readonly document: object | undefined
}

/** The roles of the custom data collection. */
export class Roles {
  /** Whether the right to create a document depends on its values. */
  readonly inspectNewDocuments: boolean
  readonly #roles: readonly CompiledRole[]

  /** @throws OptionError for a mistake in an expression */
  constructor({ roles }: ParsedRules, userIdField: string) {
    const names = roles.map(({ name }) => name)
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice !== undefined)
      throw new OptionError(
        `createAppServices(): option "customData.rules": the role "${twice}" is there twice: remove one of the two.`,
      )
    this.#roles = roles.map(role => compileRole(role, userIdField))
    this.inspectNewDocuments = this.#roles.some(
      ({ applies, insert }) => applies.namesRoot || insert.namesRoot,
    )
  }

  /** The rights of the first role that applies; `undefined` if none does. */
  find({ document, ...others }: RoleFacts): Permissions | undefined {
    return this.#find({ ...others, root: document, prev: document })
  }

  /** The rights for creating this document; `undefined` if no role applies. */
  findForNew({ document, ...others }: RoleFacts): Permissions | undefined {
    return this.#find({ ...others, root: document, prev: undefined })
  }

  #find(facts: DocumentFacts): Permissions | undefined {
    const role = this.#roles.find(({ applies }) => applies.holds(facts))
    return role && toPermissions(role, facts)
  }
}

interface FieldRights {
  readonly read: DocumentRule
  readonly write: DocumentRule
}

type CompiledRole = ReturnType<typeof compileRole>

function compileRole(role: ParsedRole, userIdField: string) {
  const at = (part: string) => `option "customData.rules": role "${role.name}": ${part}`
  const rule = (part: string, expression: RuleExpression, knowsRoot = true): DocumentRule =>
    compileDocumentRule(expression, { place: at(part), userIdField, knowsRoot })
  const rights = (part: string, { read = false, write = false }: RightsOption): FieldRights => ({
    read: rule(`${part}.read`, read),
    write: rule(`${part}.write`, write, false),
  })
  const { document_filters: filters = {}, read, write, fields, additional_fields: others } = role
  return {
    applies: rule('apply_when', role.apply_when),
    filters: rights('document_filters', { read: filters.read ?? true, write: filters.write ?? true }),
    insert: rule('insert', role.insert ?? false),
    delete: rule('delete', role.delete ?? false),
    read: read === undefined ? undefined : rule('read', read),
    write: write === undefined ? undefined : rule('write', write, false),
    fields: new Map(Object.entries(fields).map(([name, given]) => [name, rights(`fields.${name}`, given)])),
    others: rights('additional_fields', others),
  }
}

interface RightsOption {
  readonly read?: RuleExpression | undefined
  readonly write?: RuleExpression | undefined
}

function toPermissions(role: CompiledRole, facts: DocumentFacts): Permissions {
  const isWritable = role.filters.write.holds(facts)
  const isReadable = role.filters.read.holds(facts)
  const mayWriteAll = isWritable && role.write?.holds(facts) === true
  const mayReadAll = mayWriteAll || (isReadable && role.read?.holds(facts) === true)
  const rightsOf = (field: string): FieldRights => role.fields.get(field) ?? role.others
  // A rule of the whole document wins over the rules of the fields, also if it is `false`.
  const mayWrite = (field: string): boolean =>
    mayWriteAll || (role.write === undefined && isWritable && rightsOf(field).write.holds(facts))
  const mayRead = (field: string): boolean =>
    mayReadAll ||
    mayWrite(field) ||
    (role.read === undefined && isReadable && rightsOf(field).read.holds(facts))
  // No rule has an empty name, so it stands for the fields without a rule of their own.
  const fields = [...role.fields.keys(), '']
  const readsAll = fields.every(mayRead)
  return {
    mayInsert: role.insert.holds(facts),
    mayDelete: isWritable && role.delete.holds(facts),
    readsAll,
    writesAll: fields.every(mayWrite),
    mayRead,
    mayWrite,
    asksAll: readsAll,
    mayAsk: mayRead,
    readsAny: fields.some(mayRead),
  }
}
