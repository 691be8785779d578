import { compileRule, OptionError } from '../../index.js'
import type { RequestFacts, RuleExpression } from '../../index.js'
import type { UserObject } from '../users/user-object.js'
import { isPlainObject } from '../wire/values.js'

/** The values that an expression about a document can name. */
export interface DocumentFacts {
  readonly user: UserObject
  /** The document of `%%root`, `%%this` and plain fields; `undefined` if there is none. */
  readonly root: object | undefined
  /** The document of `%%prevRoot` and `%%prev`; `undefined` if there is none. */
  readonly prev: object | undefined
  readonly request: RequestFacts
}

/** A compiled expression. */
export interface DocumentRule {
  /** Whether it holds. Never throws. */
  readonly holds: (facts: DocumentFacts) => boolean
  /** Whether it depends on values of the document of `%%root`. */
  readonly namesRoot: boolean
}

interface Settings {
  /** Where the expression is, for the message of a mistake. */
  readonly place: string
  readonly userIdField: string
  /** Whether the document of `%%root` is known when the expression is decided. Before a write it is not. */
  readonly knowsRoot: boolean
}

/** The names of the document before and after a write. */
const DOCUMENTS: ReadonlyMap<string, 'root' | 'prev'> = new Map([
  ['%%root', 'root'],
  ['%%this', 'root'],
  ['%%prevRoot', 'prev'],
  ['%%prev', 'prev'],
])

/**
 * Rules of the core name a user and no document. So the three documents are given to the core as one value, under the name
 * of the custom data, and the names in the expression are changed accordingly.
 */
const HOLDER = '%%user.custom_data'
const ALWAYS: readonly [string, unknown] = ['%%true', true]

/**
 * Compiles an expression about a user and the user's own document.
 * @throws OptionError that says where the mistake is, and what to write instead
 */
export function compileDocumentRule(expression: RuleExpression, settings: Settings): DocumentRule {
  const renaming = new Renaming(settings)
  const rule = compile(renaming.expression(expression) as RuleExpression, settings.place)
  return {
    namesRoot: renaming.namesRoot,
    holds: ({ user, root, prev, request }) =>
      rule({
        userId: user.id,
        userType: user.type,
        userData: user.data,
        customData: { user: user.custom_data, root, prev },
        request,
      }),
  }
}

function compile(expression: RuleExpression, place: string): ReturnType<typeof compileRule> {
  try {
    return compileRule(expression)
  } catch (error) {
    if (!(error instanceof OptionError)) throw error
    const message = error.message
      .replace(/^allow\(\): /, '')
      .replace(/%%user\.custom_data\.(user|root|prev)/g, toShown)
    throw new OptionError(`createAppServices(): ${place}: ${message}`)
  }
}

function toShown(_text: string, name: string): string {
  if (name === 'user') return HOLDER
  return name === 'root' ? '%%root' : '%%prevRoot'
}

/** Changes the names in one expression. */
class Renaming {
  namesRoot = false
  readonly #settings: Settings

  constructor(settings: Settings) {
    this.#settings = settings
  }

  expression(value: unknown): unknown {
    if (!isPlainObject(value)) return value
    const members = Object.entries(value).map(([key, member]) => this.#member(key, member))
    if (new Set(members.map(([key]) => key)).size < members.length)
      // Two names of one document, as `%%root.a` and `a`, have become one.
      return { $and: members.map(([key, member]) => ({ [key]: member })) }
    return Object.fromEntries(members)
  }

  #member(key: string, value: unknown): readonly [string, unknown] {
    if (this.#isOwner(key, value)) return ALWAYS
    if (key === '%%true' || key === '%%false') return [key, this.#ofTruth(value)]
    if (key.startsWith('%%')) return [this.#text(key), this.#operand(value)]
    const operator = /^[$%](.*)$/s.exec(key)?.[1]
    if (operator === 'not') return [key, this.expression(value)]
    if (operator !== undefined)
      return [key, Array.isArray(value) ? value.map(part => this.expression(part)) : this.#operand(value)]
    return [this.#toName('root', `.${key}`, key), this.#operand(value)]
  }

  /** A user's own document always has the user's id, as a text or as an ObjectId. */
  #isOwner(key: string, value: unknown): boolean {
    const field = this.#settings.userIdField
    if (![field, `%%root.${field}`, `%%this.${field}`].includes(key)) return false
    const wanted =
      isPlainObject(value) && '$eq' in value && Object.keys(value).length === 1 ? value['$eq'] : value
    if (isPlainObject(wanted))
      return Object.keys(wanted).length === 1 && wanted['%stringToOid'] === '%%user.id'
    return wanted === '%%user.id'
  }

  /** The value of `%%true` is an expression, or a value that is compared. */
  #ofTruth(value: unknown): unknown {
    const isExpression =
      isPlainObject(value) && Object.keys(value).some(key => /^(?:%%|[$%](?:and|or|nor|not)$)/.test(key))
    return isExpression ? this.expression(value) : this.#operand(value)
  }

  #operand(value: unknown): unknown {
    if (typeof value === 'string') return this.#text(value)
    if (Array.isArray(value)) return value.map(element => this.#operand(element))
    if (!isPlainObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, this.#operand(member)]))
  }

  #text(text: string): string {
    if (text === HOLDER || text.startsWith(`${HOLDER}.`)) return `${HOLDER}.user${text.slice(HOLDER.length)}`
    const [first = '', ...rest] = text.split('.')
    const document = DOCUMENTS.get(first)
    if (document === undefined) return text
    return this.#toName(document, text.slice(first.length), text, rest.length === 0)
  }

  #toName(document: 'root' | 'prev', path: string, shown: string, isWhole = false): string {
    const { place, knowsRoot } = this.#settings
    if (document === 'root' && !knowsRoot)
      throw new OptionError(
        `createAppServices(): ${place}: "${shown}" names the document after the write, which is not known before it: ` +
          'write %%prevRoot for the document before the write, or decide it in "apply_when".',
      )
    if (isWhole)
      throw new OptionError(
        `createAppServices(): ${place}: "${shown}" names the whole document: write one of its fields, such as "${shown}.status".`,
      )
    this.namesRoot ||= document === 'root'
    return `${HOLDER}.${document}${path}`
  }
}
