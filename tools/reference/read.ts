/** Reads the exported names of the package with their doc comments. */
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** The package's folder. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A doc comment, as Markdown. Links to other names are still written as `{@link name}`. */
export interface Doc {
  readonly text: string
  readonly defaultValue: string | undefined
  readonly throws: readonly string[]
  readonly examples: readonly string[]
  readonly params: readonly { readonly name: string; readonly text: string }[]
  readonly returns: string | undefined
  readonly remedy: string | undefined
}

/** A member of an interface, or an exported function. */
export interface Member {
  readonly name: string
  /** The type or the signature, as it is written in the source. */
  readonly type: string
  readonly isOptional: boolean
  readonly doc: Doc
}

/** An exported type or class. */
export interface Declared {
  readonly name: string
  readonly doc: Doc
  /** The declaration without its own doc comment. */
  readonly source: string
}

const EMPTY: Doc = {
  text: '',
  defaultValue: undefined,
  throws: [],
  examples: [],
  params: [],
  returns: undefined,
  remedy: undefined,
}

/** @param file the entry point in `lib/` */
export function createReader(file = 'index.ts') {
  const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, path => ts.sys.readFile(path)) as {
    config: object
  }
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const entry = `${ROOT}lib/${file}`
  const program = ts.createProgram([entry], options)
  const checker = program.getTypeChecker()
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!
  const exported = new Map(
    checker.getExportsOfModule(module).map(symbol => [symbol.name, resolveAlias(symbol)]),
  )

  function resolveAlias(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  }

  function find(name: string): ts.Symbol {
    const symbol = exported.get(name)
    if (!symbol) throw new Error(`lib/${file} exports no "${name}".`)
    return symbol
  }

  /** The members of an exported interface, in the order of the source. Inherited members follow the own members. */
  function membersOf(name: string): Member[] {
    return checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(find(name))).flatMap(toMembers)
  }

  function toMembers(symbol: ts.Symbol): Member[] {
    const declarations = symbol.declarations ?? []
    const documented = declarations.filter(one => ts.getJSDocCommentsAndTags(one).length > 0)
    const all = documented.length > 0 ? documented : declarations
    // Overloads are members of their own. Of a union each alternative declares the property, and one of them documents it.
    return (all.every(ts.isMethodSignature) ? all : all.slice(0, 1)).map(declaration =>
      toMember(symbol.name, declaration),
    )
  }

  function toMember(name: string, declaration: ts.Declaration): Member {
    const isOptional = 'questionToken' in declaration && declaration.questionToken !== undefined
    return { name, type: typeOf(declaration), isOptional, doc: docOf(declaration) }
  }

  /** A function that the package exports, besides the members of an instance. Of overloads the last one is the widest. */
  function functionNamed(name: string): Member {
    const all = (find(name).declarations ?? []).filter(one => ts.isFunctionDeclaration(one))
    const shown = all.filter(({ body }) => !body).at(-1) ?? all[0]!
    const source = shown.getText().replace(/^export (async )?function /, '')
    const signature = shown.body ? source.slice(0, source.lastIndexOf(shown.body.getText())) : source
    const doc = all.map(docOf).find(({ text }) => text !== '') ?? EMPTY
    return { name, type: signature.replace(/^ *\/\/.*\n/gm, '').trim(), isOptional: false, doc }
  }

  function declaredAs(name: string): Declared {
    const symbol = find(name)
    const declaration = symbol.declarations![0]!
    const source = declaration.getText().replace(/^export /, '')
    // Such a type names what readers do not see, so its values are listed.
    const isHidden = ts.isTypeAliasDeclaration(declaration) && /= (keyof typeof |\(typeof )/.test(source)
    return { name, doc: docOf(declaration), source: isHidden ? `type ${name} = ${valuesOf(symbol)}` : source }
  }

  function valuesOf(symbol: ts.Symbol): string {
    const type = checker.getDeclaredTypeOfSymbol(symbol)
    const values = type.isUnion() ? type.types : [type]
    return values.map(one => checker.typeToString(one).replaceAll('"', "'")).join(' | ')
  }

  /** The members of a constant object or of an interface in a file of `lib/`: tables of codes. */
  function entriesOf(file: string, name: string): { code: string; value: string; doc: Doc }[] {
    const { statements } = program.getSourceFile(`${ROOT}lib/${file}`)!
    const variables = statements.filter(one => ts.isVariableStatement(one))
    const variable = variables
      .flatMap(({ declarationList }) => declarationList.declarations)
      .find(one => one.name.getText() === name)
    const type = statements.find(one => ts.isInterfaceDeclaration(one) && one.name.text === name)
    const holder = variable ? toObject(variable.initializer!) : (type as ts.InterfaceDeclaration)
    const entries = 'properties' in holder ? holder.properties : holder.members
    return entries.map(entry => ({
      code: entry.name!.getText(),
      value: ts.isPropertyAssignment(entry) ? entry.initializer.getText() : '',
      doc: docOf(entry),
    }))
  }

  /** The type of an event, and its members. */
  function membersOfEvent(event: string): { type: string; members: Member[] } {
    const events = checker.getDeclaredTypeOfSymbol(find('CustomUserDataEvents'))
    const property = checker.getPropertyOfType(events, event)!
    const [type] = checker.getTypeArguments(checker.getTypeOfSymbol(property) as ts.TypeReference)
    return {
      type: typeOf(property.declarations![0]!).replace(/^\[(.*)\]$/s, '$1'),
      members: type!.isUnion()
        ? membersOfUnion(type.types)
        : checker.getPropertiesOfType(type!).flatMap(toMembers),
    }
  }

  /** The members of all alternatives. A member that some alternatives lack is optional. */
  function membersOfUnion(alternatives: readonly ts.Type[]): Member[] {
    const all = alternatives.flatMap(one => checker.getPropertiesOfType(one).flatMap(toMembers))
    const names = [...new Set(all.map(({ name }) => name))]
    return names.map(name => {
      const same = all.filter(one => one.name === name)
      const types = [...new Set(same.map(({ type }) => type))]
      const texts = new Set(
        same.map(({ type, doc }) => toAlternative(types.length > 1 ? type : '', doc.text)),
      )
      return {
        name,
        type: types.join(' | '),
        isOptional: same.length < alternatives.length,
        doc: { ...EMPTY, text: [...texts].join(' ') },
      }
    })
  }

  function docOf(node: ts.Node): Doc {
    const all = ts.getJSDocCommentsAndTags(node).filter(one => ts.isJSDoc(one))
    const last = all.at(-1)
    if (!last) return EMPTY
    const tags = [...(last.tags ?? [])]
    const texts = (name: string) =>
      tags.filter(({ tagName }) => tagName.text === name).map(tag => toText(tag.comment))
    return {
      text: toText(last.comment),
      defaultValue: texts('default')[0],
      throws: tags.filter(one => ts.isJSDocThrowsTag(one)).map(toThrows),
      examples: texts('example'),
      params: tags
        .filter(one => ts.isJSDocParameterTag(one))
        .map(one => ({ name: one.name.getText(), text: toText(one.comment) })),
      returns: texts('returns')[0],
      remedy: texts('remedy')[0],
    }
  }

  function toThrows(tag: ts.JSDocThrowsTag): string {
    const name = tag.typeExpression?.type.getText()
    return `${name === undefined ? '' : `\`${name}\` `}${toText(tag.comment)}`.trim()
  }

  function toText(comment: string | ts.NodeArray<ts.JSDocComment> | undefined): string {
    if (comment === undefined) return ''
    if (typeof comment === 'string') return comment.trim()
    const parts = comment.map(part => (ts.isJSDocLink(part) ? part.getText() : part.text))
    return parts.join('').trim()
  }

  return {
    names: [...exported.keys()],
    isFunction: (name: string) => Boolean(find(name).flags & ts.SymbolFlags.Function),
    membersOf,
    membersOfEvent,
    functionNamed,
    declaredAs,
    entriesOf,
  }
}

export type Reader = ReturnType<typeof createReader>

/** The type of a member as it is written. An optional member may always be `undefined`, so that is left out. */
function typeOf(declaration: ts.Declaration): string {
  if (ts.isMethodSignature(declaration)) return declaration.getText().replace(/this: void,?\s*/, '')
  const { type, initializer, questionToken } = declaration as ts.PropertyDeclaration
  const text = (type ?? initializer)?.getText().replace(/^\s*\|\s*/, '') ?? ''
  return questionToken ? text.replace(/\s*\| undefined$/, '') : text
}

/** The object in `{ … } as const satisfies T`. */
function toObject(expression: ts.Expression): ts.ObjectLiteralExpression {
  if (ts.isObjectLiteralExpression(expression)) return expression
  return toObject((expression as ts.AsExpression | ts.SatisfiesExpression).expression)
}

function toAlternative(value: string, text: string): string {
  return value === '' || text === '' ? text : `\`${value}\`: ${text}`
}
